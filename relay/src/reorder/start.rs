//! How a channel begins: at the lowest of its first packets.

use super::{Outcome, Reorder};

impl Reorder {
    pub(super) fn insert_at_start(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        outcome: &mut Outcome,
        out: &mut impl FnMut(u64, &[u8]),
    ) {
        let window = self.window();
        if self.held.is_empty() {
            self.started_ms = now_ms;
            self.next = sequence;
            self.hold(sequence, payload, now_ms);
        } else if sequence.wrapping_sub(self.next) < window {
            match self.held.get(sequence) {
                None => self.hold(sequence, payload, now_ms),
                Some(known) if known == payload => outcome.duplicate += 1,
                Some(_) => self.doubt(sequence, payload, now_ms, true, outcome, out),
            }
        } else if self.top.wrapping_sub(sequence) < window {
            self.next = sequence;
            self.hold(sequence, payload, now_ms);
        } else if sequence.wrapping_sub(self.top) < window {
            self.begin(outcome, out);
            self.insert_running(sequence, payload, now_ms, outcome, out);
        } else {
            self.doubt(sequence, payload, now_ms, false, outcome, out);
        }
    }

    /// Ends the start.
    pub(super) fn begin(&mut self, outcome: &mut Outcome, out: &mut impl FnMut(u64, &[u8])) {
        self.starting = false;
        self.known_from = if self.skipped { self.next.wrapping_sub(self.window()) } else { self.next };
        self.release_ready(outcome, out);
    }
}
