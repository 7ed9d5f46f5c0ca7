//! As much of DynamoDB as the relay uses, in this process, and as unreliable as a test wants it.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use live::tickets::SigningKey;
use live::{LiveStore, LiveTables, ViewerId};
use serde_json::{Map, Value, json};

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Answers every call with an error.
    Down,
    /// Takes so long for every call.
    Slow(Duration),
    /// Does what it is asked, and answers with an error.
    FailsAfterCommitting,
}

type Item = Map<String, Value>;

/// Partition and sort key of an item.
type Key = (String, String);

/// The store of one test.
#[derive(Clone)]
pub struct Store {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    signing: Arc<SigningKey>,
}

struct Shared {
    mood: Mood,
    tables: BTreeMap<String, BTreeMap<Key, Item>>,
    calls: usize,
}

/// The tables' names, and what their keys are called.
const TABLES: [(&str, &str, &str); 4] = [
    ("live_usage", "viewer_id", "segment"),
    ("live_relays", "task_id", "part"),
    ("live_viewers", "viewer_id", ""),
    ("ticket_keys", "use", "key_id"),
];

impl Store {
    /// A store with one key for tickets and nobody registered.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        listener.set_nonblocking(true).expect("can be non-blocking");
        let address = listener.local_addr().expect("has an address");
        let shared = Arc::new(Mutex::new(Shared { mood: Mood::Well, tables: BTreeMap::new(), calls: 0 }));
        thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).expect("registers");
                    let router = Router::new().fallback(call).with_state(shared);
                    axum::serve(listener, router).await.expect("serves");
                });
            }
        });
        let document = SigningKey::generate().expect("a key");
        let signing = SigningKey::from_pkcs8(&document).expect("the key");
        let store = Self { address, shared, signing: Arc::new(signing) };
        store.put(
            "ticket_keys",
            json!({
                "use": { "S": "verify" },
                "key_id": { "S": store.signing.id().as_str() },
                "created_ms": { "N": "1" },
                "public_key": { "B": BASE64_STANDARD.encode(store.signing.public_key()) },
            }),
        );
        store
    }

    /// Where it is, for the environment of a process.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn tables() -> LiveTables {
        let [usage, relays, viewers, ticket_keys] = TABLES.map(|(name, _, _)| name.to_owned());
        LiveTables { usage, relays, viewers, ticket_keys }
    }

    /// The relay's way to it.
    pub fn client(&self) -> LiveStore {
        let patience = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(2)).build();
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("eu-central-1"))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::for_tests())
            .retry_config(RetryConfig::disabled())
            .timeout_config(patience)
            .build();
        LiveStore::new(Client::from_conf(config), &Self::tables())
    }

    pub fn register(&self, viewer: &str) {
        self.put("live_viewers", json!({ "viewer_id": { "S": viewer }, "owner_id": { "S": "somebody" } }));
    }

    pub fn set_mood(&self, mood: Mood) {
        self.shared().mood = mood;
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        self.shared().calls
    }

    /// A ticket that holds until this unix time.
    pub fn ticket_until(&self, viewer: &str, expires_at_s: u64) -> String {
        let viewer: ViewerId = viewer.parse().expect("a viewer");
        self.signing.sign(&viewer, expires_at_s)
    }

    /// A ticket that holds now.
    pub fn ticket(&self, viewer: &str) -> String {
        self.ticket_until(viewer, now_s() + 600)
    }

    /// The line of a viewer who may watch.
    pub fn line(&self, viewer: &str, channel: &str) -> String {
        format!("{viewer} {channel} {}", self.ticket(viewer))
    }

    /// All items of a table.
    pub fn items(&self, table: &str) -> Vec<Item> {
        self.shared().tables.get(table).map(|items| items.values().cloned().collect()).unwrap_or_default()
    }

    /// Milliseconds of delivery that are recorded for a viewer: intervals that have ended.
    pub fn recorded_ms(&self, viewer: &str) -> u64 {
        let segments = self.items("live_usage");
        let own = segments.iter().filter(|segment| segment["viewer_id"]["S"] == viewer);
        let lists = own.flat_map(|segment| segment["intervals"]["L"].as_array().cloned().unwrap_or_default());
        lists
            .map(|interval| {
                let [start, end] = [0, 1].map(|index| {
                    interval["L"][index]["N"]
                        .as_str()
                        .and_then(|number| number.parse::<u64>().ok())
                        .expect("a time")
                });
                end - start
            })
            .sum()
    }

    fn put(&self, table: &str, item: Value) {
        let item = item.as_object().expect("an item").clone();
        self.shared().tables.entry(table.to_owned()).or_default().insert(key(table, &item), item);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no call panicked")
    }
}

/// Unix time in seconds.
pub fn now_s() -> u64 {
    std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs()
}

fn key(table: &str, item: &Item) -> Key {
    let (_, partition, sort) =
        TABLES.into_iter().find(|(name, _, _)| *name == table).expect("a table of ours");
    let text =
        |name: &str| item.get(name).and_then(|value| value["S"].as_str()).unwrap_or_default().to_owned();
    (text(partition), text(sort))
}

async fn call(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mood = {
        let mut shared = shared.lock().expect("no call panicked");
        shared.calls += 1;
        shared.mood
    };
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).expect("JSON");
    if let Mood::Slow(time) = mood {
        tokio::time::sleep(time).await;
    }
    let answer = match mood {
        Mood::Down => Err("InternalServerError"),
        Mood::Well | Mood::Slow(_) => {
            apply(&mut shared.lock().expect("no call panicked"), operation, &request)
        }
        Mood::FailsAfterCommitting => {
            apply(&mut shared.lock().expect("no call panicked"), operation, &request)
                .and(Err("InternalServerError"))
        }
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(code @ "InternalServerError") => (StatusCode::INTERNAL_SERVER_ERROR, error(code)),
        Err(code) => (StatusCode::BAD_REQUEST, error(code)),
    };
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string()).into_response()
}

fn error(code: &str) -> Value {
    json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": code })
}

fn apply(shared: &mut Shared, operation: &str, request: &Value) -> Result<Value, &'static str> {
    let table = request["TableName"].as_str().expect("a table");
    let items = shared.tables.entry(table.to_owned()).or_default();
    match operation {
        "PutItem" => {
            let item = request["Item"].as_object().expect("an item").clone();
            let key = key(table, &item);
            if let Some(order) = request["ExpressionAttributeNames"]["#order"].as_str() {
                let number =
                    |value: &Value| value["N"].as_str().and_then(|number| number.parse::<u64>().ok());
                let stored = items.get(&key).and_then(|stored| stored.get(order)).and_then(number);
                if stored >= number(&request["ExpressionAttributeValues"][":value"]) {
                    return Err("ConditionalCheckFailedException");
                }
            }
            items.insert(key, item);
            Ok(json!({}))
        }
        "GetItem" => {
            let key = key(table, request["Key"].as_object().expect("a key"));
            Ok(items.get(&key).map_or(json!({}), |item| json!({ "Item": item })))
        }
        "Query" => {
            let wanted = request["ExpressionAttributeValues"][":use"]["S"].as_str().expect("a use");
            let found: Vec<_> = items
                .iter()
                .filter(|((partition, _), _)| partition == wanted)
                .map(|(_, item)| item)
                .collect();
            Ok(json!({ "Items": found, "Count": found.len(), "ScannedCount": found.len() }))
        }
        other => panic!("the relay doesn't call {other}"),
    }
}
