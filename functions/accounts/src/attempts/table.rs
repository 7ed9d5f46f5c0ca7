//! Table `SignInAttempts`: partition key `account`. One small record for each account on which an attempt has failed lately, under
//! the SHA-256 of its e-mail; those of codes and mails have a prefix before it. Budgets of addresses lie beside them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cold_start::quick_calls;
use items::{Item, number, string};
use thiserror::Error;

use super::count::Count;
use super::{Address, Guess};

/// Each time, one of those who write at once succeeds, and after five nobody has to write any more.
const TRIES: usize = 16;

/// A record is of no use after half an hour. DynamoDB may take days to delete it; nothing relies on it.
const KEPT_S: u64 = 3_600;

/// Budgets are for ten minutes, counted by the clock.
const BUDGET_S: u64 = 600;

/// Where attempts are counted.
#[derive(Clone, Debug)]
pub struct AttemptsTable {
    client: Client,
    table: String,
}

/// Why no attempt may be made.
#[derive(Debug, Error)]
pub(crate) enum AttemptError {
    /// There were too many with this e-mail.
    #[error("the account is locked for {0:?} more")]
    Locked(Duration),
    /// There were too many from this address.
    #[error("the address is locked for {0:?} more")]
    Spent(Duration),
    /// It can't be counted; nobody may guess uncounted.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl AttemptsTable {
    /// The table of this name.
    pub fn new(sdk: &SdkConfig, table: impl Into<String>) -> Self {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    /// Counts an attempt with this e-mail, which is about to be made. Two round trips, and one more for each other
    /// attempt on the same account at the same moment.
    pub(crate) async fn begin(&self, guess: Guess, email: &str) -> Result<(), AttemptError> {
        let account = account(guess, email);
        let mut found = self.read(&account).await?;
        for _ in 0..TRIES {
            let now_ms = now_ms()?;
            let before = found.as_ref().map(Counted::of).transpose()?.unwrap_or_default();
            let after = before
                .count
                .with_attempt(now_ms, guess.rule())
                .map_err(|left_ms| AttemptError::Locked(Duration::from_millis(left_ms.get())))?;
            match self.write(&account, &before, &after, now_ms).await? {
                Written::Yes => return Ok(()),
                Written::Another(item) => found = item,
            }
        }
        Err(AttemptError::Failed(anyhow!("too many attempts at once on one account")))
    }

    /// Forgets the attempts on an account whose password or code was right.
    pub(crate) async fn succeeded(&self, guess: Guess, email: &str) -> anyhow::Result<()> {
        let delete = self.client.delete_item().table_name(&self.table);
        delete.key("account", string(account(guess, email))).send().await.context("forgetting attempts")?;
        Ok(())
    }

    /// Takes one attempt from the budget of the address, which is about to make it. One round trip, however many are made at
    /// once: DynamoDB adds and compares in one step.
    pub(crate) async fn spend(&self, guess: Guess, address: &Address) -> Result<Spent, AttemptError> {
        let now_s = now_ms()? / 1_000;
        let until_s = (now_s / BUDGET_S + 1) * BUDGET_S;
        let key = format!("address#{}#{address}#{until_s}", guess.purse());
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", string(&key))
            .update_expression("SET expires_at = :expires_at ADD spent :one")
            .condition_expression("attribute_not_exists(spent) OR spent < :budget")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":budget", number(guess.budget()))
            .expression_attribute_values(":expires_at", number(until_s + KEPT_S));
        match update.send().await.map_err(|error| error.into_service_error()) {
            Ok(_) => Ok(Spent { key }),
            Err(UpdateItemError::ConditionalCheckFailedException(_)) => {
                Err(AttemptError::Spent(Duration::from_secs(until_s - now_s)))
            }
            Err(error) => Err(anyhow::Error::new(error).context("counting an address's attempt").into()),
        }
    }

    /// Gives back what was spent on an attempt that succeeded.
    pub(crate) async fn give_back(&self, spent: &Spent) -> anyhow::Result<()> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("account", string(&spent.key))
            .update_expression("ADD spent :minus_one")
            .condition_expression("spent > :none")
            .expression_attribute_values(":minus_one", number(-1))
            .expression_attribute_values(":none", number(0));
        match update.send().await.map_err(|error| error.into_service_error()) {
            Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(error).context("giving an attempt back"),
        }
    }

    async fn read(&self, account: &str) -> anyhow::Result<Option<Item>> {
        let get = self.client.get_item().table_name(&self.table).key("account", string(account));
        Ok(get.consistent_read(true).send().await.context("reading attempts")?.item)
    }

    async fn write(
        &self,
        account: &str,
        before: &Counted,
        after: &Count,
        now_ms: u64,
    ) -> anyhow::Result<Written> {
        let attempts = after.attempts_ms.iter().map(|at_ms| number(*at_ms)).collect();
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("account", string(account))
            .item("attempts_ms", AttributeValue::L(attempts))
            .item("locked_until_ms", number(after.locked_until_ms))
            .item("version", number(before.version + 1))
            .item("expires_at", number(now_ms / 1_000 + KEPT_S))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = if before.version == 0 {
            put.condition_expression("attribute_not_exists(account)")
        } else {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", number(before.version))
        };
        match put.send().await.map_err(|error| error.into_service_error()) {
            Ok(_) => Ok(Written::Yes),
            Err(PutItemError::ConditionalCheckFailedException(refusal)) => Ok(Written::Another(refusal.item)),
            Err(error) => Err(error).context("counting an attempt"),
        }
    }
}

/// An attempt that was taken from a budget.
#[derive(Debug)]
pub(crate) struct Spent {
    key: String,
}

/// What became of a write.
enum Written {
    Yes,
    /// Somebody else was quicker, and this is what is there now.
    Another(Option<Item>),
}

/// A record of attempts; version 0 for none.
#[derive(Default)]
struct Counted {
    count: Count,
    version: u64,
}

impl Counted {
    fn of(item: &Item) -> anyhow::Result<Self> {
        let number = |name: &str| item.get(name).and_then(as_number);
        let record = || {
            let attempts = item.get("attempts_ms")?.as_l().ok()?;
            let attempts_ms = attempts.iter().map(as_number).collect::<Option<_>>()?;
            let count = Count { attempts_ms, locked_until_ms: number("locked_until_ms")? };
            Some(Self { count, version: number("version")? })
        };
        record().context("a record holds no attempts")
    }
}

/// One key for all spellings of an e-mail that Cognito takes as the same, and none that shows it.
fn account(guess: Guess, email: &str) -> String {
    let hash = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, email.to_lowercase().as_bytes()));
    format!("{}{hash}", guess.prefix())
}

fn now_ms() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

fn as_number(value: &AttributeValue) -> Option<u64> {
    value.as_n().ok()?.parse().ok()
}
