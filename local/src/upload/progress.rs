//! What people see of an upload: a line that is drawn over itself on a terminal, and a line now and then elsewhere.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

const DRAWN_EVERY: Duration = Duration::from_millis(250);
/// Where there is no terminal.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How far back the speed is measured.
const SPEED_OVER: Duration = Duration::from_secs(10);
const BAR: usize = 30;

/// How far an upload is. It can be told from any number of tasks.
#[derive(Debug)]
pub struct Progress {
    counts: Arc<Counts>,
    drawing: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    total_bytes: u64,
    sent_bytes: AtomicU64,
    state: Mutex<State>,
    is_shown: bool,
}

#[derive(Debug, Default)]
struct State {
    phase: String,
    setback: Option<String>,
    speeds: VecDeque<(Instant, u64)>,
}

/// The bytes of one part that is being sent. Dropped before it has arrived, they count as not sent.
#[derive(Debug)]
pub(super) struct Sending {
    counts: Arc<Counts>,
    bytes: AtomicU64,
}

impl Progress {
    /// One that people see, on standard error.
    #[must_use]
    pub fn shown(total_bytes: u64) -> Self {
        let counts = Arc::new(Counts { total_bytes, is_shown: true, ..Counts::default() });
        let drawn = Arc::clone(&counts);
        let drawing = tokio::spawn(async move {
            let every = if std::io::stderr().is_terminal() { DRAWN_EVERY } else { TOLD_EVERY };
            loop {
                tokio::time::sleep(every).await;
                drawn.draw();
            }
        });
        Self { counts, drawing: Some(drawing) }
    }

    /// One that nobody sees.
    #[must_use]
    pub fn silent() -> Self {
        Self { counts: Arc::default(), drawing: None }
    }

    /// Another one for the same upload, for tasks of their own.
    pub(super) fn handle(&self) -> Self {
        Self { counts: Arc::clone(&self.counts), drawing: None }
    }

    /// Enters a phase.
    pub(super) fn phase(&self, phase: &str) {
        let mut state = self.counts.state();
        state.setback = None;
        let is_new = state.phase != phase;
        phase.clone_into(&mut state.phase);
        drop(state);
        if is_new {
            self.counts.draw();
        }
    }

    /// What had arrived before anything is sent.
    pub(super) fn arrived(&self, bytes: u64) {
        self.counts.sent_bytes.store(bytes, Ordering::Relaxed);
        self.counts.state().speeds.clear();
    }

    /// A part begins to be sent.
    pub(super) fn sending(&self) -> Arc<Sending> {
        Arc::new(Sending { counts: Arc::clone(&self.counts), bytes: AtomicU64::new(0) })
    }

    /// Why it does not get on at the moment.
    pub(super) fn setback(&self, error: &anyhow::Error) {
        self.counts.state().setback = Some(format!("{error:#}"));
        self.counts.draw();
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        if self.counts.is_shown {
            let end = if std::io::stderr().is_terminal() { "\x1b[K" } else { "" };
            eprintln!("\r  {line}{end}");
        }
    }

    /// Leaves the last line behind.
    pub(super) fn end(&self) {
        if let Some(drawing) = &self.drawing {
            drawing.abort();
        }
        if self.counts.is_shown && std::io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(drawing) = &self.drawing {
            drawing.abort();
        }
    }
}

impl Sending {
    /// So many more bytes have left.
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.counts.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many have left.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// They didn't arrive.
    pub(super) fn take_back(&self) {
        let lost = self.bytes.swap(0, Ordering::Relaxed);
        self.counts.sent_bytes.fetch_sub(lost, Ordering::Relaxed);
    }

    /// They have arrived.
    pub(super) fn confirm(&self) {
        self.counts.state().setback = None;
    }
}

impl Counts {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw(&self) {
        if !self.is_shown {
            return;
        }
        let sent = self.sent_bytes.load(Ordering::Relaxed).min(self.total_bytes);
        let mut state = self.state();
        let now = Instant::now();
        state.speeds.push_back((now, sent));
        while state.speeds.len() > 2 && state.speeds.front().is_some_and(|(at, _)| now - *at > SPEED_OVER) {
            state.speeds.pop_front();
        }
        let line = line_of(&state, sent, self.total_bytes);
        drop(state);
        let mut output = std::io::stderr();
        // Who does not read on is not told.
        let _unread = if output.is_terminal() {
            write!(output, "\r  {line}\x1b[K").and_then(|()| output.flush())
        } else {
            writeln!(output, "  {line}")
        };
    }
}

fn line_of(state: &State, sent: u64, total: u64) -> String {
    let share = sent as f64 / total.max(1) as f64;
    let full = ((share * BAR as f64) as usize).min(BAR);
    let mut line = format!(
        "[{}{}] {:>3.0} %  {} of {} MB",
        "#".repeat(full),
        ".".repeat(BAR - full),
        (share * 100.0).floor(),
        megabytes(sent),
        megabytes(total)
    );
    // Writing to a String cannot fail.
    if let Some(setback) = &state.setback {
        let _ = write!(line, "  trying again: {setback}");
    } else if state.phase == "sending" {
        if let Some(speed) = speed(state).filter(|speed| *speed >= 1.0) {
            let left = (total - sent) as f64 / speed;
            let _ = write!(line, "  {:.1} MB/s  {left:.0} s left", speed / 1e6);
        }
    } else {
        let _ = write!(line, "  {}", state.phase);
    }
    line
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// Bytes per second over the last while, if there is enough to go by.
fn speed(state: &State) -> Option<f64> {
    let ((from, before), (to, after)) = (state.speeds.front()?, state.speeds.back()?);
    let seconds = (*to - *from).as_secs_f64();
    (seconds >= 1.0).then(|| after.saturating_sub(*before) as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::{Progress, State, line_of};

    #[test]
    fn a_line_says_how_much_and_why_not() {
        let mut state = State { phase: "checking".into(), ..State::default() };
        assert_eq!(
            line_of(&state, 25_000_000, 50_000_000),
            format!("[{}{}]  50 %  25.0 of 50.0 MB  checking", "#".repeat(15), ".".repeat(15))
        );
        state.setback = Some("no network".into());
        assert!(line_of(&state, 0, 1).ends_with("trying again: no network"));
    }

    #[test]
    fn what_did_not_arrive_is_taken_back() {
        let progress = Progress::silent();
        let sending = progress.sending();
        sending.add(7);
        sending.take_back();
        sending.add(3);
        assert_eq!(
            (sending.bytes(), progress.counts.sent_bytes.load(std::sync::atomic::Ordering::Relaxed)),
            (3, 3)
        );
    }
}
