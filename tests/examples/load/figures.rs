//! Times and outcomes of many requests.

use std::collections::BTreeMap;
use std::time::Duration;

/// What came of the requests to one route.
#[derive(Debug, Default)]
pub struct Figures {
    took: Vec<Duration>,
    outcomes: BTreeMap<String, u64>,
}

impl Figures {
    /// Notes a request that was answered, or why it wasn't.
    pub fn note(&mut self, outcome: String, took: Duration) {
        self.took.push(took);
        *self.outcomes.entry(outcome).or_default() += 1;
    }

    /// How many requests came to something else than this.
    pub fn others_than(&self, outcome: &str) -> u64 {
        self.outcomes.iter().filter(|(found, _)| *found != outcome).map(|(_, count)| count).sum()
    }

    /// A row of the table.
    pub fn row(&mut self, name: &str) -> String {
        self.took.sort_unstable();
        let ms = |share| self.percentile(share).as_secs_f64() * 1000.0;
        format!(
            "{name:<24}{:>8}{:>10.1}{:>10.1}{:>10.1}   {:?}",
            self.took.len(),
            ms(0.5),
            ms(0.99),
            ms(1.0),
            self.outcomes
        )
    }

    /// The heading of such rows.
    pub fn heading() -> String {
        format!("{:<24}{:>8}{:>10}{:>10}{:>10}   outcomes", "", "requests", "p50 ms", "p99 ms", "max ms")
    }

    /// The time that this share of the requests took at most. They are sorted.
    fn percentile(&self, share: f64) -> Duration {
        let rank = (share * self.took.len() as f64).ceil() as usize;
        self.took.get(rank.max(1) - 1).copied().unwrap_or_default()
    }
}
