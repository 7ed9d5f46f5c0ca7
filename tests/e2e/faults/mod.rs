//! Ingest under bad luck: every event three times and shuffled, the function killed at each of its AWS calls and run
//! again, answers lost after the call was done. Whatever happens, the end is the same.

mod accounts;
mod connector;
mod promises;
mod reconcile;
mod retry;
mod sandbox;
mod seeds;
mod shares;

use anyhow::{Context as _, Result, ensure};

use connector::{BadLuck, Fault};
pub use sandbox::Sandbox;

/// Encodes a film again and again, with the fault at every third AWS call of the functions that do it, from `first` on.
async fn at_calls_of_encoding(first: usize, fault: Fault) -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let film = sandbox::encoding::film().await?;
    let mut reference = None;
    let mut calls = first;
    loop {
        let encoded = sandbox.encode(&film, BadLuck::new(fault, calls), calls as u64).await;
        let encoded = encoded.with_context(|| format!("{fault:?} at call {calls}"))?;
        let expected = reference.get_or_insert_with(|| encoded.outputs.clone());
        ensure!(
            *expected == encoded.outputs,
            "{fault:?} at call {calls}: other outputs: {:?}",
            encoded.outputs
        );
        if !encoded.struck {
            break;
        }
        calls += 3;
    }
    ensure!(calls > 30, "only {calls} calls were tried");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encoder_killed_after_one_of_its_calls_loses_nothing() -> Result<()> {
    at_calls_of_encoding(1, Fault::KilledAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_call_of_the_encoder_changes_nothing() -> Result<()> {
    at_calls_of_encoding(2, Fault::AnswerLost).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_the_encoder_fails_at_tells_its_publisher_who_has_it_tried_again() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    sandbox.fail_to_encode(&sandbox::encoding::film().await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_removed_while_it_is_encoded_leaves_nothing() -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    sandbox.remove_while_encoding().await
}

/// Runs the whole life of two uploads of the same bytes once for each AWS call, with the fault at that call.
async fn at_every_call(fault: Fault) -> Result<()> {
    let sandbox = Sandbox::in_memory(0).await?;
    let mut calls = 0;
    loop {
        calls += 1;
        let struck = sandbox.live(BadLuck::new(fault, calls), calls as u64).await;
        let struck = struck.with_context(|| format!("{fault:?} at call {calls}"))?;
        if !struck {
            break;
        }
    }
    // Fewer would mean that the fault no longer reaches the calls.
    ensure!(calls > 30, "only {calls} calls were tried");
    Ok(())
}

/// Killed before a call is killed after the one before it: nothing outside the process happens in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_after_any_of_its_calls_loses_nothing() -> Result<()> {
    at_every_call(Fault::KilledAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_call_changes_nothing() -> Result<()> {
    at_every_call(Fault::AnswerLost).await
}
