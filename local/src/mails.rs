//! The mails that Cognito and functions send. The local AWS delivers none: it keeps them to be looked at.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::signed_request;

/// Whom the mails of functions come from.
pub const SENDER: &str = "matinee@example.org";

/// A mail that would have been sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mail {
    /// Whom to.
    pub to: Vec<String>,
    /// What about.
    pub subject: String,
    /// What it says.
    pub body_text: String,
}

#[derive(Deserialize)]
struct Mails {
    /// By AWS account, each oldest first.
    messages: BTreeMap<String, Vec<Mail>>,
}

/// Has the local AWS believe that the sender's address is ours.
pub(crate) async fn verify_sender(endpoint: &Endpoint) -> Result<()> {
    let body = format!("Action=VerifyEmailIdentity&Version=2010-12-01&EmailAddress={SENDER}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let verified = signed_request::post(&reqwest::Client::new(), endpoint, "ses", &headers, body).await;
    verified.context("verifying the sender of mails")?;
    Ok(())
}

/// All mails since the local AWS was started, oldest first.
///
/// # Errors
/// When what runs there keeps no mails.
pub async fn mails(endpoint: &Endpoint) -> Result<Vec<Mail>> {
    let url = format!("{}/_ministack/ses/messages", endpoint.url);
    let mails: Mails = reqwest::get(url).await?.json().await.context("there are no mails to be read")?;
    Ok(mails.messages.into_values().flatten().collect())
}
