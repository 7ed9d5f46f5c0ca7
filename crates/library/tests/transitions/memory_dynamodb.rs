//! As much of DynamoDB as the library uses, in memory, behind the SDK's own HTTP client: what is tested is the real
//! client with the real expressions. Each request happens at once and whole, as on a single partition.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use library::{Upload, UploadState, Usage};
use serde_json::{Map, Value, json};

use crate::expression::{assign, holds};

type Item = Map<String, Value>;

/// What happens to a request of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Answered,
    /// It never arrives.
    Lost,
    /// It is done, but the answer never arrives.
    AnswerLost,
    /// Another transaction is in the way.
    Conflict,
    /// The worker dies before it is sent.
    DeathBefore,
    /// The worker dies after it was done.
    DeathAfter,
}

/// All tables, and what was ever written to them.
#[derive(Default)]
pub struct Database {
    tables: BTreeMap<String, BTreeMap<String, Item>>,
    /// Transactions that were committed, by the SDK's token.
    committed: HashMap<String, Value>,
    /// Each change of an upload's state, as it happened.
    pub upload_states: Vec<(String, Option<String>, String)>,
}

/// The database, as several workers share it.
pub type Shared = Arc<Mutex<Database>>;

/// What one worker's requests meet.
pub struct Circumstances {
    pub database: Shared,
    /// The fate of each request; when they run out, all is well.
    pub fates: std::vec::IntoIter<Fate>,
    /// How many turns the others get before each request.
    pub yields: std::vec::IntoIter<u8>,
}

tokio::task_local! {
    static WORKER: RefCell<Circumstances>;
}

/// Does a worker's job under these circumstances.
pub async fn under<F: Future>(circumstances: Circumstances, job: F) -> F::Output {
    WORKER.scope(RefCell::new(circumstances), job).await
}

/// A client for jobs that are done [`under`] circumstances. To build one takes longer than a whole job.
pub fn client() -> Client {
    let connector = SharedHttpConnector::new(Connector);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "memory"))
        .endpoint_url("http://memory")
        .retry_config(RetryConfig::standard())
        // It would look twice a second whether the dead have moved.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    Client::from_conf(config)
}

#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (fate, yields, database) = WORKER.with(|worker| {
            let mut worker = worker.borrow_mut();
            let fate = worker.fates.next().unwrap_or(Fate::Answered);
            (fate, worker.yields.next().unwrap_or(0), worker.database.clone())
        });
        HttpConnectorFuture::new(async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
            let lost = || ConnectorError::io("the connection broke".into());
            let answer = || database.lock().expect("no panic").answer(&request);
            match fate {
                Fate::Answered => Ok(answer()),
                Fate::Lost => Err(lost()),
                Fate::AnswerLost => {
                    answer();
                    Err(lost())
                }
                Fate::Conflict if target(&request) == "TransactWriteItems" => {
                    let reasons = json!([{"Code": "TransactionConflict"}, {"Code": "None"}]);
                    Ok(error("TransactionCanceledException", json!({ "CancellationReasons": reasons })))
                }
                Fate::Conflict => Ok(answer()),
                Fate::DeathBefore => std::future::pending().await,
                Fate::DeathAfter => {
                    answer();
                    std::future::pending().await
                }
            }
        })
    }
}

fn target(request: &HttpRequest) -> &str {
    let target = request.headers().get("x-amz-target").expect("the SDK names the operation");
    target.rsplit_once('.').expect("the name has a prefix").1
}

fn ok(body: Value) -> HttpResponse {
    HttpResponse::new(200u16.try_into().expect("a status"), SdkBody::from(body.to_string()))
}

fn error(name: &str, mut body: Value) -> HttpResponse {
    body["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{name}"));
    HttpResponse::new(400u16.try_into().expect("a status"), SdkBody::from(body.to_string()))
}

impl Database {
    fn answer(&mut self, request: &HttpRequest) -> HttpResponse {
        let body = request.body().bytes().expect("requests are small");
        let body: Value = serde_json::from_slice(body).expect("requests are JSON");
        match target(request) {
            "GetItem" => {
                assert_eq!(body["ConsistentRead"], true, "a read that correctness needs is consistent");
                let item = self.find(&body["TableName"], &body["Key"]);
                ok(item.map_or(json!({}), |item| json!({ "Item": item })))
            }
            "Query" => self.query(&body),
            "UpdateItem" => self.write_one(json!({ "Update": body })),
            "PutItem" => self.write_one(json!({ "Put": body })),
            "DeleteItem" => self.write_one(json!({ "Delete": body })),
            "TransactWriteItems" => self.transact(&body),
            other => panic!("the library is not known to use {other}"),
        }
    }

