//! What a cold start builds.

use anyhow::Context as _;
use aws_config::SdkConfig;
use axum::extract::FromRef;
use cold_start::required_env;

use crate::attempts::{AttemptsTable, OriginSecret};
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

impl Context {
    /// Builds the clients that the function with this handler's name needs, from its environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig, handler: &str) -> anyhow::Result<Self> {
        let users = UserPool::new(sdk, required_env("USER_POOL_ID")?, required_env("USER_POOL_CLIENT_ID")?);
        let is_guarded =
            matches!(handler, "sign_in" | "sign_up" | "send_code" | "redeem_code" | "change_password");
        let guarded = is_guarded.then(|| Guarded::from_env(sdk)).transpose()?;
        let sign_ins = matches!(handler, "sign_in" | "list_sign_ins")
            .then(|| anyhow::Ok(SignInsTable::new(sdk, required_env("SIGN_INS_TABLE")?)))
            .transpose()?;
        let sign_up_is_open = handler == "sign_up" && required_env("REGISTRATION")? == "open";
        Ok(Self { users, guarded, sign_ins, sign_up_is_open })
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
