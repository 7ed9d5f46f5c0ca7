//! DynamoDB's tables of one deployment, and whatever else is sent to, behind the SDK's own HTTP client.

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
            other => panic!("watching is not known to ask {other:?}"),
        }
    }
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