    fn find(&self, table: &Value, key: &Value) -> Option<&Item> {
        self.tables.get(table.as_str()?)?.get(&key_text(key))
    }

    fn query(&self, body: &Value) -> HttpResponse {
        assert_eq!(body["KeyConditionExpression"], "pk = :pk AND begins_with(sk, :prefix)");
        assert_eq!(body["ConsistentRead"], true, "a read that correctness needs is consistent");
        let values = &body["ExpressionAttributeValues"];
        let prefix = values[":prefix"]["S"].as_str().expect("the prefix is a string");
        let table = self.tables.get(body["TableName"].as_str().expect("the table is named"));
        let items: Vec<_> = table
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|item| item["pk"] == values[":pk"])
            .filter(|item| item["sk"]["S"].as_str().is_some_and(|sk| sk.starts_with(prefix)))
            .collect();
        ok(json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }))
    }

    fn write_one(&mut self, write: Value) -> HttpResponse {
        match self.refusal(&write) {
            Some(found) => error(
                "ConditionalCheckFailedException",
                found.map_or(json!({}), |item| json!({ "Item": item })),
            ),
            None => {
                let after = self.apply(&write);
                self.check();
                ok(after.map_or(json!({}), |item| json!({ "Attributes": item })))
            }
        }
    }

    fn transact(&mut self, body: &Value) -> HttpResponse {
        let token = body["ClientRequestToken"].as_str().expect("the SDK makes a token").to_owned();
        let writes = &body["TransactItems"];
        if let Some(committed) = self.committed.get(&token) {
            assert_eq!(committed, writes, "a token stands for one transaction");
            return ok(json!({}));
        }
        let writes_list = writes.as_array().expect("the writes are a list");
        let mut keys: Vec<_> = writes_list
            .iter()
            .map(|write| format!("{}{}", write_of(write)["TableName"], key_of(write)))
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), writes_list.len(), "a transaction writes each item once");
        let refusals: Vec<_> = writes_list.iter().map(|write| self.refusal(write)).collect();
        if refusals.iter().any(Option::is_some) {
            let reasons = refusals.into_iter().map(|refusal| match refusal {
                None => json!({ "Code": "None" }),
                Some(None) => json!({ "Code": "ConditionalCheckFailed" }),
                Some(Some(item)) => json!({ "Code": "ConditionalCheckFailed", "Item": item }),
            });
            let reasons: Vec<_> = reasons.collect();
            return error("TransactionCanceledException", json!({ "CancellationReasons": reasons }));
        }
        for write in writes_list {
            self.apply(write);
        }
        self.check();
        self.committed.insert(token, writes.clone());
        ok(json!({}))
    }

    /// The item whose condition does not hold, if that is so: none inside when there is no item.
    fn refusal(&self, write: &Value) -> Option<Option<Item>> {
        let inner = write_of(write);
        let condition = inner.get("ConditionExpression")?.as_str().expect("conditions are text");
        let found = self.tables.get(inner["TableName"].as_str().expect("the table is named"));
        let found = found.and_then(|table| table.get(&key_of(write))).cloned();
        let empty = Item::new();
        let is_met = holds(condition, found.as_ref().unwrap_or(&empty), inner);
        (!is_met).then_some(found)
    }

    /// Does the write, and answers the item as it is then.
    fn apply(&mut self, write: &Value) -> Option<Item> {
        let (inner, key) = (write_of(write), key_of(write));
        let table_name = inner["TableName"].as_str().expect("the table is named").to_owned();
        let table = self.tables.entry(table_name.clone()).or_default();
        let before = table.get(&key).cloned();
        let after = if write.get("Put").is_some() {
            inner["Item"].as_object().cloned()
        } else if write.get("Update").is_some() {
            let mut item = before.clone().unwrap_or_else(|| inner["Key"].as_object().expect("a key").clone());
            assign(inner["UpdateExpression"].as_str().expect("updates are text"), &mut item, inner);
            Some(item)
        } else if write.get("Delete").is_some() {
            None
        } else {
            before.clone()
        };
        match &after {
            Some(item) => table.insert(key, item.clone()),
            None => table.remove(&key),
        };
        let state = |item: &Option<Item>| {
            item.as_ref().and_then(|item| item["state"]["S"].as_str().map(str::to_owned))
        };
        if table_name == "uploads" && state(&before) != state(&after) && after.is_some() {
            let id =
                inner.get("Key").unwrap_or(&inner["Item"])["id"]["S"].as_str().expect("an id").to_owned();
            self.upload_states.push((id, state(&before), state(&after).expect("it has one")));
        }
        after
    }

    /// What is so at every moment.
    fn check(&self) {
        self.check_usage();
        self.check_failures();
    }

    /// That failed uploads say so, and are in the index of failures, and no others.
    fn check_failures(&self) {
        for (id, upload) in self.tables.get("uploads").into_iter().flatten() {
            let has_failed = upload["state"]["S"] == "failed";
            for attribute in ["failure", "reason", "failed_at"] {
                assert_eq!(upload.contains_key(attribute), has_failed, "{attribute} of the upload {id}");
            }
        }
    }

    /// That what each owner has is counted right.
    fn check_usage(&self) {
        let mut expected: BTreeMap<String, Usage> = BTreeMap::new();
        for upload in self.records::<Upload>("uploads", |_| true) {
            let usage = expected.entry(format!("owner#{}|quota", upload.owner_id)).or_default();
            match upload.state {
                UploadState::Failed if upload.retry_until.is_none() => continue,
                UploadState::Duplicate => continue,
                UploadState::Waiting => usage.uploads += 1,
                _ => {}
            }
            usage.bytes += i64::try_from(upload.size_bytes).expect("it is small");
        }
        let counts = self.tables.get("contents").into_iter().flatten();
        let mut counted: BTreeMap<String, Usage> = counts
            .filter(|(key, _)| key.ends_with("|quota"))
            .map(|(key, item)| (key.clone(), serde_json::from_value(plain(item)).expect("a count")))
            .collect();
        for usages in [&mut expected, &mut counted] {
            usages.retain(|_, usage| *usage != Usage::default());
        }
        assert_eq!(counted, expected, "what owners have is counted in the transaction that changes it");
    }

    /// As if a week had passed since everything that was given up.
    pub fn end_all_retries(&mut self) {
        let items = self.tables.values_mut().flat_map(BTreeMap::values_mut);
        for until in items.filter_map(|item| item.get_mut("retry_until")) {
            *until = json!({ "S": "1970-01-08T00:00:00.000Z" });
        }
    }

    /// All items of a table as records.
    pub fn records<T: serde::de::DeserializeOwned>(
        &self,
        table: &str,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Vec<T> {
        let items = self.tables.get(table).into_iter().flatten();
        let wanted = items.filter(|(key, _)| is_wanted(key));
        wanted
            .map(|(_, item)| serde_json::from_value(plain(item)).expect("the item is such a record"))
            .collect()
    }
}

fn write_of(write: &Value) -> &Value {
    write.as_object().and_then(|write| write.values().next()).expect("a write is one of four")
}

fn key_of(write: &Value) -> String {
    let inner = write_of(write);
    key_text(inner.get("Key").unwrap_or(&inner["Item"]))
}

fn key_text(key: &Value) -> String {
    let part = |name: &str| key[name]["S"].as_str().unwrap_or_default();
    format!("{}{}|{}", part("id"), part("pk"), part("sk"))
}

/// An item without DynamoDB's type tags.
fn plain(item: &Item) -> Value {
    let value = |tagged: &Value| {
        let (tag, value) =
            tagged.as_object().and_then(|tagged| tagged.iter().next()).expect("a tagged value");
        match (tag.as_str(), value) {
            ("N", Value::String(number)) => {
                number.parse::<i64>().map(Value::from).expect("numbers are integers")
            }
            ("M", Value::Object(nested)) => plain(nested),
            (_, value) => value.clone(),
        }
    };
    item.iter().map(|(name, tagged)| (name.clone(), value(tagged))).collect::<Item>().into()
}
