//! Cognito behind the SDK's own HTTP client: each test says what it answers and looks at what it was asked. Beside it the table
//! of attempts, with the conditions that it is written under.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cognitoidentityprovider::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::mail_new_device;
use crate::{AttemptsTable, Context, Guarded, OriginSecret, Removals, SignInsTable, UserPool};

type Answer = (u16, Value);
type Answers = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// A pool whose calls are answered by a function of operation and input.
#[derive(Clone)]
pub struct FakeCognito {
    answer: Arc<Answers>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    attempts: Arc<Mutex<HashMap<String, Value>>>,
    sign_ins: Arc<Mutex<BTreeMap<(String, String), Value>>>,
    /// Whether the operator makes the accounts.
    pub sign_up_is_closed: bool,
}

impl std::fmt::Debug for FakeCognito {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeCognito")
    }
}

impl FakeCognito {
    /// Answers this to every operation but the description of the client, whose secret is `s3cret`.
    pub fn answering(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            asked: Arc::default(),
            attempts: Arc::default(),
            sign_ins: Arc::default(),
            sign_up_is_closed: false,
        }
    }

    /// Refuses everything with this error; only, Anna's account is there to be read, unless the error says otherwise.
    pub fn refusing(code: &'static str) -> Self {
        Self::answering(move |operation, _| match operation {
            "AdminGetUser" if !matches!(code, "UserNotFoundException" | "InternalErrorException") => {
                annas_account("CONFIRMED")
            }
            _ => refused(code),
        })
    }

    /// What new devices are mailed about with.
    pub fn mail_context(&self) -> mail_new_device::Context {
        let environment = mail_new_device::Environment {
            user_pool_id: "pool-1".to_owned(),
            user_pool_client_id: "client-1".to_owned(),
            sign_ins_table: "sign-ins".to_owned(),
            sender_address: "matinee@example.com".to_owned(),
            site_origin: "https://matinee.example".to_owned(),
            ses_endpoint: None,
        };
        let http = SharedHttpConnector::new(self.clone());
        mail_new_device::Context::with_http(&self.sdk(), http, environment).expect("all is there")
    }

    fn sdk(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "key", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build()
    }

    pub fn context(&self) -> Context {
        let sdk = self.sdk();
        let attempts = AttemptsTable::new(&sdk, "attempts");
        Context {
            users: UserPool::new(&sdk, "pool-1", "client-1"),
            guarded: Some(Guarded { attempts, origin_secret: OriginSecret::new("0rigin") }),
            sign_ins: Some(SignInsTable::new(&sdk, "sign-ins")),
            removals: Some(Removals::new(&sdk, "removals")),
            belongings: None,
            sign_up_is_open: !self.sign_up_is_closed,
        }
    }

    /// The inputs of one operation.
    pub fn asked(&self, operation: &str) -> Vec<Value> {
        let asked = self.asked.lock().expect("no test panics while it is asked");
        asked.iter().filter(|(name, _)| name == operation).map(|(_, input)| input.clone()).collect()
    }
}

impl HttpConnector for FakeCognito {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = match target.rsplit('.').next().unwrap_or_default() {
            // SES is told what to do by the address.
            "" if request.uri().ends_with("/v2/email/outbound-emails") => "SendEmail".to_owned(),
            operation => operation.to_owned(),
        };
        let input: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("it is JSON");
        let (status, output) = match operation.as_str() {
            "DescribeUserPoolClient" => (200, app_client()),
            "GetItem" | "PutItem" | "DeleteItem" | "UpdateItem" if input["TableName"] == "attempts" => {
                self.table(&operation, &input)
            }
            "PutItem" | "Query" | "GetItem" | "UpdateItem" if input["TableName"] == "sign-ins" => {
                self.history(&operation, &input)
            }
            operation => (self.answer)(operation, &input),
        };
        self.asked.lock().expect("no test panics while it is asked").push((operation, input));
        let status = status.try_into().expect("it is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(output.to_string()))))
    }
}

impl FakeCognito {
    /// Says when the attempts that are counted were made: earlier by so many milliseconds.
    pub fn let_pass_ms(&self, passed_ms: u64) {
        let earlier = |value: &mut Value| {
            let ms: u64 = value["N"].as_str().and_then(|ms| ms.parse().ok()).expect("it is a number");
            value["N"] = json!(ms.saturating_sub(passed_ms).to_string());
        };
        let mut items = self.attempts.lock().expect("no test panics meanwhile");
        for item in items.values_mut().filter(|item| item["spent"].is_null()) {
            earlier(&mut item["locked_until_ms"]);
            item["attempts_ms"]["L"].as_array_mut().expect("it is a list").iter_mut().for_each(earlier);
        }
    }

