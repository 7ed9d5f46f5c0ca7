//! Mails the owner of an account that somebody signed in from a device that isn't in its history.
//!
//! The stream of the table of sign-ins brings each sign-in that succeeded, at least once, also late. A sign-in is mailed about at most once: it is
//! marked by a conditional write before the mail is sent. The mark is taken back only where it is certain that no mail left, and then the record
//! comes again; where that is not certain, or this process dies between the two, there is no mail rather than two.
//!
//! The first sign-in that is known is no new device: there is nothing to compare it with.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use cold_start::{http_connector, required_env};
use items::{StreamEvent, StreamResponse, Text, each_change};
use library::Timestamp;
use serde::Deserialize;

use crate::mailer::{MailError, Mailer};
use crate::sign_ins::{LAST, Novelty, Outcome, SignIn, SignInsTable};
use crate::user_pool::UserPool;

/// What the function is told by its environment.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The user pool.
    pub user_pool_id: String,
    /// The client of the pool.
    pub user_pool_client_id: String,
    /// The table of sign-ins.
    pub sign_ins_table: String,
    /// Whom mails come from.
    pub sender_address: String,
    /// Scheme, host and port of the pages.
    pub site_origin: String,
    /// Where SES is, unless at AWS.
    pub ses_endpoint: Option<String>,
}

impl Environment {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> anyhow::Result<Self> {
        let endpoint = ["AWS_ENDPOINT_URL_SESV2", "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        Ok(Self {
            user_pool_id: required_env("USER_POOL_ID")?,
            user_pool_client_id: required_env("USER_POOL_CLIENT_ID")?,
            sign_ins_table: required_env("SIGN_INS_TABLE")?,
            sender_address: required_env("SENDER_ADDRESS")?,
            site_origin: required_env("SITE_ORIGIN")?,
            ses_endpoint: endpoint,
        })
    }
}

/// What a cold start builds.
#[derive(Clone)]
pub struct Context {
    users: UserPool,
    sign_ins: SignInsTable,
    mailer: Mailer,
    site_origin: String,
}

impl Context {
    /// Builds the clients.
    ///
    /// # Errors
    /// The certificates for TLS can't be read.
    pub fn new(sdk: &SdkConfig, environment: Environment) -> anyhow::Result<Self> {
        Self::with_http(sdk, http_connector()?, environment)
    }

    pub(crate) fn with_http(
        sdk: &SdkConfig,
        http: SharedHttpConnector,
        environment: Environment,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            users: UserPool::new(sdk, environment.user_pool_id, environment.user_pool_client_id),
            sign_ins: SignInsTable::new(sdk, environment.sign_ins_table),
            mailer: Mailer::new(sdk, http, environment.ses_endpoint, environment.sender_address)?,
            site_origin: environment.site_origin,
        })
    }
}

/// What is read of a change in the table of sign-ins.
#[derive(Clone, Debug, Deserialize)]
pub struct SignInChange {
    #[serde(rename = "Keys")]
    keys: Keys,
}

#[derive(Clone, Debug, Deserialize)]
struct Keys {
    user_id: Text,
    entry: Text,
}

/// Handles sign-ins in the stream's order, up to the first that fails: that one comes again, with all that follow.
///
/// *Retried*, and among the dead letters in the end: every call that was not answered well, and mails that SES refuses. *Done at once*: sign-ins
/// and accounts that are gone, devices that are known, mails that are sent or may be.
///
/// # Errors
/// Never: failures are in the answer.
pub async fn handle(context: &Context, event: StreamEvent<SignInChange>) -> anyhow::Result<StreamResponse> {
    let look_at = async |SignInChange { keys: Keys { user_id, entry } }| {
        let (user_id, entry) = (user_id.text, entry.text);
        let looked = look_at(context, &user_id, &entry).await;
        looked.with_context(|| format!("the sign-in {entry} of the account {user_id}"))
    };
    Ok(each_change(event, look_at).await)
}

async fn look_at(context: &Context, user_id: &str, entry: &str) -> anyhow::Result<()> {
    let Context { users, sign_ins, mailer, site_origin } = context;
    if entry == LAST {
        return Ok(());
    }
    let Some(sign_in) = sign_ins.get(user_id, entry).await? else { return Ok(()) };
    if sign_in.outcome != Outcome::SignedIn {
        return Ok(());
    }
    if sign_ins.novelty(user_id, entry, &sign_in.device).await? != Novelty::New {
        return Ok(());
    }
    let account = users.account(user_id).await?;
    let Some(account) = account.filter(|account| account.is_enabled) else { return Ok(()) };
    if !sign_ins.mark_as_mailed(user_id, entry).await? {
        tracing::info!(user_id, entry, "a new device was mailed about before");
        return Ok(());
    }
    match mailer.send(&account.email, SUBJECT, &text(&sign_in, site_origin)).await {
        Ok(()) => tracing::info!(user_id, entry, "a new device is mailed about"),
        Err(MailError::NotSent(error)) => {
            sign_ins.take_mark(user_id, entry).await.context("taking a mark back")?;
            return Err(error);
        }
        Err(MailError::Unknown(error)) => {
            let error = format!("{error:#}");
            tracing::error!(user_id, entry, error, "nobody knows whether a new device was mailed about");
        }
    }
    Ok(())
}

const SUBJECT: &str = "A new device signed in to your account at Matinee";

fn text(sign_in: &SignIn, site_origin: &str) -> String {
    let SignIn { at, address, device, .. } = sign_in;
    let (at, address) = (minute(*at), address.as_deref().unwrap_or("unknown"));
    format!(
        "Somebody signed in to your account at Matinee with a device that had not been seen there before.\n\n\
         Time: {at}\nDevice: {device}\nAddress: {address}\n\n\
         If that was you, there is nothing to do.\n\n\
         If not, somebody knows your password. Change it at {site_origin}/account, which signs out everybody who is signed in to \
         your account, and look at the sign-ins there. If you can't sign in any more, choose another password at \
         {site_origin}/forgot.\n"
    )
}

/// `2026-11-21 18:03 UTC`.
fn minute(at: Timestamp) -> String {
    let text: String = at.to_string().chars().take(16).collect();
    format!("{} UTC", text.replace('T', " "))
}
