//! Uploads of several people, of the same and of other bytes, claimed, packaged and deleted by workers that run at the
//! same time, lose connections and die anywhere. Whatever happens, the records end up telling one story.

mod check;
mod expression;
mod memory_dynamodb;
mod quota;
mod repairs;
mod scenario;
mod tasks;
mod world;

use library::{Library, Tables};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use memory_dynamodb::{Fate, client};
use scenario::{Given, Job, Run, Scenario, scenarios};
use world::World;

fn play(library: &Library, scenario: Scenario) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = World::new(scenario, library.clone()).await;
        for round in &world.scenario.rounds {
            futures_util::future::join_all(round.iter().map(|run| world.work(run))).await;
        }
        world.settle().await;
        world.check();
        world.let_go().await;
        world.check();
    });
}

fn library() -> Library {
    let tables = Tables { uploads: "uploads".into(), contents: "contents".into(), videos: "videos".into() };
    Library::new(client(), tables)
}

fn play_many(scenarios: impl Strategy<Value = Scenario>) {
    let library = library();
    // A case is hundreds of requests. `PROPTEST_CASES` makes it more than 128.
    let defaults = ProptestConfig::default();
    let config = ProptestConfig { cases: defaults.cases / 2, failure_persistence: None, ..defaults };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&scenarios, |scenario| {
        play(&library, scenario);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn everybody_gets_what_they_sent_and_bytes_are_stored_once() {
    play_many(scenarios(false, false));
}

#[test]
fn deleting_a_video_takes_nothing_from_anybody_else() {
    play_many(scenarios(true, false));
}

#[test]
fn what_was_given_up_is_kept_for_another_try_and_nothing_else() {
    play_many(scenarios(false, true));
}

#[test]
fn what_was_given_up_and_deleted_is_gone() {
    play_many(scenarios(true, true));
}

/// Two people's upload is given up; one of them sends the same bytes again; then both retry.
#[test]
fn a_retry_joins_the_content_that_came_meanwhile() {
    let given = |owner| Given { owner, bytes: 0, is_verified: true, is_promised: false };
    let jobs = [
        (Job::Claim, 0),
        (Job::Claim, 1),
        (Job::GiveUp, 0),
        (Job::Claim, 2),
        (Job::Package, 2),
        (Job::Retry, 0),
        (Job::Retry, 1),
        (Job::Remove, 0),
    ];
    let rounds = jobs.into_iter().map(|(job, upload)| vec![Run::undisturbed(job, upload)]).collect();
    play(&library(), Scenario { uploads: vec![given(1), given(2), given(2)], bad_bytes: None, rounds });
}

/// A worker joins an upload to a content and dies before it removes the object; its owner deletes the video; the event comes back.
#[test]
fn an_object_whose_video_was_deleted_before_it_was_removed_is_removed_when_its_event_returns() {
    let given = |owner| Given { owner, bytes: 0, is_verified: true, is_promised: false };
    let dying = Run {
        fates: vec![Fate::Answered, Fate::Answered, Fate::DeathAfter],
        ..Run::undisturbed(Job::Claim, 1)
    };
    let rounds = [
        Run::undisturbed(Job::Claim, 0),
        Run::undisturbed(Job::Package, 0),
        dying,
        Run::undisturbed(Job::Delete, 1),
    ];
    let rounds = rounds.into_iter().map(|run| vec![run]).collect();
    play(&library(), Scenario { uploads: vec![given(2), given(1)], bad_bytes: None, rounds });
}
