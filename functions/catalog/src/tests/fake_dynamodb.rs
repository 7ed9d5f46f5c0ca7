//! DynamoDB behind the SDK's own HTTP client: each test says what it answers and looks at what it was asked.

use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

type Answers = dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync;

/// Tables that are answered by a function of operation and input.
#[derive(Clone)]
pub struct FakeDynamoDb {
    answer: Arc<Answers>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl std::fmt::Debug for FakeDynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeDynamoDb")
    }
}

impl FakeDynamoDb {
    pub fn answering(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    pub fn sdk(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("id", "key", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build()
    }

    /// The operations and their inputs, in order.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("no test panics while it is asked").clone()
    }
}

impl HttpConnector for FakeDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let input: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("it is JSON");
        let (status, output) = (self.answer)(&operation, &input);
        self.asked.lock().expect("no test panics while it is asked").push((operation, input));
        let status = status.try_into().expect("it is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(output.to_string()))))
    }
}
