//! Ingest under bad luck: every event three times and shuffled, the function killed at each of its AWS calls and run
//! again, answers lost after the call was done. Whatever happens, the end is the same.

mod accounts;
mod connector;
mod promises;
mod sandbox;
mod shares;

use anyhow::{Context as _, Result, ensure};
use tests::World;

use connector::Fault;
use sandbox::Sandbox;

/// Runs the whole life of two uploads of the same bytes once for each AWS call, with the fault at that call.
async fn at_every_call(fault: impl Fn(usize) -> Fault) -> Result<()> {
    let Some(stack) = World::get().await.stack() else { return Ok(()) };
    let sandbox = Sandbox::create(stack).await?;
    let mut calls = 0;
    loop {
        calls += 1;
        let fault = fault(calls);
        let struck = sandbox.live(fault, calls as u64).await.with_context(|| format!("{fault:?}"))?;
        if !struck {
            break;
        }
    }
    // Fewer would mean that the fault no longer reaches the calls.
    ensure!(calls > 30, "only {calls} calls were tried");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_before_any_of_its_calls_loses_nothing() -> Result<()> {
    at_every_call(Fault::KillBefore).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_killed_after_any_of_its_calls_loses_nothing() -> Result<()> {
    at_every_call(Fault::KillAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_call_changes_nothing() -> Result<()> {
    at_every_call(Fault::LoseAnswer).await
}
