//! Sends a mail by SES.
//!
//! One call of one operation: it is signed and sent by hand, since SES's SDK would be one more of the largest crates that there are, linked into
//! every function of this area.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::json;
use thiserror::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What sends mails in the operator's name.
#[derive(Clone, Debug)]
pub struct Mailer {
    http: SharedHttpConnector,
    credentials: SharedCredentialsProvider,
    region: String,
    endpoint: String,
    sender: String,
}

/// Why a mail was not sent, or perhaps was.
#[derive(Debug, Error)]
pub(crate) enum MailError {
    /// It was not: SES, or whatever comes before it, said so.
    #[error(transparent)]
    NotSent(anyhow::Error),
    /// Nobody knows: the request was on its way when its answer was lost.
    #[error(transparent)]
    Unknown(anyhow::Error),
}

impl Mailer {
    /// Sends from this address. `endpoint` is where SES is, unless at AWS.
    ///
    /// # Errors
    /// The configuration has no region or no credentials.
    pub fn new(
        sdk: &SdkConfig,
        http: SharedHttpConnector,
        endpoint: Option<String>,
        sender: String,
    ) -> anyhow::Result<Self> {
        let region = sdk.region().context("there is no region")?.to_string();
        let credentials = sdk.credentials_provider().context("there are no credentials")?;
        let endpoint = endpoint.unwrap_or_else(|| format!("https://email.{region}.amazonaws.com"));
        Ok(Self { http, credentials, region, endpoint, sender })
    }

    /// Sends a mail of plain text. It is tried once.
    pub(crate) async fn send(&self, to: &str, subject: &str, text: &str) -> Result<(), MailError> {
        let utf8 = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
        let mail = json!({
            "FromEmailAddress": self.sender,
            "Destination": { "ToAddresses": [to] },
            "Content": { "Simple": { "Subject": utf8(subject), "Body": { "Text": utf8(text) } } },
        });
        let request = self.signed(mail.to_string()).await.map_err(MailError::NotSent)?;
        let answer = tokio::time::timeout(TIMEOUT, self.http.call(request)).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Err(MailError::Unknown(anyhow::Error::new(error).context("sending a mail")));
            }
            Err(_) => return Err(MailError::Unknown(anyhow!("SES did not answer in time"))),
        };
        match answer.status().as_u16() {
            200..300 => Ok(()),
            // What SES says names the addresses, which have no place in a log.
            status @ 400..500 => Err(MailError::NotSent(anyhow!("SES refused a mail with {status}"))),
            status => Err(MailError::Unknown(anyhow!("SES failed with {status}"))),
        }
    }

    async fn signed(&self, body: String) -> anyhow::Result<HttpRequest> {
        let url = format!("{}/v2/email/outbound-emails", self.endpoint);
        let headers = [("content-type", "application/json")];
        let credentials = self.credentials.provide_credentials().await.context("looking for credentials")?;
        let identity = credentials.into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ses")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        let signable =
            SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))?;
        let (instructions, _signature) = sign(signable, &params)?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST")?;
        request.set_uri(url)?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}
