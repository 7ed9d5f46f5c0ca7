//! Ports that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// How far from the usual port to look.
const REACH: u16 = 100;

/// A port for each of `usual`: that one or the next that is free; for 0, any that is free. No port is given twice.
///
/// # Errors
/// When a hundred ports in a row are taken.
pub fn free_ports<const N: usize>(usual: [u16; N]) -> Result<[u16; N]> {
    // Held until all are found, so that the next search does not find one of them.
    let mut held = Vec::new();
    let mut ports = [0; N];
    for (port, usual) in ports.iter_mut().zip(usual) {
        let candidates = if usual == 0 { 0..=0 } else { usual..=usual.saturating_add(REACH) };
        let listener = candidates
            .into_iter()
            .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
            .with_context(|| format!("no port from {usual} on is free"))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// One such port.
///
/// # Errors
/// As for [`free_ports`].
pub fn free_port(usual: u16) -> Result<u16> {
    free_ports([usual]).map(|[port]| port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over_and_none_is_given_twice() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let usual = taken.local_addr().expect("an address").port();
        let ports = free_ports([usual, usual, 0]).expect("free ports");
        assert!(ports[0] > usual && ports[1] > ports[0] && ports[2] > 0, "{usual}: {ports:?}");
    }
}
