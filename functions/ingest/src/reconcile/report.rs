//! What a run found and did: an object for people, and metrics for alarms.

use std::collections::BTreeMap;
use std::io::Write as _;

use library::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::reconcile::finder::Finding;

/// The most findings that a report spells out. All of them are counted.
const SPELLED_OUT: usize = 1_000;

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is repaired, or whoever repairs it was woken.
    Repaired,
    /// It has no repair that can do no harm: somebody has to look at it.
    Reported,
    /// It would be repaired if this were no dry run.
    WouldBeRepaired,
    /// The repair failed; the next run tries again.
    Failed,
}

/// A finding and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is wrong.
    #[serde(flatten)]
    pub finding: Finding,
    /// What was done about it.
    pub outcome: Outcome,
}

/// What a run found and did.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Whether it only looked.
    pub dry_run: bool,
    /// The id that the next run begins with, because time ran out; none when all was looked at.
    pub next: Option<String>,
    /// How many records were read.
    pub records: u64,
    /// How many objects were seen.
    pub objects: u64,
    /// How many findings there were, by their kinds.
    pub counts: BTreeMap<String, u64>,
    /// How many of them were repaired.
    pub repaired: u64,
    /// How many of them are left.
    pub left: u64,
    /// The first thousand.
    pub findings: Vec<Entry>,
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        let now = Timestamp::now();
        Self {
            started_at: now,
            finished_at: now,
            dry_run,
            next: None,
            records: 0,
            objects: 0,
            counts: BTreeMap::new(),
            repaired: 0,
            left: 0,
            findings: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, finding: Finding, outcome: Outcome) {
        tracing::warn!(finding = %json!(finding), ?outcome, "found");
        *self.counts.entry(finding.kind()).or_default() += 1;
        match outcome {
            Outcome::Repaired => self.repaired += 1,
            Outcome::Reported | Outcome::WouldBeRepaired | Outcome::Failed => self.left += 1,
        }
        if self.findings.len() < SPELLED_OUT {
            self.findings.push(Entry { finding, outcome });
        }
    }

    /// The line from which CloudWatch takes metrics (its embedded metric format).
    fn metrics(&self, namespace: &str) -> Value {
        let names = ["Found", "Repaired", "Left", "Records", "Objects"];
        let metrics: Vec<_> = names.iter().map(|name| json!({"Name": name, "Unit": "Count"})).collect();
        json!({
            "_aws": {
                "Timestamp": self.finished_at.unix_ms(),
                "CloudWatchMetrics": [{"Namespace": namespace, "Dimensions": [[]], "Metrics": metrics}],
            },
            "Found": self.repaired + self.left,
            "Repaired": self.repaired,
            "Left": self.left,
            "Records": self.records,
            "Objects": self.objects,
            "counts": self.counts,
            "message": "reconciled",
        })
    }

    /// Writes the metrics to standard output, where CloudWatch picks them up.
    pub(super) fn tell_metrics(&self, namespace: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", self.metrics(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use library::UploadId;

    #[test]
    fn every_metric_that_is_announced_has_a_value() {
        let mut report = Report::new(false);
        report.note(Finding::OriginalUnneeded { upload_id: UploadId::new() }, Outcome::Repaired);
        report.note(Finding::OriginalMissing { content_id: UploadId::new().as_content() }, Outcome::Reported);
        let line = report.metrics("matinee/reconcile");
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics") {
            assert!(line[metric["Name"].as_str().expect("a name")].is_u64(), "{metric}");
        }
        assert_eq!((&line["Found"], &line["Repaired"], &line["Left"]), (&json!(2), &json!(1), &json!(1)));
        assert_eq!(report.counts["original_missing"], 1);
    }
}
