//! What a cold start builds.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client as DynamoDb;
use axum::extract::FromRef;
use cold_start::{quick_calls, required_env};
use library::{Uploads, Videos};
use live::Viewers;

use crate::attempts::{AttemptsTable, OriginSecret};
use crate::removals::Removals;
use crate::sign_ins::SignInsTable;
use crate::user_pool::UserPool;

/// What the endpoints work with. What a function has no right to, its context doesn't have.
#[derive(Clone)]
pub struct Context {
    /// The people.
    pub users: UserPool,
    /// What only the functions need that let somebody guess.
    pub guarded: Option<Guarded>,
    /// The history of sign-ins.
    pub sign_ins: Option<SignInsTable>,
    /// Where accounts are marked that are to go.
    pub removals: Option<Removals>,
    /// What belongs to accounts elsewhere.
    pub belongings: Option<Belongings>,
    /// Whether people may register themselves.
    pub sign_up_is_open: bool,
}

/// What guesses are counted with.
#[derive(Clone)]
pub struct Guarded {
    /// Where.
    pub attempts: AttemptsTable,
    /// What proves that the CDN says whose they are.
    pub origin_secret: OriginSecret,
}

/// What belongs to accounts elsewhere.
#[derive(Clone)]
pub struct Belongings {
    /// The files that they sent.
    pub uploads: Uploads,
    /// The films that they list.
    pub videos: Videos,
    /// The names under which they watch live channels.
    pub viewers: Viewers,
}

impl Context {
    /// Builds the clients that the function with this handler's name needs, from its environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig, handler: &str) -> anyhow::Result<Self> {
        let users = UserPool::new(sdk, required_env("USER_POOL_ID")?, required_env("USER_POOL_CLIENT_ID")?);
        let is_guarded = matches!(
            handler,
            "sign_in" | "sign_up" | "send_code" | "redeem_code" | "change_password" | "delete_account"
        );
        let guarded = is_guarded.then(|| Guarded::from_env(sdk)).transpose()?;
        let sign_ins = matches!(
            handler,
            "sign_in" | "list_sign_ins" | "export_account" | "get_account" | "list_account_sign_ins"
        )
        .then(|| anyhow::Ok(SignInsTable::new(sdk, required_env("SIGN_INS_TABLE")?)))
        .transpose()?;
        let sign_up_is_open = handler == "sign_up" && required_env("REGISTRATION")? == "open";
        let removals = matches!(handler, "delete_account" | "enable_account")
            .then(|| anyhow::Ok(Removals::new(sdk, required_env("ACCOUNT_REMOVALS_TABLE")?)))
            .transpose()?;
        let belongings = (handler == "export_account").then(|| Belongings::from_env(sdk)).transpose()?;
        Ok(Self { users, guarded, sign_ins, removals, belongings, sign_up_is_open })
    }

    /// # Errors
    /// The function's environment names no table: API Gateway routed a request to the wrong function.
    pub(crate) fn attempts(&self) -> anyhow::Result<&AttemptsTable> {
        let guarded = self.guarded.as_ref().context("this function was not set up to let anybody guess")?;
        Ok(&guarded.attempts)
    }

    /// # Errors
    /// As for [`Context::attempts`].
    pub(crate) fn sign_ins(&self) -> anyhow::Result<&SignInsTable> {
        self.sign_ins.as_ref().context("this function was not given the history of sign-ins")
    }

    /// # Errors
    /// As for [`Context::attempts`].
    pub(crate) fn removals(&self) -> anyhow::Result<&Removals> {
        self.removals.as_ref().context("this function was not set up to remove accounts")
    }

    /// # Errors
    /// As for [`Context::attempts`].
    pub(crate) fn belongings(&self) -> anyhow::Result<&Belongings> {
        self.belongings.as_ref().context("this function was not given what belongs to accounts")
    }
}

impl Belongings {
    fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        let client = DynamoDb::from_conf(config);
        Ok(Self {
            uploads: Uploads::new(
                client.clone(),
                required_env("UPLOADS_TABLE")?,
                required_env("CONTENTS_TABLE")?,
            ),
            videos: Videos::new(client.clone(), required_env("VIDEOS_TABLE")?),
            viewers: Viewers::new(client, required_env("LIVE_VIEWERS_TABLE")?),
        })
    }
}

impl Guarded {
    fn from_env(sdk: &SdkConfig) -> anyhow::Result<Self> {
        Ok(Self {
            attempts: AttemptsTable::new(sdk, required_env("SIGN_IN_ATTEMPTS_TABLE")?),
            origin_secret: OriginSecret::new(&required_env("ORIGIN_SECRET")?),
        })
    }
}

impl FromRef<Context> for UserPool {
    fn from_ref(context: &Context) -> Self {
        context.users.clone()
    }
}

impl FromRef<Context> for Option<OriginSecret> {
    fn from_ref(context: &Context) -> Self {
        context.guarded.as_ref().map(|guarded| guarded.origin_secret.clone())
    }
}