    fn table(&self, operation: &str, input: &Value) -> Answer {
        let mut items = self.attempts.lock().expect("no test panics meanwhile");
        let key = &input[if operation == "PutItem" { "Item" } else { "Key" }]["account"]["S"];
        let key = key.as_str().expect("a key").to_owned();
        match operation {
            "GetItem" => (200, items.get(&key).map_or(json!({}), |item| json!({ "Item": item }))),
            "UpdateItem" => {
                let spent =
                    items.get(&key).and_then(|item| item["spent"]["N"].as_str()?.parse().ok()).unwrap_or(0);
                let values = &input["ExpressionAttributeValues"];
                let number =
                    |name: &str| values[name]["N"].as_str().and_then(|number| number.parse::<i64>().ok());
                let (allowed, change) = match input["ConditionExpression"].as_str() {
                    Some("attribute_not_exists(spent) OR spent < :budget") => {
                        (number(":budget").is_some_and(|budget| spent < budget), number(":one"))
                    }
                    Some("spent > :none") => (spent > 0, number(":minus_one")),
                    other => panic!("a condition that the table doesn't know: {other:?}"),
                };
                if !allowed {
                    let code = "ConditionalCheckFailedException";
                    return (400, json!({ "__type": code, "message": code }));
                }
                let spent = spent + change.expect("a change");
                items.insert(
                    key.clone(),
                    json!({ "account": { "S": key }, "spent": { "N": spent.to_string() } }),
                );
                (200, json!({}))
            }
            "DeleteItem" => {
                items.remove(&key);
                (200, json!({}))
            }
            _ => {
                let found = items.get(&key);
                let version = found.map(|item| item["version"].clone());
                let presumed = match input["ConditionExpression"].as_str() {
                    Some("attribute_not_exists(account)") => None,
                    Some("version = :version") => {
                        Some(input["ExpressionAttributeValues"][":version"].clone())
                    }
                    other => panic!("a condition that the table doesn't know: {other:?}"),
                };
                if version != presumed {
                    let code = "ConditionalCheckFailedException";
                    return (400, json!({ "__type": code, "message": code, "Item": found }));
                }
                items.insert(key, input["Item"].clone());
                (200, json!({}))
            }
        }
    }
}

impl FakeCognito {
    /// The table of sign-ins.
    fn history(&self, operation: &str, input: &Value) -> Answer {
        let mut items = self.sign_ins.lock().expect("no test panics meanwhile");
        let text = |value: &Value| value["S"].as_str().expect("text").to_owned();
        if matches!(operation, "GetItem" | "UpdateItem") {
            let item = items.get_mut(&(text(&input["Key"]["user_id"]), text(&input["Key"]["entry"])));
            return Self::one(item, operation, input);
        }
        if operation == "PutItem" {
            let item = &input["Item"];
            let before = items.insert((text(&item["user_id"]), text(&item["entry"])), item.clone());
            return (200, before.map_or(json!({}), |before| json!({ "Attributes": before })));
        }
        let values = &input["ExpressionAttributeValues"];
        let (user, oldest, before) =
            (text(&values[":user_id"]), text(&values[":oldest"]), text(&values[":before"]));
        let found = items.range((user.clone(), oldest)..=(user, before)).rev().map(|(_, item)| item.clone());
        let limit =
            input["Limit"].as_u64().map_or(usize::MAX, |limit| limit.try_into().expect("a small one"));
        (200, json!({ "Items": found.take(limit).collect::<Vec<_>>() }))
    }

    /// One item of it, which is read, or marked and unmarked.
    fn one(item: Option<&mut Value>, operation: &str, input: &Value) -> Answer {
        let refused = (400, json!({ "__type": "ConditionalCheckFailedException", "message": "a test's" }));
        match (item, operation, input["UpdateExpression"].as_str()) {
            (item, "GetItem", _) => (200, item.map_or(json!({}), |item| json!({ "Item": item }))),
            (Some(item), _, Some("SET mailed_at = :now")) if item["mailed_at"].is_null() => {
                item["mailed_at"] = input["ExpressionAttributeValues"][":now"].clone();
                (200, json!({}))
            }
            (Some(item), _, Some("REMOVE mailed_at")) => {
                item.as_object_mut().expect("an item").remove("mailed_at");
                (200, json!({}))
            }
            (_, _, Some("SET mailed_at = :now" | "REMOVE mailed_at")) => refused,
            (_, _, other) => panic!("a change that the table doesn't know: {other:?}"),
        }
    }

    /// Adds an attempt to the history.
    pub fn note_sign_in(&self, user_id: &str, entry: &str, device: &str, outcome: &str) {
        let at = entry.split('#').next().expect("an entry begins with its time");
        let item = json!({
            "user_id": { "S": user_id }, "entry": { "S": entry }, "at": { "S": at }, "device": { "S": device },
            "outcome": { "S": outcome }, "address": { "S": "192.0.2.7" },
        });
        let mut items = self.sign_ins.lock().expect("no test panics meanwhile");
        items.insert((user_id.to_owned(), entry.to_owned()), item);
    }

    /// Whose attempts the history holds.
    pub fn noted(&self) -> Vec<String> {
        let items = self.sign_ins.lock().expect("no test panics meanwhile");
        items.keys().map(|(user, _)| user.clone()).collect()
    }
}

fn app_client() -> Value {
    json!({ "UserPoolClient": {
        "ClientId": "client-1", "ClientSecret": "s3cret", "RefreshTokenValidity": 30,
        "TokenValidityUnits": { "RefreshToken": "days" },
    } })
}

/// A token with these claims, as far as its payload.
pub fn token(claims: Value) -> String {
    format!("head.{}.signature", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// An error of Cognito's.
pub fn refused(code: &str) -> Answer {
    (400, json!({ "__type": code, "message": format!("{code} of a test") }))
}

/// What Cognito says of Anna's account in this state.
pub fn annas_account(status: &str) -> Answer {
    let attributes = json!([{ "Name": "email", "Value": "anna@example.com" }]);
    (
        200,
        json!({ "Username": "anna-1", "UserAttributes": attributes, "UserStatus": status, "Enabled": true }),
    )
}

/// What Cognito answers to Anna, who is publisher and admin.
pub fn annas_tokens() -> Answer {
    let access = token(json!({ "sub": "anna-1", "cognito:groups": ["admin", "publisher", "choir"] }));
    let id = token(json!({ "sub": "anna-1", "email": "anna@example.com" }));
    let tokens =
        json!({ "AccessToken": access, "IdToken": id, "RefreshToken": "re.fresh", "ExpiresIn": 600 });
    (200, json!({ "AuthenticationResult": tokens, "ChallengeParameters": {} }))
}
