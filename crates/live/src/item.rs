//! Records as DynamoDB items.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// The item that holds this record.
pub(crate) fn to_item(record: &impl Serialize) -> anyhow::Result<Item> {
    serde_dynamo::to_item(record).context("a record does not fit an item")
}

/// The record that this item holds.
pub(crate) fn from_item<T: DeserializeOwned>(item: Item) -> anyhow::Result<T> {
    serde_dynamo::from_item(item).with_context(|| format!("an item is no {}", std::any::type_name::<T>()))
}

/// A value as a string attribute.
pub(crate) fn string(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A value as a number attribute.
pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
