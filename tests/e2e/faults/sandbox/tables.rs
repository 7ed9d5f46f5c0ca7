//! Tables of the template's form that no deployed function works on.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
};
use serde_json::Value;

/// The properties of a table of the template. Reading a template takes long, and scenarios are many.
fn properties(resource: &str) -> Result<Value> {
    static TABLES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    if TABLES.get().is_none() {
        let template = crate::contract::template("template.yaml")?;
        let resources = template["Resources"].as_object().context("resources")?;
        let tables = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::DynamoDB::Table");
        let tables = tables.map(|(id, table)| (id.clone(), table["Properties"].clone())).collect();
        TABLES.get_or_init(|| tables);
    }
    TABLES.get().and_then(|tables| tables.get(resource)).cloned().context(resource.to_owned())
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().with_context(|| format!("{name} in {value}"))
}

fn each<'a, T>(value: &'a Value, make: impl Fn(&'a Value) -> Result<T>) -> Result<Vec<T>> {
    value.as_array().into_iter().flatten().map(make).collect()
}

fn key_schema(of: &Value) -> Result<Vec<KeySchemaElement>> {
    each(&of["KeySchema"], |key| {
        let element = KeySchemaElement::builder().attribute_name(text(key, "AttributeName")?);
        Ok(element.key_type(text(key, "KeyType")?.into()).build()?)
    })
}

/// A table with the keys and indexes of that one in the template.
pub(in super::super) async fn create_table(dynamodb: &DynamoDb, resource: &str, name: &str) -> Result<()> {
    let properties = properties(resource)?;
    let attributes = each(&properties["AttributeDefinitions"], |attribute| {
        let definition = AttributeDefinition::builder().attribute_name(text(attribute, "AttributeName")?);
        Ok(definition.attribute_type(text(attribute, "AttributeType")?.into()).build()?)
    })?;
    let indexes = each(&properties["GlobalSecondaryIndexes"], |index| {
        let projection = text(&index["Projection"], "ProjectionType")?.into();
        Ok(GlobalSecondaryIndex::builder()
            .index_name(text(index, "IndexName")?)
            .set_key_schema(Some(key_schema(index)?))
            .projection(Projection::builder().projection_type(projection).build())
            .build()?)
    })?;
    dynamodb
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes))
        .set_key_schema(Some(key_schema(&properties)?))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .send()
        .await?;
    Ok(())
}
