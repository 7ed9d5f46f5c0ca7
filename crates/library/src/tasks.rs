//! Work on one content that several workers share: in how many pieces it was cut, and which of them are left.
//!
//! A task is two items: what is counted, which every finished piece writes, and the plan, which is written once. A
//! plan may be large, and DynamoDB charges each write for the whole item.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow, ensure};
use items::{from_item, number, number_set, string};
use serde::Deserialize;

use crate::content::{ContentState, content_key, content_partition, task_key};
use crate::contents::{Contents, is};
use crate::expression::Condition;
use crate::ids::ContentId;
use crate::write::{Committed, Write, Written, commit};

/// How often a task is looked for that somebody began or ended at the same moment.
const ATTEMPTS: u32 = 4;
/// The longest plan: an item of DynamoDB's has 400 KB at most.
const MAX_PLAN_BYTES: usize = 300_000;
/// The most pieces: as many as fit an item with room to spare.
const MAX_PIECES: u32 = 20_000;
const COUNT: &str = "";
const PLAN: &str = "/plan";

/// Which of a content's tasks. There is at most one of each at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskName {
    /// Its media is copied into the outputs.
    Copy,
    /// It is encoded.
    Encode,
}

impl TaskName {
    /// All of them, for who removes a content.
    pub const ALL: [Self; 2] = [Self::Copy, Self::Encode];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Encode => "encode",
        }
    }
}

/// A task as the last write left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// How many pieces it was cut into. They are numbered from 0.
    pub pieces: u32,
    /// Those that nobody has finished.
    pub left: BTreeSet<u32>,
    /// What its workers go by, in JSON; the library does not look into it.
    pub plan: String,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many pieces are left, at least one.
    Left(u32),
    /// Every piece is finished. It is told to whoever finishes the last one, and to everybody who repeats a piece
    /// after that, because the one who was told may have died.
    All,
    /// There is no such task: it was ended, or the content is gone.
    Gone,
}

#[derive(Deserialize)]
struct Count {
    pieces: u32,
    /// A set without elements does not exist in DynamoDB.
    #[serde(default)]
    left: BTreeSet<u32>,
}

#[derive(Deserialize)]
struct Planned {
    plan: String,
}

impl Contents {
    /// Begins a task of `pieces` pieces, or answers the one that exists, whatever its plan is. One round trip; three if it
    /// exists. Repeats and several beginners at a time all get the same task.
    ///
    /// # Errors
    /// A content that is absent, failed or being removed, under which a task would stay for ever; a plan of more than
    /// 300 KB; no pieces, or more than 20,000.
    pub async fn begin_task(
        &self,
        id: ContentId,
        name: TaskName,
        pieces: u32,
        plan: &str,
    ) -> anyhow::Result<Task> {
        ensure!((1..=MAX_PIECES).contains(&pieces), "a task has 1 to {MAX_PIECES} pieces, not {pieces}");
        ensure!(
            plan.len() <= MAX_PLAN_BYTES,
            "a plan has {MAX_PLAN_BYTES} bytes at most, not {}",
            plan.len()
        );
        let left: BTreeSet<u32> = (0..pieces).collect();
        for _ in 0..ATTEMPTS {
            let is_alive = Condition::Any(vec![is(ContentState::Processing), is(ContentState::Ready)]);
            let mut count = task_key(id, name.as_str(), COUNT);
            count.insert("pieces".to_owned(), number(pieces));
            count.insert("left".to_owned(), number_set(&left));
            let mut planned = task_key(id, name.as_str(), PLAN);
            planned.insert("plan".to_owned(), string(plan));
            let writes = vec![
                Write::check(&self.table, content_key(id), is_alive),
                Write::put(&self.table, count, Condition::Absent("pk")),
                Write::put(&self.table, planned, Condition::Absent("pk")),
            ];
            let Committed::Refused(refusals) = commit(&self.client, writes).await? else {
                return Ok(Task { pieces, left, plan: plan.to_owned() });
            };
            ensure!(refusals.at(0).is_none(), "the content {id} is gone or being removed");
            if let Some(task) = self.task(id, name).await? {
                return Ok(task);
            }
        }
        Err(anyhow!("the task {} of {id} did not keep still", name.as_str()))
    }

    /// The task, if there is one. One round trip.
    pub async fn task(&self, id: ContentId, name: TaskName) -> anyhow::Result<Option<Task>> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", string(content_partition(id)))
            .expression_attribute_values(":prefix", task_key(id, name.as_str(), COUNT)["sk"].clone())
            .consistent_read(true)
            .send()
            .await
            .context("reading a task")?;
        let (mut count, mut plan) = (None, None);
        for item in found.items.unwrap_or_default() {
            if item.contains_key("plan") {
                plan = Some(from_item::<Planned>(item)?.plan);
            } else {
                count = Some(from_item::<Count>(item)?);
            }
        }
        // A query may see a transaction by halves: then the task is just beginning or just ending.
        Ok(count.zip(plan).map(|(Count { pieces, left }, plan)| Task { pieces, left, plan }))
    }

    /// How many pieces a task has, and how many of them are left; none if there is no such task. One round trip.
    pub async fn pieces_left(&self, id: ContentId, name: TaskName) -> anyhow::Result<Option<(u32, u32)>> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(task_key(id, name.as_str(), COUNT)))
            .send()
            .await
            .context("reading how far a task is")?;
        let count = found.item.map(from_item::<Count>).transpose()?;
        Ok(count.map(|Count { pieces, left }| (pieces, left.len() as u32)))
    }

    /// Notes that a piece is finished, as often as it may be. One round trip. A piece that the task has not changes nothing.
    pub async fn finish_piece(&self, id: ContentId, name: TaskName, piece: u32) -> anyhow::Result<Progress> {
        let exists = Condition::Exists("pk");
        let write = Write::update(&self.table, task_key(id, name.as_str(), COUNT), exists)
            .take("left", number_set(&BTreeSet::from([piece])));
        match write.send(&self.client).await? {
            Written::Refused(_) => Ok(Progress::Gone),
            Written::Done(item) => {
                let Count { left, .. } = from_item(item.unwrap_or_default())?;
                Ok(if left.is_empty() { Progress::All } else { Progress::Left(left.len() as u32) })
            }
        }
    }

    /// Ends a task, whether there is one or not, finished or not. One round trip.
    pub async fn end_task(&self, id: ContentId, name: TaskName) -> anyhow::Result<()> {
        let deletions =
            [COUNT, PLAN].map(|part| Write::delete(&self.table, task_key(id, name.as_str(), part), None));
        commit(&self.client, deletions.to_vec()).await?;
        Ok(())
    }
}
