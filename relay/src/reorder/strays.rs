//! Packets whose number fits nowhere: corrupt headers, or the first of a source that has begun anew. They are kept until it is
//! clear which.

use std::mem;

/// So many are kept; above that the oldest goes. More than a restart needs to be believed, also with corrupt ones between.
const STRAYS_MAX: usize = 128;

/// What one packet says for a restart: one that merely lies near the others, and one that corruption hardly explains.
const WEIGHT_NEAR: u32 = 1;
const WEIGHT_STRONG: u32 = 4;

pub(super) struct Stray {
    pub(super) sequence: u64,
    pub(super) payload: Vec<u8>,
    pub(super) arrived_ms: u64,
    /// How many packets the channel had accepted when this one came. As long as the channel stands there, nothing was in place
    /// since.
    accepted_then: u64,
    weight: u32,
}

/// The strays of a channel, in order of arrival.
pub(super) struct Strays {
    list: Vec<Stray>,
    bytes: usize,
    /// Strays further apart than this don't belong together.
    reach: u64,
}

/// What became of a packet.
pub(super) enum Fate {
    Kept,
    /// The same packet is there.
    Duplicate,
    /// It is kept, and one with this number isn't any more: another payload under the same number, or the oldest.
    Instead(u64),
}

impl Strays {
    pub(super) fn new(window: usize) -> Self {
        Self { list: Vec::new(), bytes: 0, reach: window as u64 / 2 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Payload bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps a copy of a packet. `contradicts`: another payload is known under its number.
    pub(super) fn put(
        &mut self,
        sequence: u64,
        payload: &[u8],
        arrived_ms: u64,
        accepted: u64,
        contradicts: bool,
    ) -> Fate {
        let same = self.list.iter().position(|stray| stray.sequence == sequence);
        if same.is_some_and(|index| self.list[index].payload == payload) {
            return Fate::Duplicate;
        }
        let oldest = (self.list.len() >= STRAYS_MAX).then_some(0);
        let gone = same.or(oldest).map(|index| self.list.remove(index));
        let follows = self.list.iter().any(|stray| stray.sequence.wrapping_add(1) == sequence);
        let weight = if contradicts || same.is_some() || follows { WEIGHT_STRONG } else { WEIGHT_NEAR };
        self.bytes += payload.len();
        self.list.push(Stray {
            sequence,
            payload: payload.to_vec(),
            arrived_ms,
            accepted_then: accepted,
            weight,
        });
        gone.map_or(Fate::Kept, |gone| {
            self.bytes -= gone.payload.len();
            Fate::Instead(gone.sequence)
        })
    }

    /// What the strays around a number say for a restart there, of those since whose arrival nothing was in place.
    pub(super) fn evidence(&self, around: u64, accepted: u64) -> u32 {
        self.in_a_row(around, accepted).map(|stray| stray.weight).sum()
    }

    /// Whether the packet before this number is the latest stray, nothing was in place since it came, and a payload that
    /// contradicts what was delivered is among the reasons that it is one.
    pub(super) fn lead_to(&self, sequence: u64, accepted: u64) -> bool {
        self.list.last().is_some_and(|stray| {
            stray.sequence.wrapping_add(1) == sequence
                && stray.accepted_then == accepted
                && stray.weight == WEIGHT_STRONG
        })
    }

    /// A number around which the strays have waited long enough to be believed: several for `hold_ms`, a lone one for
    /// `doubt_ms`, with nothing in place meanwhile. Of several places, the one that most strays say.
    pub(super) fn believable(&self, accepted: u64, now_ms: u64, hold_ms: u64, doubt_ms: u64) -> Option<u64> {
        self.clusters(accepted)
            .filter(|cluster| cluster.due_ms(hold_ms, doubt_ms) <= now_ms)
            .max_by_key(|cluster| cluster.count)
            .map(|cluster| cluster.around)
    }

    /// When the next of them is to be believed or dropped.
    pub(super) fn deadline_ms(&self, accepted: u64, hold_ms: u64, doubt_ms: u64) -> Option<u64> {
        let believed = self.clusters(accepted).map(|cluster| cluster.due_ms(hold_ms, doubt_ms));
        let dropped = self.list.iter().map(|stray| stray.arrived_ms + doubt_ms);
        believed.chain(dropped).min()
    }

    /// Takes those out that came by this time.
    pub(super) fn take_older(&mut self, arrived_by_ms: u64) -> Vec<Stray> {
        self.take_where(|stray| stray.arrived_ms <= arrived_by_ms)
    }

    /// Takes those around a number out, in order of arrival: they all lie within the window.
    pub(super) fn take_around(&mut self, around: u64) -> Vec<Stray> {
        let reach = self.reach;
        self.take_where(|stray| near(stray.sequence, around, reach))
    }

    /// Takes all out.
    pub(super) fn take_all(&mut self) -> Vec<Stray> {
        self.bytes = 0;
        mem::take(&mut self.list)
    }

    fn take_where(&mut self, wanted: impl Fn(&Stray) -> bool) -> Vec<Stray> {
        let (taken, kept) = mem::take(&mut self.list).into_iter().partition(|stray| wanted(stray));
        self.list = kept;
        self.bytes = self.list.iter().map(|stray| stray.payload.len()).sum();
        taken
    }

    fn in_a_row(&self, around: u64, accepted: u64) -> impl Iterator<Item = &Stray> {
        self.list
            .iter()
            .filter(move |stray| stray.accepted_then == accepted && near(stray.sequence, around, self.reach))
    }

    fn clusters(&self, accepted: u64) -> impl Iterator<Item = Cluster> {
        self.list.iter().filter(move |stray| stray.accepted_then == accepted).map(move |stray| {
            let around = stray.sequence;
            let mut cluster = Cluster { around, count: 0, first_ms: stray.arrived_ms };
            for other in self.in_a_row(around, accepted) {
                cluster.count += 1;
                cluster.first_ms = cluster.first_ms.min(other.arrived_ms);
            }
            cluster
        })
    }
}

struct Cluster {
    around: u64,
    count: usize,
    first_ms: u64,
}

impl Cluster {
    fn due_ms(&self, hold_ms: u64, doubt_ms: u64) -> u64 {
        self.first_ms + if self.count > 1 { hold_ms } else { doubt_ms }
    }
}

fn near(a: u64, b: u64, reach: u64) -> bool {
    a.wrapping_sub(b).min(b.wrapping_sub(a)) < reach
}
