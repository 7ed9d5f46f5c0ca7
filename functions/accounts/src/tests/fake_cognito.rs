//! Cognito behind the SDK's own HTTP client: each test says what it answers and looks at what it was asked.

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

use crate::UserPool;

type Answer = (u16, Value);
type Answers = dyn Fn(&str, &Value) -> Answer + Send + Sync;

/// A pool whose calls are answered by a function of operation and input.
#[derive(Clone)]
pub struct FakeCognito {
    answer: Arc<Answers>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl std::fmt::Debug for FakeCognito {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FakeCognito")
    }
}

impl FakeCognito {
    /// Answers this to every operation but the description of the client, whose secret is `s3cret`.
    pub fn answering(answer: impl Fn(&str, &Value) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    /// Refuses everything with this error.
    pub fn refusing(code: &'static str) -> Self {
        Self::answering(move |_, _| (400, json!({ "__type": code, "message": format!("{code} of a test") })))
    }

    pub fn pool(&self) -> UserPool {
        let connector = SharedHttpConnector::new(self.clone());
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "id", "key", None, None, "test",
            )))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .retry_config(aws_config::retry::RetryConfig::disabled())
            .build();
        UserPool::new(&sdk, "pool-1", "client-1")
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
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let input: Value =
            serde_json::from_slice(request.body().bytes().unwrap_or_default()).expect("it is JSON");
        let (status, output) = match operation.as_str() {
            "DescribeUserPoolClient" => (200, app_client()),
            operation => (self.answer)(operation, &input),
        };
        self.asked.lock().expect("no test panics while it is asked").push((operation, input));
        let status = status.try_into().expect("it is a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(output.to_string()))))
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

/// What Cognito answers to Anna, who is publisher and admin.
pub fn annas_tokens() -> Answer {
    let access = token(json!({ "sub": "anna-1", "cognito:groups": ["admin", "publisher", "choir"] }));
    let id = token(json!({ "sub": "anna-1", "email": "anna@example.com" }));
    let tokens =
        json!({ "AccessToken": access, "IdToken": id, "RefreshToken": "re.fresh", "ExpiresIn": 600 });
    (200, json!({ "AuthenticationResult": tokens, "ChallengeParameters": {} }))
}
