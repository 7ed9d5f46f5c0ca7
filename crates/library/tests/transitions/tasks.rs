//! Workers that share a task finish pieces in any order, at the same time, more than once, and die on the way.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use library::{ContentId, Contents, Progress, TaskName, UploadId};
use proptest::prelude::*;

use crate::memory_dynamodb::{Circumstances, Fate, Shared, client, under};

/// A worker that finishes one piece.
#[derive(Clone, Debug)]
struct Worker {
    piece: u32,
    fates: Vec<Fate>,
    yields: Vec<u8>,
}

fn worker(pieces: u32) -> impl Strategy<Value = Worker> {
    let fate = prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::AnswerLost),
        1 => Just(Fate::DeathBefore),
        1 => Just(Fate::DeathAfter),
    ];
    let yields = prop::collection::vec(0u8..6, 6);
    (0..pieces, prop::collection::vec(fate, 0..3), yields).prop_map(|(piece, fates, yields)| Worker {
        piece,
        fates,
        yields,
    })
}

fn scenario() -> impl Strategy<Value = (u32, Vec<Vec<Worker>>)> {
    (1u32..6).prop_flat_map(|pieces| {
        let round = prop::collection::vec(worker(pieces), 1..8);
        (Just(pieces), prop::collection::vec(round, 0..4))
    })
}

struct World {
    database: Shared,
    contents: Contents,
    id: ContentId,
    /// The pieces that somebody began to finish: none of them can be counted earlier.
    begun: Mutex<BTreeSet<u32>>,
    /// The pieces that somebody knows to be finished: all of them are counted.
    known: Mutex<BTreeSet<u32>>,
}

impl World {
    fn new() -> Self {
        Self {
            database: Shared::default(),
            contents: Contents::new(client(), "contents"),
            id: UploadId::new().as_content(),
            begun: Mutex::default(),
            known: Mutex::default(),
        }
    }

    fn undisturbed(&self) -> Circumstances {
        self.circumstances(Vec::new(), Vec::new())
    }

    fn circumstances(&self, fates: Vec<Fate>, yields: Vec<u8>) -> Circumstances {
        Circumstances {
            database: self.database.clone(),
            fates: fates.into_iter(),
            yields: yields.into_iter(),
        }
    }

    /// As much of the content as a task asks about.
    async fn put_content(&self, state: &str) {
        let put = client()
            .put_item()
            .table_name("contents")
            .item("pk", AttributeValue::S(format!("content#{}", self.id)))
            .item("sk", AttributeValue::S("content".to_owned()))
            .item("state", AttributeValue::S(state.to_owned()));
        under(self.undisturbed(), put.send()).await.expect("nothing fails yet");
    }

