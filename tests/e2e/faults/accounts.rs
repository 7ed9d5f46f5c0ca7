//! The removal of an account under bad luck: killed at each of its AWS calls and woken again. Whatever happens, all that was the
//! account's own goes, and what somebody else has published as well stays.

use std::collections::HashMap;

use accounts::remove_accounts::{self, Environment};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use library::{Library, Timestamp, UploadState, UserId};
use serde_json::json;
use tests::{Film, World};
use uuid::Uuid;

use super::connector::{BadLuck, Fault};
use super::sandbox::{Sandbox, create_table, somebody};

/// Tables of the stack's form that no deployed function works on.
async fn environment(stack: &local::Stack, sandbox: &Sandbox) -> Result<Environment> {
    let copy = async |output: &str| {
        let name = format!("faults-{output}-{}", Uuid::now_v7().simple());
        create_table(&sandbox.dynamodb, output, &name).await?;
        anyhow::Ok(name)
    };
    Ok(Environment {
        user_pool_id: stack.outputs()["UserPoolId"].clone(),
        user_pool_client_id: stack.outputs()["UserPoolClientId"].clone(),
        account_removals_table: copy("AccountRemovalsTable").await?,
        sign_ins_table: copy("SignInsTable").await?,
        live_viewers_table: copy("LiveViewersTable").await?,
        tables: sandbox.tables.clone(),
    })
}

async fn at_every_call(fault: Fault) -> Result<()> {
    let world = World::get().await;
    let Some(stack) = world.stack() else { return Ok(()) };
    let sandbox = Sandbox::local(stack).await?;
    let environment = environment(stack, &sandbox).await?;
    let mut calls = 0;
    loop {
        calls += 1;
        let bad_luck = BadLuck::new(fault, calls);
        let removed = removal(world, &sandbox, &environment, &bad_luck, calls).await;
        removed.with_context(|| format!("{fault:?} at call {calls}"))?;
        if !bad_luck.has_struck() {
            break;
        }
    }
    // Fewer would mean that the fault no longer reaches the calls.
    ensure!(calls > 15, "only {calls} calls were tried");
    Ok(())
}

async fn removal(
    world: &World,
    sandbox: &Sandbox,
    environment: &Environment,
    bad_luck: &BadLuck,
    calls: usize,
) -> Result<()> {
    let person = world.person("publisher").await?;
    let (owner, other) = (UserId::new(person.id.clone()), somebody());
    let film = Film::unique()?;
    let waiting = sandbox.upload(&Film::unique()?, &owner).await?;
    let uploads = [sandbox.upload(&film, &owner).await?, sandbox.upload(&film, &other).await?];
    sandbox.ingest(&BadLuck::none(), &uploads, calls as u64).await?;
    let failed = sandbox.given_up(&Film::unique()?, &owner).await?;
    let put = async |table: &str, keys: &[(&str, &str)]| {
        let mut put = sandbox.dynamodb.put_item().table_name(table);
        for (name, value) in keys {
            put = put.item(*name, AttributeValue::S((*value).to_owned()));
        }
        put.send().await.map(drop)
    };
    put(&environment.sign_ins_table, &[("user_id", &person.id), ("entry", "last")]).await?;
    put(
        &environment.live_viewers_table,
        &[("viewer_id", &format!("tv@{}", person.id)), ("owner_id", &person.id)],
    )
    .await?;
    // An hour ago: no token of that time is alive.
    let requested_at = Timestamp::from_unix_ms(Timestamp::now().unix_ms() - 3_600_000).to_string();
    put(&environment.account_removals_table, &[("user_id", &person.id), ("requested_at", &requested_at)])
        .await?;

    let mut woken = 0;
    loop {
        let process = sandbox.process(bad_luck);
        let context = remove_accounts::Context::new(&sandbox.config(&process), environment.clone());
        let done = process.run(remove_accounts::handle(&context, json!({}))).await;
        if matches!(done, Some(Ok(()))) {
            break;
        }
        woken += 1;
        ensure!(woken < 5, "it does not come to an end");
    }
    for table in
        [&environment.account_removals_table, &environment.sign_ins_table, &environment.live_viewers_table]
    {
        let left = sandbox.dynamodb.scan().table_name(table).consistent_read(true).send().await?;
        ensure!(left.count == 0, "{table} holds {:?}", left.items);
    }
    ensure!(person.get("/me").await?.status == 401, "the identity is left");
    let library: Library = sandbox.library(&sandbox.root);
    for id in [waiting, uploads[0], failed] {
        ensure!(library.uploads.get(id).await?.is_none(), "an upload is left");
    }
    ensure!(library.videos.get(uploads[0].as_video()).await?.is_none(), "a video is left");

    // The other one has what they had, and it goes with them.
    let kept = library.uploads.get(uploads[1]).await?.context("the other's upload is gone")?;
    ensure!(kept.state == UploadState::Ready, "the other's upload is {:?}", kept.state);
    let video = library.videos.get(uploads[1].as_video()).await?.context("the other's video is gone")?;
    let content = library.contents.get(video.content_id).await?.context("the content is gone")?;
    ensure!(content.listings == 1, "{} listings are left of one", content.listings);
    library.delete_video(&video, None).await?;
    sandbox.check_usage().await?;
    let found =
        sandbox.dynamodb.scan().table_name(&sandbox.tables.contents).consistent_read(true).send().await?;
    let own = AttributeValue::S(format!("owner#{owner}"));
    let is_own = |item: &HashMap<String, AttributeValue>| item.get("pk") == Some(&own);
    ensure!(!found.items().iter().any(is_own), "the count of what they had is left");
    ensure!(sandbox.counts().await?[1..] == [0, 0], "records are left");
    Ok(())
}

// Killed before a call is killed after the one before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_removal_killed_after_any_of_its_calls_is_finished_by_the_next() -> Result<()> {
    at_every_call(Fault::KilledAfter).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_call_of_a_removal_changes_nothing() -> Result<()> {
    at_every_call(Fault::AnswerLost).await
}
