//! What a cold start builds.

use anyhow::Context as _;
use aws_config::SdkConfig;
use axum::extract::FromRef;
use cold_start::required_env;

use crate::attempts::AttemptsTable;
use crate::user_pool::UserPool;

/// What the endpoints work with.
#[derive(Clone)]
pub struct Context {
    users: UserPool,
    attempts: Option<AttemptsTable>,
}

impl Context {
    /// Builds the clients that the function with this handler's name needs, from its environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(sdk: &SdkConfig, handler: &str) -> anyhow::Result<Self> {
        let users = UserPool::new(sdk, required_env("USER_POOL_ID")?, required_env("USER_POOL_CLIENT_ID")?);
        let attempts = match handler {
            "sign_in" => Some(AttemptsTable::new(sdk, required_env("SIGN_IN_ATTEMPTS_TABLE")?)),
            _ => None,
        };
        Ok(Self::new(users, attempts))
    }

    /// These people, and a count of the attempts to sign in for the function that needs it.
    pub fn new(users: UserPool, attempts: Option<AttemptsTable>) -> Self {
        Self { users, attempts }
    }

    /// # Errors
    /// The function's environment names no table: API Gateway routed a request to the wrong function.
    pub(crate) fn attempts(&self) -> anyhow::Result<&AttemptsTable> {
        self.attempts.as_ref().context("this function was not set up to sign anybody in")
    }
}

impl FromRef<Context> for UserPool {
    fn from_ref(context: &Context) -> Self {
        context.users.clone()
    }
}