    async fn finish(&self, worker: &Worker, pieces: u32) {
        let job = async {
            self.begun.lock().expect("no panic").insert(worker.piece);
            let known = self.known.lock().expect("no panic").clone();
            let Ok(progress) = self.contents.finish_piece(self.id, TaskName::Copy, worker.piece).await else {
                return;
            };
            let begun = self.begun.lock().expect("no panic").clone();
            match progress {
                Progress::All => assert_eq!(begun.len() as u32, pieces, "not before all are done"),
                Progress::Left(left) => {
                    assert!(left > 0 && left < pieces, "its own piece is done: {left} of {pieces}");
                    assert!(left <= pieces - known.len() as u32, "what is done stays done");
                    assert!(left >= pieces - begun.len() as u32, "what nobody began is not done");
                }
                Progress::Gone => panic!("nobody ended it"),
            }
            self.known.lock().expect("no panic").insert(worker.piece);
        };
        let job = under(self.circumstances(worker.fates.clone(), worker.yields.clone()), job);
        // The clock stands still until everybody waits: then the dead are buried.
        let _ = tokio::time::timeout(Duration::from_secs(600), job).await;
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_task_is_done_when_every_piece_is_and_not_before((pieces, rounds) in scenario()) {
        run(async {
            let world = World::new();
            world.put_content("processing").await;
            let (contents, id) = (&world.contents, world.id);
            let begun = under(world.undisturbed(), contents.begin_task(id, TaskName::Copy, pieces, "the plan"));
            assert_eq!(begun.await.expect("it begins").left, (0..pieces).collect());
            for round in &rounds {
                futures_util::future::join_all(round.iter().map(|worker| world.finish(worker, pieces))).await;
            }
            // The queue brings back what was not finished; what was lasts.
            let task = under(world.undisturbed(), contents.task(id, TaskName::Copy)).await.expect("it reads");
            let task = task.expect("it is there until it is ended");
            assert_eq!((task.pieces, &*task.plan), (pieces, "the plan"));
            assert!(world.known.lock().expect("no panic").is_disjoint(&task.left));
            let mut left = task.left.len() as u32;
            for piece in task.left {
                left -= 1;
                let finished = under(world.undisturbed(), contents.finish_piece(id, TaskName::Copy, piece)).await;
                let expected = if left == 0 { Progress::All } else { Progress::Left(left) };
                assert_eq!(finished.expect("it is noted"), expected);
            }
            for piece in 0..pieces {
                let again = under(world.undisturbed(), contents.finish_piece(id, TaskName::Copy, piece)).await;
                assert_eq!(again.expect("it is noted"), Progress::All, "who was told may have died");
            }
            under(world.undisturbed(), contents.end_task(id, TaskName::Copy)).await.expect("it ends");
            for piece in 0..pieces {
                let late = under(world.undisturbed(), contents.finish_piece(id, TaskName::Copy, piece)).await;
                assert_eq!(late.expect("it is answered"), Progress::Gone);
            }
            let gone = under(world.undisturbed(), contents.task(id, TaskName::Copy)).await.expect("it reads");
            assert_eq!(gone, None, "a late worker does not bring it back");
            under(world.undisturbed(), contents.end_task(id, TaskName::Copy)).await.expect("it may be ended twice");
        });
    }
}

#[test]
fn a_task_that_is_begun_again_is_the_first_one() {
    run(async {
        let world = World::new();
        world.put_content("ready").await;
        let (contents, id) = (&world.contents, world.id);
        let job = async {
            let (one, other) = futures_util::future::join(
                contents.begin_task(id, TaskName::Encode, 3, "one"),
                contents.begin_task(id, TaskName::Encode, 5, "other"),
            )
            .await;
            let first = one.expect("it begins");
            assert_eq!(other.expect("it is answered"), first);
            assert_eq!(
                contents.finish_piece(id, TaskName::Encode, 1).await.expect("it is noted"),
                Progress::Left(first.pieces - 1)
            );
            let again = contents.begin_task(id, TaskName::Encode, 3, "again").await.expect("it is answered");
            assert_eq!((again.left.contains(&1), again.plan), (false, first.plan));
            // The other task of the same content is another one.
            assert_eq!(contents.task(id, TaskName::Copy).await.expect("it reads"), None);
            assert_eq!(
                contents.finish_piece(id, TaskName::Copy, 0).await.expect("it is answered"),
                Progress::Gone
            );
            // A piece that it has not is no piece of it.
            let beyond = contents.finish_piece(id, TaskName::Encode, 77).await.expect("it is answered");
            assert_eq!(beyond, Progress::Left(first.pieces - 1));
        };
        under(world.undisturbed(), job).await;
    });
}

#[test]
fn nothing_is_begun_for_a_content_that_is_going() {
    run(async {
        let world = World::new();
        for state in ["absent", "failed", "removing"] {
            if state != "absent" {
                world.put_content(state).await;
            }
            let begin = world.contents.begin_task(world.id, TaskName::Copy, 1, "plan");
            assert!(under(world.undisturbed(), begin).await.is_err(), "{state}");
            let task = world.contents.task(world.id, TaskName::Copy);
            assert_eq!(under(world.undisturbed(), task).await.expect("it reads"), None, "{state}");
        }
        world.put_content("processing").await;
        for (pieces, plan) in [(0, "plan".to_owned()), (20_001, "plan".to_owned()), (1, "p".repeat(300_001))]
        {
            let begin = world.contents.begin_task(world.id, TaskName::Copy, pieces, &plan);
            assert!(under(world.undisturbed(), begin).await.is_err(), "{pieces} pieces");
        }
    });
}
