//! A scenario that follows from a seed: who uploads, aborts and deletes what, and in what order messages come.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use aws_lambda_events::sqs::SqsMessage;
use encode::Ffmpeg;
use futures_util::future::{join, try_join_all};
use library::{ContentId, Library, UploadId, UserId};
use tests::Film;

use super::super::connector::Process;
use super::super::sandbox::{Sandbox, somebody};
use super::films;
use super::schedule::Schedule;

/// After so many failures a message is among the dead letters, as the template says.
pub const DELIVERIES: u32 = 5;

/// What a scenario is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// They begin in this order.
    pub uploads: Vec<Planned>,
    /// Which of them are given up before all parts are there.
    pub aborted: BTreeSet<usize>,
    /// Which of them are deleted as soon as they are listed.
    pub deleted: BTreeSet<usize>,
    /// Which of them are thrown away, and not tried again, once they failed.
    pub discarded: BTreeSet<usize>,
    /// Films are copied in shares.
    pub in_shares: bool,
    /// S3's event about these is lost.
    pub unheard: BTreeSet<usize>,
    /// Dead letters are lost too, instead of being driven again.
    pub is_forgetful: bool,
    /// When everything works again, nobody tries again in time what was given up before.
    pub is_patient: bool,
    /// How the order of things follows.
    pub seed: u64,
}

/// Who sends which film, and how.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    pub owner: usize,
    pub film: usize,
    pub way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Part by part.
    Parts,
    /// By showing that it is there, and part by part if that isn't believed.
    Proof,
    /// They know its digest, and nothing else of it.
    BareHash,
}

/// What a message asks for.
#[derive(Clone, Debug)]
pub enum Job {
    Claim(SqsMessage),
    Package(SqsMessage),
    Plan(ContentId),
    Encode(SqsMessage),
    Remove(ContentId),
}

#[derive(Clone, Debug)]
pub struct Message {
    pub job: Job,
    pub failures: u32,
}

/// What became of an upload, as far as its sender knows.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: UploadId,
    /// Its place in the plan.
    pub index: usize,
    pub owner: usize,
    pub film: usize,
    /// S3 has put the object together, or it was shown to be there.
    pub arrived: bool,
    pub deleted: bool,
}

pub struct World<'a> {
    pub sandbox: &'a Sandbox,
    pub plan: Plan,
    pub people: Vec<UserId>,
    pub sent: Vec<Sent>,
    pub(super) films: Vec<Film>,
    pub(super) ffmpeg: Ffmpeg,
    pub(super) schedule: Schedule,
    pub(super) random: fastrand::Rng,
    pub(super) waiting: Vec<Message>,
    dead: Vec<Message>,
    /// What the stream has told.
    pub(super) removals: BTreeSet<ContentId>,
    pub(super) planned: BTreeSet<ContentId>,
}

impl<'a> World<'a> {
    pub async fn new(sandbox: &'a Sandbox, plan: Plan, schedule: Schedule) -> Result<Self> {
        let people = 1 + plan.uploads.iter().map(|upload| upload.owner).max().unwrap_or(0);
        Ok(Self {
            sandbox,
            people: (0..people).map(|_| somebody()).collect(),
            sent: Vec::new(),
            films: films::films().await?,
            ffmpeg: films::remembering_ffmpeg().await?,
            schedule,
            random: fastrand::Rng::with_seed(plan.seed),
            waiting: Vec::new(),
            dead: Vec::new(),
            removals: BTreeSet::new(),
            planned: BTreeSet::new(),
            plan,
        })
    }

    /// Lets everything happen, with faults until all that is left is dead; then the cause is removed, and what is dead is driven again
    /// or forgotten, and the reconciler has the last word.
    pub async fn live(&mut self) -> Result<()> {
        for index in 0..self.plan.uploads.len() {
            self.send(index).await?;
            for _ in 0..self.random.usize(0..4) {
                self.receive().await?;
                self.round().await?;
            }
        }
        self.settle().await.context("with faults")?;
        if self.second_chances().await? {
            self.settle().await.context("after another try, with faults")?;
        }
        self.reconcile().await.context("with faults")?;
        self.schedule.heal();
        let dead = std::mem::take(&mut self.dead);
        if !self.plan.is_forgetful {
            self.waiting.extend(dead.into_iter().map(|message| Message { failures: 0, ..message }));
        }
        self.settle().await.context("without faults")?;
        for _ in 0..8 {
            tokio::time::sleep(self.sandbox.lease).await;
            if self.plan.is_patient {
                self.let_a_week_pass().await?;
            }
            let report = self.reconcile().await?.context("nobody kills it now")?;
            ensure!(report.left == 0, "it can't repair {:?}", report.findings);
            self.settle().await.context("after repairs")?;
            if report.repaired == 0 && !self.second_chances().await? {
                ensure!(self.dead.is_empty(), "nothing is wrong, and these fail: {:?}", self.dead);
                return self.take_back().await;
            }
            self.settle().await.context("after another try")?;
        }
        anyhow::bail!("the reconciler does not come to an end")
    }

    /// Who meant to give an upload up, and could not, does it now.
    async fn take_back(&mut self) -> Result<()> {
        for sent in std::mem::take(&mut self.sent) {
            if self.plan.aborted.contains(&sent.index) && !sent.arrived {
                self.abort(sent.owner, sent.id).await?;
            } else {
                self.sent.push(sent);
            }
        }
        Ok(())
    }

    pub(super) fn process(&self, function: &'static str) -> Process {
        self.schedule.process(function, self.sandbox)
    }

    pub(super) fn library(&self) -> Library {
        self.sandbox.library(&self.sandbox.root)
    }

    /// One or two messages are delivered at the same time, perhaps not for the last time.
    async fn round(&mut self) -> Result<()> {
        self.delete_what_is_listed().await?;
        self.while_some_are_delivered(async |_| Ok(())).await
    }

    /// Does something while one or two messages are delivered.
    pub(super) async fn while_some_are_delivered<T>(
        &mut self,
        something: impl AsyncFnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        let mut batch = Vec::new();
        for _ in 0..self.random.usize(1..3) {
            if !self.waiting.is_empty() {
                let index = self.random.usize(..self.waiting.len());
                batch.push(self.waiting.swap_remove(index));
            }
        }
        let deliveries = try_join_all(batch.iter().map(|message| Box::pin(self.deliver(message))));
        let (done, outcomes) = join(Box::pin(something(self)), deliveries).await;
        let mut has_failed = false;
        for (mut message, is_done) in batch.into_iter().zip(outcomes?) {
            if is_done {
                if self.random.u8(..) < 40 && message.failures < DELIVERIES - 1 {
                    // Queues deliver twice at times.
                    message.failures = DELIVERIES - 1;
                    self.waiting.push(message);
                }
                continue;
            }
            has_failed = true;
            message.failures += 1;
            match message.failures < DELIVERIES {
                true => self.waiting.push(message),
                false => self.dead.push(message),
            }
        }
        if has_failed {
            tokio::time::sleep(self.sandbox.lease / 6).await;
        }
        done
    }

    /// Until no message is left.
    pub async fn settle(&mut self) -> Result<()> {
        for _ in 0..600 {
            self.receive().await?;
            if self.waiting.is_empty() && !self.delete_what_is_listed().await? {
                return Ok(());
            }
            self.round().await?;
        }
        anyhow::bail!("messages do not come to an end: {:?}", self.waiting)
    }
}
