//! As much of DynamoDB as the relay and the reader of usage need, in memory and virtual time, behind the SDK's own HTTP client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use live::{LiveStore, LiveTables, UsageRecords};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

type Item = Map<String, Value>;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered after so many milliseconds.
    Answered(u64),
    /// It never arrives.
    Lost,
    /// It is done, but the answer is that it failed.
    AnsweredWrongly,
    /// It is done, but the answer never arrives.
    AnswerLost,
}

/// The tables, and what becomes of requests.
#[derive(Clone, Debug, Default)]
pub struct FakeDynamoDb(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    tables: BTreeMap<String, BTreeMap<(String, String), Item>>,
    fates: VecDeque<Fate>,
    down: Vec<(Instant, Instant)>,
    puts: BTreeMap<String, usize>,
    attempts: usize,
}

impl FakeDynamoDb {
    /// Fates of the requests to come; when they run out, all are answered in five milliseconds.
    pub fn fates(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state(|state| state.fates = fates.into_iter().collect());
    }

    /// Nothing arrives between these moments.
    pub fn down(&self, from: Instant, to: Instant) {
        self.state(|state| state.down.push((from, to)));
    }

    /// The tables as they are now, in a database that works.
    pub fn snapshot(&self) -> Self {
        let tables = self.state(|state| state.tables.clone());
        Self(Arc::new(Mutex::new(State { tables, ..State::default() })))
    }

    /// How many rows were put into a table, repeated ones not counted.
    pub fn puts(&self, table: &str) -> usize {
        self.state(|state| state.puts.get(table).copied().unwrap_or(0))
    }

    /// How many requests there were.
    pub fn attempts(&self) -> usize {
        self.state(|state| state.attempts)
    }

    pub fn store(&self) -> LiveStore {
        let tables = LiveTables {
            usage: "usage".to_owned(),
            relays: "relays".to_owned(),
            viewers: "viewers".to_owned(),
            ticket_keys: "ticket-keys".to_owned(),
        };
        LiveStore::new(self.client(), &tables)
    }

    pub fn records(&self) -> UsageRecords {
        UsageRecords::new(self.client(), "usage", "relays")
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("key", "secret", None, None, "memory"))
            .endpoint_url("http://memory")
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(2)).build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }

    fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().expect("no panic"))
    }
}

impl HttpConnector for FakeDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let fate = self.state(|state| {
            state.attempts += 1;
            let now = Instant::now();
            let is_down = state.down.iter().any(|(from, to)| (*from..*to).contains(&now));
            let fate = state.fates.pop_front().unwrap_or(Fate::Answered(5));
            if is_down { Fate::Lost } else { fate }
        });
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let lost = || ConnectorError::io("the connection broke".into());
            match fate {
                Fate::Answered(ms) => {
                    sleep(Duration::from_millis(ms / 2)).await;
                    let answer = this.state(|state| state.answer(&request));
                    sleep(Duration::from_millis(ms - ms / 2)).await;
                    Ok(answer)
                }
                Fate::Lost => Err(lost()),
                Fate::AnsweredWrongly => {
                    this.state(|state| state.answer(&request));
                    Ok(answer(
                        500,
                        &json!({ "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError" }),
                    ))
                }
                Fate::AnswerLost => {
                    this.state(|state| state.answer(&request));
                    std::future::pending().await
                }
            }
        })
    }
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body.to_string()))
}

impl State {
    fn answer(&mut self, request: &HttpRequest) -> HttpResponse {
        let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
        let body: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("requests are JSON");
        match target {
            Some("PutItem") => self.put(&body),
            Some("Query") => self.query(&body),
            Some("BatchGetItem") => self.batch(&body),
            other => panic!("nobody asks for {other:?}"),
        }
    }

    fn put(&mut self, body: &Value) -> HttpResponse {
        assert_eq!(body["ConditionExpression"], "attribute_not_exists(#order) OR #order < :value");
        let order = body["ExpressionAttributeNames"]["#order"].as_str().expect("a name");
        let value = number(&body["ExpressionAttributeValues"][":value"]);
        let item = body["Item"].as_object().expect("an item");
        assert_eq!(number(&item[order]), value);
        let name = body["TableName"].as_str().expect("a table").to_owned();
        let table = self.tables.entry(name.clone()).or_default();
        if table.get(&key(item)).is_some_and(|stored| number(&stored[order]) >= value) {
            let refusal = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return answer(400, &json!({ "__type": refusal }));
        }
        table.insert(key(item), item.clone());
        *self.puts.entry(name).or_default() += 1;
        answer(200, &json!({}))
    }

    fn query(&self, body: &Value) -> HttpResponse {
        assert_eq!(body["KeyConditionExpression"], "viewer_id = :viewer AND #segment >= :from");
        assert_eq!(body["ConsistentRead"], true);
        let values = &body["ExpressionAttributeValues"];
        let table = self.tables.get(body["TableName"].as_str().expect("a table"));
        let items: Vec<_> = table
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|item| item["viewer_id"] == values[":viewer"])
            .filter(|item| item["segment"]["S"].as_str() >= values[":from"]["S"].as_str())
            .collect();
        answer(200, &json!({ "Items": items, "Count": items.len() }))
    }

    fn batch(&self, body: &Value) -> HttpResponse {
        let mut responses = Map::new();
        for (name, request) in body["RequestItems"].as_object().expect("tables") {
            assert_eq!(request["ConsistentRead"], true);
            let keys = request["Keys"].as_array().expect("keys").iter();
            let found = keys
                .filter_map(|wanted| self.tables.get(name)?.get(&key(wanted.as_object().expect("a key"))));
            responses.insert(name.clone(), found.cloned().map(Value::Object).collect());
        }
        answer(200, &json!({ "Responses": responses }))
    }
}

fn number(value: &Value) -> u64 {
    value["N"].as_str().and_then(|number| number.parse().ok()).expect("a number")
}

fn key(item: &Item) -> (String, String) {
    let part = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| item.get(*name)).expect("a key");
        value["S"].as_str().expect("keys are text").to_owned()
    };
    (part(["viewer_id", "task_id"]), part(["segment", "part"]))
}
