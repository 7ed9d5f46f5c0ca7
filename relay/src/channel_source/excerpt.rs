//! What is left of a stretch of a transport stream when a player has dropped what it can't show.

use super::transport_stream::{PACKET_LEN, Packet, Programme};

/// What can be decoded without an error of a stretch that begins and ends anywhere between two packets: the tables, then
/// everything from the first key picture on, up to the last whole unit of each elementary stream. None if there is no key picture.
#[must_use]
pub fn whole_pictures(stretch: &[u8]) -> Option<Vec<u8>> {
    let programme = Programme::find(stretch)?;
    let video = programme.video()?.pid;
    let packets: Vec<Packet<'_>> = stretch.chunks_exact(PACKET_LEN).map_while(Packet::new).collect();
    let first = packets
        .iter()
        .position(|packet| packet.pid() == video && packet.starts_unit() && packet.is_random_access())?;
    let mut out = Vec::with_capacity(stretch.len());
    for pid in [0, programme.map_pid] {
        let is_table = |packet: &&Packet<'_>| packet.pid() == pid && packet.starts_unit();
        let before = packets[..first].iter().rfind(is_table);
        out.extend_from_slice(before.or_else(|| packets.iter().find(is_table))?.bytes());
    }
    // Where a unit begins whose end is missing.
    let unfinished = |pid| packets.iter().rposition(|packet| packet.pid() == pid && packet.starts_unit());
    let ends: Vec<_> = programme.streams.iter().map(|stream| (stream.pid, unfinished(stream.pid))).collect();
    for (number, packet) in packets.iter().enumerate().skip(first) {
        let end = ends.iter().find(|(pid, _)| *pid == packet.pid()).and_then(|(_, end)| *end);
        if end.is_none_or(|end| number < end) {
            out.extend_from_slice(packet.bytes());
        }
    }
    Some(out)
}
