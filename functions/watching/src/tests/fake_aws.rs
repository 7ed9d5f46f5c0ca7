//! DynamoDB's tables of one deployment, and whatever else is sent to, behind the SDK's own HTTP client.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// A table of videos, a table of media keys, and the answers that CloudFormation got.
#[derive(Clone, Debug, Default)]
pub struct FakeAws(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub struct State {
    /// The only video's record.
    pub video: Option<Value>,
    /// The current media key's record.
    pub key: Option<Value>,
    /// What was written to the table of contents.
    pub wanted: Vec<Value>,
    /// The items of the tables for live channels, by table and key.
    pub live: BTreeMap<(String, String), Value>,
    /// Whether DynamoDB is down.
    pub is_down: bool,
    /// Whether CloudFormation takes no answers.
    pub is_deaf: bool,
    /// Method, address, headers and body of every answer.
    pub answers: Vec<(String, String, Vec<String>, Value)>,
}

impl FakeAws {
    pub fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().expect("no test panics while it is asked"))
    }

    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    pub fn sdk(&self) -> SdkConfig {
        let connector = self.connector();
        let credentials = Credentials::new("id", "key", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build()
    }
}

impl State {
    fn database(&mut self, operation: &str, input: &Value) -> (u16, Value) {
        match (operation, input["TableName"].as_str()) {
            _ if self.is_down => (400, json!({ "__type": "InternalServerError" })),
            ("GetItem", Some("videos")) => (200, found(&self.video)),
            ("GetItem", Some("keys")) => (200, found(&self.key)),
            ("PutItem", Some("keys")) => {
                assert_eq!(input["ConditionExpression"], "attribute_not_exists(id)");
                if self.key.is_some() {
                    return (400, json!({ "__type": "ConditionalCheckFailedException" }));
                }
                self.key = Some(input["Item"].clone());
                (200, json!({}))
            }
            ("UpdateItem", Some("contents")) => {
                let first = self.wanted.is_empty();
                self.wanted.push(input.clone());
                if first {
                    (200, json!({}))
                } else {
                    (400, json!({ "__type": "ConditionalCheckFailedException" }))
                }
            }
            (operation, Some("viewers" | "usage" | "ticket-keys")) => self.live(operation, input),
            ("Scan" | "BatchGetItem" | "TransactWriteItems", _) => self.live(operation, input),
            other => panic!("watching is not known to ask {other:?}"),
        }
    }
}

/// The tables for live channels.
impl State {
    /// Puts an item into one of them.
    pub fn keep(&mut self, table: &str, item: Value) {
        self.live.insert((table.to_owned(), key_of(&item)), item);
    }

    /// All items of one of them.
    pub fn items(&self, table: &str) -> Vec<Value> {
        self.live.iter().filter(|((of, _), _)| of == table).map(|(_, item)| item.clone()).collect()
    }

    fn live(&mut self, operation: &str, input: &Value) -> (u16, Value) {
        let table = input["TableName"].as_str().unwrap_or_default();
        let with = |items: Vec<Value>| (200, json!({ "Items": items }));
        match operation {
            "GetItem" => (200, found(&self.live.get(&(table.to_owned(), key_of(&input["Key"]))).cloned())),
            "PutItem" => {
                self.keep(table, input["Item"].clone());
                (200, json!({}))
            }
            "DeleteItem" => {
                self.live.remove(&(table.to_owned(), key_of(&input["Key"])));
                (200, json!({}))
            }
            "Query" => {
                assert_eq!(input["ConsistentRead"], true);
                let values = input["ExpressionAttributeValues"].as_object().expect("a query has values");
                let wanted = |item: &Value| {
                    values.get(":viewer").is_none_or(|viewer| item["viewer_id"] == *viewer)
                        && values.get(":use").is_none_or(|purpose| item["use"] == *purpose)
                };
                with(self.items(table).into_iter().filter(wanted).collect())
            }
            "Scan" => {
                with(self.items(table).into_iter().filter(|item| item.get("channels").is_some()).collect())
            }
            "BatchGetItem" => {
                let keys = input["RequestItems"]["relays"]["Keys"].as_array().expect("keys").iter();
                let beats = keys.filter_map(|key| self.live.get(&("relays".to_owned(), key_of(key))));
                (200, json!({ "Responses": { "relays": beats.collect::<Vec<_>>() } }))
            }
            "TransactWriteItems" => self.register(&input["TransactItems"]),
            other => panic!("watching is not known to ask {other}"),
        }
    }

    /// A viewer's item, and one more for the account.
    fn register(&mut self, writes: &Value) -> (u16, Value) {
        let (viewer, count) = (&writes[0]["Put"], &writes[1]["Update"]);
        let place = |key: &Value| ("viewers".to_owned(), key_of(key));
        let is_taken = self.live.contains_key(&place(&viewer["Item"]));
        let before = self.live.get(&place(&count["Key"])).map_or(0, |item| number(&item["viewers"]));
        let is_full = before >= number(&count["ExpressionAttributeValues"][":most"]);
        if is_taken || is_full {
            let code = |refused| json!({ "Code": if refused { "ConditionalCheckFailed" } else { "None" } });
            let reasons = json!([code(is_taken), code(is_full)]);
            return (
                400,
                json!({ "__type": "TransactionCanceledException", "CancellationReasons": reasons }),
            );
        }
        self.keep("viewers", viewer["Item"].clone());
        let mut counted = count["Key"].clone();
        counted["viewers"] = json!({ "N": (before + 1).to_string() });
        self.keep("viewers", counted);
        (200, json!({}))
    }
}

fn number(value: &Value) -> u64 {
    value["N"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}

fn key_of(item: &Value) -> String {
    let names = ["viewer_id", "segment", "task_id", "part", "use", "key_id"];
    let parts = names.iter().filter_map(|name| item[*name]["S"].as_str());
    parts.collect::<Vec<_>>().join("|")
}

fn found(item: &Option<Value>) -> Value {
    item.as_ref().map_or_else(|| json!({}), |item| json!({ "Item": item }))
}

impl HttpConnector for FakeAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("it is JSON");
        let (status, output) = self.state(|state| match request.headers().get("x-amz-target") {
            Some(target) => state.database(target.rsplit('.').next().unwrap_or_default(), &body),
            None => {
                let headers = request.headers().iter().map(|(name, _)| name.to_owned()).collect();
                state.answers.push((request.method().to_owned(), request.uri().to_owned(), headers, body));
                (if state.is_deaf { 403 } else { 200 }, json!({}))
            }
        });
        let status = status.try_into().expect("it is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(output.to_string()))))
    }
}
