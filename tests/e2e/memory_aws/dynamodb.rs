//! DynamoDB, by an engine on SQLite that its makers hold against the real one.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Answer;

pub fn answer(database: &Database, operation: &str, body: &[u8]) -> Answer {
    let answered = match operation {
        "CreateTable" => call(body, |request| database.create_table(request)),
        "PutItem" => call(body, |request| database.put_item(request)),
        "GetItem" => call(body, |request| database.get_item(request)),
        "DeleteItem" => call(body, |request| database.delete_item(request)),
        "UpdateItem" => call(body, |request| database.update_item(request)),
        "Query" => call(body, |request| database.query(request)),
        "Scan" => call(body, |request| database.scan(request)),
        "TransactWriteItems" => call(body, |request| database.transact_write_items(request)),
        _ => return Answer::new(501, r#"{"__type":"NotImplemented"}"#),
    };
    let answer = match answered {
        Ok(json) => Answer::new(200, json),
        Err(error) => Answer::new(error.status_code(), error.to_json()),
    };
    answer.with("content-type", "application/x-amz-json-1.0")
}

fn call<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&call(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}
