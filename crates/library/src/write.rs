//! Conditional writes to DynamoDB, alone or several in one transaction.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
};

use items::Item;

use crate::expression::{Assignment, Condition, Expression};

/// How often a transaction that met another one is tried before the caller is told.
const CONFLICT_ATTEMPTS: u32 = 8;

#[derive(Clone, Debug)]
enum Change {
    Put(Item),
    Update(Vec<Assignment>),
    Delete,
    Check,
}

/// One write of one item, under a condition.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    table: String,
    key: Item,
    change: Change,
    condition: Option<Condition>,
}

/// What became of a single write.
#[derive(Debug)]
pub(crate) enum Written {
    /// It happened; the item as it is now, none after a deletion.
    Done(Option<Item>),
    /// The condition did not hold; the item as it was found, if there is one.
    Refused(Option<Item>),
}

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Committed {
    /// Every write happened.
    Done,
    /// None happened, because of these.
    Refused(Refusals),
}

/// Which writes of a transaction had conditions that did not hold.
#[derive(Debug)]
pub(crate) struct Refusals(Vec<Option<Option<Item>>>);

impl Refusals {
    /// The item that refused the write at `index`, if that one was refused: none inside when there is no item.
    pub(crate) fn at(&self, index: usize) -> Option<Option<&Item>> {
        self.0.get(index)?.as_ref().map(Option::as_ref)
    }
}

impl Write {
    /// Puts an item, which includes its key.
    pub(crate) fn put(table: &str, item: Item, condition: Condition) -> Self {
        Self {
            table: table.to_owned(),
            key: Item::new(),
            change: Change::Put(item),
            condition: Some(condition),
        }
    }

    /// Changes attributes of an item, by the calls of `set`, `add` and `remove` that follow.
    pub(crate) fn update(table: &str, key: Item, condition: Condition) -> Self {
        Self { table: table.to_owned(), key, change: Change::Update(Vec::new()), condition: Some(condition) }
    }

    /// Changes numbers of an item, which is made if it isn't there, by the calls of `tally` that follow.
    pub(crate) fn count(table: &str, key: Item, condition: Option<Condition>) -> Self {
        Self { table: table.to_owned(), key, change: Change::Update(Vec::new()), condition }
    }

    /// Deletes an item; without a condition, whether it is there or not.
    pub(crate) fn delete(table: &str, key: Item, condition: Option<Condition>) -> Self {
        Self { table: table.to_owned(), key, change: Change::Delete, condition }
    }

    /// Writes nothing, but makes its transaction depend on the condition.
    pub(crate) fn check(table: &str, key: Item, condition: Condition) -> Self {
        Self { table: table.to_owned(), key, change: Change::Check, condition: Some(condition) }
    }

    /// Sets an attribute.
    pub(crate) fn set(self, name: &'static str, value: AttributeValue) -> Self {
        self.assign(Assignment::Set(name, value))
    }

