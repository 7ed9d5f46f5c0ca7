//! Medians and ranges over interleaved rounds, as tables.

use crate::round::Figures;
use crate::server::Contestant;

/// The rounds of one scenario: for each contestant its figures, round by round.
pub struct Rounds {
    pub contestants: Vec<(Contestant, Vec<Figures>)>,
}

/// A column of a table: its heading, its value, and the digits to print.
type Column = (&'static str, fn(&Figures) -> f64, usize);

const COST: &[Column] = &[
    ("MB per CPU s", Figures::megabytes_per_cpu_second, 0),
    ("thousand packets per CPU s", |f| f.packets_per_cpu_second() / 1e3, 0),
    ("CPU %", |f| f.server_cpu_seconds / f.seconds * 100.0, 0),
    ("MB/s", |f| f.payload_bytes as f64 / 1e6 / f.seconds, 0),
    ("RSS MB", |f| f.rss_bytes as f64 / 1e6, 0),
    ("load CPU %", |f| f.load_cpu_seconds / f.seconds * 100.0, 0),
];

const LATENCY: &[Column] = &[
    ("each p50 µs", |f| f64::from(f.each_us.p50), 0),
    ("each p99 µs", |f| f64::from(f.each_us.p99), 0),
    ("last p50 µs", |f| f64::from(f.last_us.p50), 0),
    ("last p99 µs", |f| f64::from(f.last_us.p99), 0),
    ("slowest µs", |f| f64::from(f.each_us.max), 0),
];

impl Rounds {
    /// What was delivered and what it cost.
    pub fn print_cost(&self) {
        self.print(COST);
    }

    /// How long it took.
    pub fn print_latency(&self) {
        self.print(LATENCY);
    }

    fn print(&self, columns: &[Column]) {
        let heads: String = columns.iter().map(|(head, ..)| format!(" {head} |")).collect();
        println!("| |{heads}\n|---|{}", "---|".repeat(columns.len()));
        for (contestant, figures) in &self.contestants {
            let cells: String = columns
                .iter()
                .map(|(_, value, digits)| format!(" {} |", spread(figures.iter().map(value), *digits)))
                .collect();
            println!("| {} |{cells}", contestant.name);
        }
        println!();
    }

    /// Whether every viewer got every packet, in order.
    pub fn print_losses(&self) {
        for (contestant, figures) in &self.contestants {
            let sum = |value: fn(&Figures) -> u64| figures.iter().map(value).sum::<u64>();
            let (lost, disordered) = (sum(|f| f.lost), sum(|f| f.disordered));
            let ended: usize = figures.iter().map(|f| f.ended).sum();
            if lost + disordered > 0 || ended > 0 {
                println!(
                    "{}: {lost} packets lost, {disordered} out of order, {ended} viewers cut off",
                    contestant.name
                );
            }
        }
    }

    /// `value` of one contestant over that of another, round by round, and the bar.
    pub fn print_ratio(
        &self,
        what: &str,
        (over, under): (Contestant, Contestant),
        value: fn(&Figures) -> f64,
        bar: Bar,
    ) {
        let (Some(over_figures), Some(under_figures)) = (self.of(over), self.of(under)) else { return };
        let ratios: Vec<f64> =
            over_figures.iter().zip(under_figures).map(|(over, under)| value(over) / value(under)).collect();
        let median = median(ratios.iter().copied());
        let verdict = match bar {
            Bar::AtLeast(bar) => format!(" — bar: at least {bar}, {}", met(median >= bar)),
            Bar::AtMost(bar) => format!(" — bar: at most {bar}, {}", met(median <= bar)),
            Bar::None => String::new(),
        };
        println!("{what}, {} / {}: {}{verdict}", over.name, under.name, spread(ratios.into_iter(), 2));
    }

    /// The figures of a contestant that took part.
    pub fn of(&self, contestant: Contestant) -> Option<&[Figures]> {
        self.contestants.iter().find(|(other, _)| *other == contestant).map(|(_, figures)| &figures[..])
    }
}

/// What a ratio is to be.
#[derive(Clone, Copy)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    None,
}

/// A bar in words.
pub fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// The middle one; the mean of the two in the middle where there is no such.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The median and, where there are several rounds, the range.
pub fn spread(values: impl Iterator<Item = f64> + Clone, digits: usize) -> String {
    let median = median(values.clone());
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if low == high {
        return format!("{median:.digits$}");
    }
    format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
}
