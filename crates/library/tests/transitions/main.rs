//! Uploads of several people, of the same and of other bytes, claimed, packaged and deleted by workers that run at the
//! same time, lose connections and die anywhere. Whatever happens, the records end up telling one story.

mod check;
mod expression;
mod memory_dynamodb;
mod scenario;
mod world;

use library::{Library, Tables};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use memory_dynamodb::client;
use scenario::{Scenario, scenarios};
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
    play_many(scenarios(false));
}

#[test]
fn deleting_a_video_takes_nothing_from_anybody_else() {
    play_many(scenarios(true));
}