    /// Sets an attribute if there is a value.
    pub(crate) fn set_some(self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Adds to a number that exists.
    pub(crate) fn add(self, name: &'static str, by: i64) -> Self {
        self.assign(Assignment::Add(name, by))
    }

    /// Adds to a number, which is 0 where there is none yet.
    pub(crate) fn tally(self, name: &'static str, by: i64) -> Self {
        self.assign(Assignment::Tally(name, by))
    }

    /// Removes an attribute.
    pub(crate) fn remove(self, name: &'static str) -> Self {
        self.assign(Assignment::Remove(name))
    }

    /// Takes elements out of a set.
    pub(crate) fn take(self, name: &'static str, elements: AttributeValue) -> Self {
        self.assign(Assignment::Take(name, elements))
    }

    fn assign(mut self, assignment: Assignment) -> Self {
        if let Change::Update(assignments) = &mut self.change {
            assignments.push(assignment);
        }
        self
    }

    /// Does this write alone.
    pub(crate) async fn send(self, client: &Client) -> anyhow::Result<Written> {
        let mut expression = Expression::default();
        let condition = self.condition.as_ref().map(|condition| expression.condition(condition));
        let (table, key) = (self.table, self.key);
        match self.change {
            Change::Put(item) => {
                let sent = client
                    .put_item()
                    .table_name(table)
                    .set_item(Some(item.clone()))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .send()
                    .await;
                match sent.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
                    Ok(_) => Ok(Written::Done(Some(item))),
                    Err(error) => match error {
                        aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
                            refused,
                        ) => Ok(Written::Refused(refused.item)),
                        other => Err(other).context("putting an item"),
                    },
                }
            }
            Change::Update(assignments) => {
                let update = expression.update(&assignments);
                let sent = client
                    .update_item()
                    .table_name(table)
                    .set_key(Some(key))
                    .update_expression(update)
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values(ReturnValue::AllNew)
                    .return_values_on_condition_check_failure(AllOld)
                    .send()
                    .await;
                match sent.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
                    Ok(updated) => Ok(Written::Done(updated.attributes)),
                    Err(error) => match error {
                        aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                            refused,
                        ) => Ok(Written::Refused(refused.item)),
                        other => Err(other).context("updating an item"),
                    },
                }
            }
            Change::Delete => {
                let sent = client
                    .delete_item()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .send()
                    .await;
                match sent.map_err(aws_sdk_dynamodb::error::SdkError::into_service_error) {
                    Ok(_) => Ok(Written::Done(None)),
                    Err(error) => match error {
                        aws_sdk_dynamodb::operation::delete_item::DeleteItemError::ConditionalCheckFailedException(
                            refused,
                        ) => Ok(Written::Refused(refused.item)),
                        other => Err(other).context("deleting an item"),
                    },
                }
            }
            Change::Check => Err(anyhow!("a condition is checked in a transaction only")),
        }
    }

    fn into_transact_item(self) -> anyhow::Result<TransactWriteItem> {
        let mut expression = Expression::default();
        let condition = self.condition.as_ref().map(|condition| expression.condition(condition));
        let (table, key) = (self.table, self.key);
        let item = TransactWriteItem::builder();
        Ok(match self.change {
            Change::Put(record) => item.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(record))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .build()?,
            ),
            Change::Update(assignments) => item.update(
                Update::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .update_expression(expression.update(&assignments))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .build()?,
            ),
            Change::Delete => item.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .build()?,
            ),
            Change::Check => item.condition_check(
                ConditionCheck::builder()
                    .table_name(table)
                    .set_key(Some(key))
                    .set_condition_expression(condition)
                    .set_expression_attribute_names(expression.names())
                    .set_expression_attribute_values(expression.values())
                    .return_values_on_condition_check_failure(AllOld)
                    .build()?,
            ),
        }
        .build())
    }
}

/// Does all of these writes or none.
///
/// A transaction that meets another one on the same item is tried again. One that the SDK repeats, because its
/// answer was lost, has one effect: the SDK gives it a token.
pub(crate) async fn commit(client: &Client, writes: Vec<Write>) -> anyhow::Result<Committed> {
    let items = writes.into_iter().map(Write::into_transact_item).collect::<anyhow::Result<Vec<_>>>()?;
    for attempt in 1..=CONFLICT_ATTEMPTS {
        let sent = client.transact_write_items().set_transact_items(Some(items.clone())).send().await;
        let error = match sent {
            Ok(_) => return Ok(Committed::Done),
            Err(error) => error.into_service_error(),
        };
        let reasons = match &error {
            TransactWriteItemsError::TransactionCanceledException(canceled) => {
                canceled.cancellation_reasons()
            }
            TransactWriteItemsError::TransactionInProgressException(_) => &[],
            _ => return Err(error).context("committing a transaction"),
        };
        if reasons.iter().any(is_refusal) {
            let refusals = reasons.iter().map(|reason| is_refusal(reason).then(|| reason.item.clone()));
            return Ok(Committed::Refused(Refusals(refusals.collect())));
        }
        if !reasons.iter().all(is_transient) {
            let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap_or("none")).collect();
            return Err(anyhow!(
                "a transaction was cancelled with the reasons {codes:?}: {:?}",
                error.message()
            ));
        }
        tokio::time::sleep(pause_after(attempt)).await;
    }
    Err(anyhow!("a transaction met others {CONFLICT_ATTEMPTS} times"))
}

fn is_refusal(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

fn is_transient(reason: &CancellationReason) -> bool {
    matches!(
        reason.code(),
        None | Some("None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
    )
}

/// Doubles from 10 ms, with the clock's last digits against two that keep meeting.
fn pause_after(attempt: u32) -> Duration {
    let base_ms = 10u64 << attempt.min(6);
    let jitter_ms = u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs()) / 1_000 % base_ms;
    Duration::from_millis(base_ms / 2 + jitter_ms)
}
