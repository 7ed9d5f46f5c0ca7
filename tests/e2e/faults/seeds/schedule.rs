//! Which calls of which functions go wrong, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::connector::{Fault, Luck, Process};
use super::super::sandbox::Sandbox;

/// The kinds of faults that take turns.
pub const FAULTS: [Fault; 7] = [
    Fault::Unsent,
    Fault::AnswerLost,
    Fault::Throttled,
    Fault::Slow,
    Fault::Truncated,
    Fault::KilledBefore,
    Fault::KilledAfter,
];

/// A fault at one call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// The function, by its name.
    pub function: &'static str,
    /// Which of all calls that it makes in a scenario, counted from 1.
    pub call: usize,
    pub fault: Fault,
    /// From then on at every call of that operation, until the cause is removed.
    pub for_good: bool,
}

impl fmt::Debug for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, call, fault, for_good } = self;
        write!(f, "{fault:?} at call {call} of {function}{}", if *for_good { ", for good" } else { "" })
    }
}

/// The faults of one scenario.
#[derive(Clone, Debug)]
pub struct Schedule(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    strikes: Vec<Strike>,
    calls: BTreeMap<&'static str, usize>,
    broken: BTreeMap<(&'static str, String), Fault>,
    struck: BTreeSet<String>,
    is_healed: bool,
}

impl Schedule {
    pub fn new(strikes: Vec<Strike>) -> Self {
        let (calls, broken, struck) = Default::default();
        Self(Arc::new(Mutex::new(State { strikes, calls, broken, struck, is_healed: false })))
    }

    /// A process of the function, whose calls count in this scenario.
    pub fn process(&self, function: &'static str, sandbox: &Sandbox) -> Process {
        // Longer than a lease lasts.
        let slow = sandbox.lease * 2;
        Process::new(Calls { schedule: self.clone(), function, slow }, sandbox.http.clone())
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_healed = true;
    }

    /// What went wrong.
    pub fn struck(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).struck.clone()
    }

    fn next(&self, function: &'static str, operation: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_healed {
            return None;
        }
        let calls = state.calls.entry(function).or_default();
        *calls += 1;
        let call = *calls;
        let place = (function, operation.to_owned());
        let mut fault = state.broken.get(&place).copied();
        let strike = state.strikes.iter().find(|strike| (strike.function, strike.call) == (function, call));
        if let Some(strike) = strike.copied() {
            fault = Some(strike.fault);
            state.struck.insert(format!("{strike:?}: {operation}"));
            if strike.for_good {
                state.broken.insert(place, strike.fault);
            }
        }
        fault
    }
}

/// The calls of one function.
#[derive(Debug)]
struct Calls {
    schedule: Schedule,
    function: &'static str,
    slow: Duration,
}

impl Luck for Calls {
    fn next(&self, operation: &str) -> Option<Fault> {
        self.schedule.next(self.function, operation)
    }

    fn slow(&self) -> Duration {
        self.slow
    }
}
