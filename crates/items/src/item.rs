use std::any::type_name;
use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Attributes by their names.
pub type Item = HashMap<String, AttributeValue>;

/// The item that holds this record.
///
/// # Errors
/// The record is no map.
pub fn to_item(record: &impl Serialize) -> anyhow::Result<Item> {
    serde_dynamo::to_item(record).context("a record does not fit an item")
}

/// The record that this item holds.
///
/// # Errors
/// Says which record the item is none of.
pub fn from_item<T: DeserializeOwned>(item: Item) -> anyhow::Result<T> {
    serde_dynamo::from_item(item).with_context(|| format!("an item is no {}", type_name::<T>()))
}

/// A value as a string attribute.
pub fn string(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A value as a number attribute.
pub fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// A set of numbers, which has one element at least.
pub fn number_set<'a>(values: impl IntoIterator<Item = &'a u32>) -> AttributeValue {
    AttributeValue::Ns(values.into_iter().map(u32::to_string).collect())
}

/// A record as an attribute.
///
/// # Errors
/// The record has a part that no attribute holds.
pub fn nested(record: &impl Serialize) -> anyhow::Result<AttributeValue> {
    serde_dynamo::to_attribute_value(record).context("a record does not fit an attribute")
}
