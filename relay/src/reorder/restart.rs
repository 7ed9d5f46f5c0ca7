//! Whether the numbers of a channel have begun anew, or a packet is merely corrupt. The rules are those of the module above.

use super::strays::{Fate, Stray};
use super::{EVIDENCE_MAX, Outcome, Reorder};

/// A packet with so many numbers missing on both sides is alone.
pub(super) const ALONE: u64 = 64;

/// What strays that lead up to the next packet have to weigh: three that contradict.
const EVIDENCE_LEADING: u32 = 12;

/// So many repeated packets in ascending order show that the source has gone back.
const REPEATS: u32 = 16;

/// A run of so many packets, all in order, is of a source that doesn't shuffle: nothing lower is waited for.
const IN_ORDER: usize = 15;

/// A jump ahead of at most so many windows is a loss, and packets from within it are late. A larger one is a restart.
const SKIPPED_WINDOWS: u64 = 8;

/// A run of packets that were delivered or given up before.
#[derive(Default)]
pub(super) struct Repeats {
    count: u32,
    top: u64,
    since_ms: u64,
    accepted_then: u64,
}

impl Reorder {
    /// Keeps a stray, and begins anew with it if that is what it and the others say.
    pub(super) fn doubt(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        contradicts: bool,
        outcome: &mut Outcome,
        out: &mut impl FnMut(u64, &[u8]),
    ) {
        self.keep_stray(sequence, payload, now_ms, contradicts, outcome);
        let credit = (self.accepted - self.anchored_at).clamp(1, u64::from(EVIDENCE_MAX)) as u32;
        let needed = (4 * credit + 1).min(EVIDENCE_MAX);
        if self.strays.evidence(sequence, self.accepted) >= needed {
            self.reanchor(sequence, now_ms, outcome, out);
        }
    }

    pub(super) fn keep_stray(
        &mut self,
        sequence: u64,
        payload: &[u8],
        now_ms: u64,
        contradicts: bool,
        outcome: &mut Outcome,
    ) {
        let due_ms = now_ms + self.config.hold_ms.min(self.config.doubt_ms);
        self.strays_due_ms = if self.strays.is_empty() { due_ms } else { self.strays_due_ms.min(due_ms) };
        match self.strays.put(sequence, payload, now_ms, self.accepted, contradicts) {
            Fate::Kept => {}
            Fate::Duplicate => outcome.duplicate += 1,
            Fate::Instead(gone) => self.count_dropped(gone, outcome),
        }
    }

    /// Whether the packet that is due continues strays that go back over the numbers before it.
    pub(super) fn follows_strays(&self, sequence: u64) -> bool {
        self.strays.lead_to(sequence, self.accepted)
            && self.strays.evidence(sequence, self.accepted) >= EVIDENCE_LEADING
    }

    /// Whether a packet that was there before is the latest of so many, for so long, that the source must have gone back.
    pub(super) fn has_gone_back(&mut self, sequence: u64, now_ms: u64) -> bool {
        let repeats = &mut self.repeats;
        let beyond = sequence.wrapping_sub(repeats.top) as i64;
        if repeats.count == 0 || repeats.accepted_then != self.accepted || beyond < -(ALONE as i64) {
            *repeats = Repeats { count: 1, top: sequence, since_ms: now_ms, accepted_then: self.accepted };
            return false;
        }
        if beyond <= 0 {
            return false;
        }
        repeats.count = repeats.count.saturating_add(1);
        repeats.top = sequence;
        repeats.count >= REPEATS && now_ms - repeats.since_ms >= self.config.doubt_ms
    }

    /// Begins anew with the strays around a number.
    pub(super) fn reanchor(
        &mut self,
        around: u64,
        now_ms: u64,
        outcome: &mut Outcome,
        out: &mut impl FnMut(u64, &[u8]),
    ) {
        self.release_all(outcome, out);
        let run = self.strays.take_around(around);
        let distance = |stray: &Stray| stray.sequence.wrapping_sub(around) as i64;
        let lowest = run.iter().map(distance).min().unwrap_or_default();
        let highest = run.iter().map(distance).max().unwrap_or_default();
        let first_ms = run.iter().map(|stray| stray.arrived_ms).min().unwrap_or(now_ms);
        let in_order = run.windows(2).all(|pair| pair[0].sequence.wrapping_add(1) == pair[1].sequence);
        let span = (highest - lowest) as usize + 1;

        let begin = around.wrapping_add_signed(lowest);
        self.skipped = begin.wrapping_sub(self.next) <= SKIPPED_WINDOWS * self.window() && self.accepted > 0;
        if self.skipped {
            self.past.give_up_all();
        }
        self.starting = true;
        self.started_ms = first_ms;
        self.next = begin;
        self.top = around.wrapping_add_signed(highest);
        self.held_since_ms = first_ms;
        self.anchored_at = self.accepted;
        self.accepted += run.len() as u64;
        let many = run.len() >= IN_ORDER;
        for stray in run {
            self.held.put_owned(stray.sequence, stray.payload, stray.arrived_ms, span);
        }
        outcome.reanchored += 1;
        if in_order && many {
            self.begin(outcome, out);
        }
    }

    /// Whether a packet that is held has none near it, nor the next number.
    pub(super) fn is_alone(&self, sequence: u64) -> bool {
        sequence.wrapping_sub(self.next) > ALONE
            && (1..=ALONE).all(|distance| {
                self.held.get(sequence.wrapping_sub(distance)).is_none()
                    && self.held.get(sequence.wrapping_add(distance)).is_none()
            })
    }

    /// Makes a packet that is held a stray.
    pub(super) fn estrange(&mut self, sequence: u64, arrived_ms: u64, outcome: &mut Outcome) {
        let Some(payload) = self.held.take(sequence) else { return };
        self.keep_stray(sequence, &payload, arrived_ms, false, outcome);
        self.held.recycle(payload);
        while self.top == sequence || (self.held.get(self.top).is_none() && !self.held.is_empty()) {
            self.top = self.top.wrapping_sub(1);
        }
    }

    /// Drops the strays that nothing has supported while packets in place came.
    pub(super) fn drop_strays(&mut self, now_ms: u64, outcome: &mut Outcome) {
        let (hold_ms, doubt_ms) = (self.config.hold_ms, self.config.doubt_ms);
        if let Some(arrived_by_ms) = now_ms.checked_sub(doubt_ms) {
            for stray in self.strays.take_older(arrived_by_ms) {
                self.count_dropped(stray.sequence, outcome);
            }
        }
        self.strays_due_ms = self.strays.deadline_ms(self.accepted, hold_ms, doubt_ms).unwrap_or(now_ms);
    }

    pub(super) fn count_dropped(&self, sequence: u64, outcome: &mut Outcome) {
        let behind = self.next.wrapping_sub(sequence);
        if behind <= self.window() && !self.starting {
            outcome.late += 1;
        } else {
            outcome.stray += 1;
        }
    }
}
