mod administration;
mod registration;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_lc_rs::hmac;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::ProvideErrorMetadata as _;
use aws_sdk_cognitoidentityprovider::operation::admin_initiate_auth::AdminInitiateAuthError;
use aws_sdk_cognitoidentityprovider::operation::admin_initiate_auth::builders::AdminInitiateAuthFluentBuilder;
use aws_sdk_cognitoidentityprovider::primitives::DateTime;
use aws_sdk_cognitoidentityprovider::types::{
    AttributeType, AuthFlowType, AuthenticationResultType, TimeUnitsType, UserPoolClientType, UserStatusType,
};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use cold_start::quick_calls;
use http_api::{Caller, Problem, Role};
use library::Timestamp;
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::refresh_cookie::RefreshCookie;
use crate::user::User;

/// The people who have an account, and the one client of the pool through which they sign in.
#[derive(Clone)]
pub struct UserPool {
    client: Client,
    pool_id: String,
    client_id: String,
    app_client: Arc<OnceCell<AppClient>>,
}

/// What only Cognito knows about the client.
struct AppClient {
    secret: String,
    refresh_token_validity: Duration,
}

/// Tokens that let their holder in for some minutes.
pub(crate) struct Access {
    pub token: String,
    pub expires_in_seconds: u32,
}

/// A session that has just begun.
pub(crate) struct SignedIn {
    pub user: User,
    pub access: Access,
    pub cookie: RefreshCookie,
    pub cookie_validity: Duration,
}

/// An account as Cognito knows it.
#[derive(Debug)]
pub(crate) struct Account {
    pub id: String,
    pub email: String,
    pub created_at: Option<Timestamp>,
    pub is_enabled: bool,
    pub is_unconfirmed: bool,
}

/// Why somebody was not let in.
#[derive(Debug, Error)]
pub(crate) enum AuthError {
    /// No account has this e-mail and password, or the refresh token is not taken any more.
    #[error("the credentials were refused")]
    Refused,
    /// The password is right, and Cognito wants more than that: this is what.
    #[error("Cognito asks for {0}")]
    Challenged(String),
    /// The password breaks the pool's rules.
    #[error("the password was refused")]
    PasswordRefused,
    /// What shall be an e-mail is none to Cognito, whose rules for that it tells nobody.
    #[error("the e-mail was refused")]
    EmailRefused,
    /// Cognito is asked too often.
    #[error("Cognito is asked too often")]
    Throttled,
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What is read of a token's claims. They come from Cognito by TLS, so that no signature is looked at.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default, rename = "cognito:groups")]
    groups: Vec<String>,
}

impl UserPool {
    /// This pool, through this client of it.
    pub fn new(sdk: &SdkConfig, pool_id: impl Into<String>, client_id: impl Into<String>) -> Self {
        let config =
            aws_sdk_cognitoidentityprovider::config::Builder::from(sdk).timeout_config(quick_calls()).build();
        Self {
            client: Client::from_conf(config),
            pool_id: pool_id.into(),
            client_id: client_id.into(),
            app_client: Arc::default(),
        }
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Result<SignedIn, AuthError> {
        let app_client = self.app_client().await?;
        let request = self
            .client
            .admin_initiate_auth()
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", email)
            .auth_parameters("PASSWORD", password)
            .auth_parameters("SECRET_HASH", self.secret_hash(app_client, email));
        let tokens = self.authenticate(request).await?;
        let access = access(&tokens)?;
        let identity = claims(tokens.id_token().context("Cognito gave no id token")?)?;
        let Claims { sub, groups, .. } = claims(&access.token)?;
        let refresh_token = tokens.refresh_token.context("Cognito gave no refresh token")?;
        let email = identity.email.context("Cognito's id token names no e-mail")?;
        let user = User { id: sub.clone(), email, roles: Role::from_claim(&groups.join(" ")) };
        let cookie = RefreshCookie { user_id: sub, refresh_token };
        Ok(SignedIn { user, access, cookie, cookie_validity: app_client.refresh_token_validity })
    }

    pub(crate) async fn refresh(&self, cookie: &RefreshCookie) -> Result<Access, AuthError> {
        let app_client = self.app_client().await?;
        let request = self
            .client
            .admin_initiate_auth()
            .auth_flow(AuthFlowType::RefreshTokenAuth)
            .auth_parameters("REFRESH_TOKEN", &cookie.refresh_token)
            .auth_parameters("SECRET_HASH", self.secret_hash(app_client, &cookie.user_id));
        Ok(access(&self.authenticate(request).await?)?)
    }

    /// Ends the session: neither the refresh token nor an access token made with it is taken by Cognito from now on. A
    /// token that is none, or that has ended already, is no error.
    pub(crate) async fn revoke(&self, cookie: &RefreshCookie) -> anyhow::Result<()> {
        let app_client = self.app_client().await?;
        let revoked = self
            .client
            .revoke_token()
            .client_id(&self.client_id)
            .client_secret(&app_client.secret)
            .token(&cookie.refresh_token)
            .send()
            .await;
        match revoked {
            Err(error)
                if error.as_service_error().is_some_and(|error| {
                    error.is_unauthorized_exception()
                        || error.is_invalid_parameter_exception()
                        || error.is_unsupported_token_type_exception()
                }) =>
            {
                Ok(())
            }
            other => other.map(drop).context("revoking a refresh token"),
        }
    }

    /// The account of this id or e-mail; none when there is none.
    pub(crate) async fn account(&self, username: &str) -> anyhow::Result<Option<Account>> {
        let found = self.client.admin_get_user().user_pool_id(&self.pool_id).username(username).send().await;
        let user = match found {
            Ok(user) => user,
            Err(error) if error.code() == Some("UserNotFoundException") => return Ok(None),
            Err(error) => return Err(error).context("reading an account"),
        };
        Ok(Some(Account {
            id: user.username,
            email: email_of(user.user_attributes.unwrap_or_default())?,
            created_at: timestamp(user.user_create_date),
            is_enabled: user.enabled,
            is_unconfirmed: is_unconfirmed(user.user_status.as_ref()),
        }))
    }

    /// The caller's account.
    ///
    /// # Errors
    /// 401 when it is gone or disabled, which an access token outlives by minutes: where Cognito is asked anyway, that counts at once.
    pub(crate) async fn account_of(&self, caller: &Caller) -> Result<Account, Problem> {
        let account = self.account(&caller.user_id).await?;
        account.filter(|account| account.is_enabled).ok_or_else(Problem::unauthenticated)
    }

    /// Ends all of an account's sessions: no refresh token is taken from now on. Access tokens run out by themselves, within
    /// minutes, because the gateway asks nobody about them. An account that is gone has no sessions.
    pub(crate) async fn end_sessions(&self, username: &str) -> anyhow::Result<()> {
        let request = self.client.admin_user_global_sign_out();
        match request.user_pool_id(&self.pool_id).username(username).send().await {
            Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
            other => other.map(drop).context("ending sessions"),
        }
    }

    /// Closes an account: nobody signs in to it any more, and its sessions end. One that is gone is closed.
    pub(crate) async fn close(&self, user_id: &str) -> anyhow::Result<()> {
        let request = self.client.admin_disable_user().user_pool_id(&self.pool_id).username(user_id);
        match request.send().await {
            Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
            Err(error) => Err(error).context("disabling an account"),
            Ok(_) => self.end_sessions(user_id).await,
        }
    }

    /// Deletes an account's identity. One that is gone stays so.
    pub(crate) async fn delete(&self, user_id: &str) -> anyhow::Result<()> {
        let request = self.client.admin_delete_user().user_pool_id(&self.pool_id).username(user_id);
        match request.send().await {
            Err(error) if error.code() == Some("UserNotFoundException") => Ok(()),
            other => other.map(drop).context("deleting an identity"),
        }
    }

    async fn authenticate(
        &self,
        request: AdminInitiateAuthFluentBuilder,
    ) -> Result<AuthenticationResultType, AuthError> {
        let request = request.user_pool_id(&self.pool_id).client_id(&self.client_id);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                return Err(match error.as_service_error() {
                    Some(refusal) if is_refusal(refusal) => AuthError::Refused,
                    Some(error) if error.is_too_many_requests_exception() => AuthError::Throttled,
                    _ => AuthError::Failed(anyhow::Error::new(error).context("asking Cognito for a session")),
                });
            }
        };
        if let Some(challenge) = answer.challenge_name {
            return Err(AuthError::Challenged(challenge.as_str().to_owned()));
        }
        Ok(answer.authentication_result.context("Cognito gave neither tokens nor a challenge")?)
    }

    /// Base64 of HMAC-SHA-256 with the client's secret over user name and client id, as Cognito defines it.
    fn secret_hash(&self, app_client: &AppClient, username: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, app_client.secret.as_bytes());
        BASE64_STANDARD.encode(hmac::sign(&key, format!("{username}{}", self.client_id).as_bytes()))
    }

    /// Read once in a process: the secret never changes, and is in no environment where it could be seen.
    async fn app_client(&self) -> anyhow::Result<&AppClient> {
        let describe = || async {
            let request = self.client.describe_user_pool_client().user_pool_id(&self.pool_id);
            let answer =
                request.client_id(&self.client_id).send().await.context("reading the pool's client")?;
            AppClient::from_description(answer.user_pool_client.context("the pool has no such client")?)
        };
        self.app_client.get_or_try_init(describe).await
    }
}

impl AppClient {
    fn from_description(description: UserPoolClientType) -> anyhow::Result<Self> {
        let units = description.token_validity_units.and_then(|units| units.refresh_token);
        let unit_s = match units {
            Some(TimeUnitsType::Seconds) => 1,
            Some(TimeUnitsType::Minutes) => 60,
            Some(TimeUnitsType::Hours) => 60 * 60,
            _ => 24 * 60 * 60,
        };
        let validity = u64::try_from(description.refresh_token_validity)?;
        let secret = description.client_secret.context("the pool's client has no secret")?;
        Ok(Self { secret, refresh_token_validity: Duration::from_secs(validity * unit_s) })
    }
}

fn email_of(attributes: Vec<AttributeType>) -> anyhow::Result<String> {
    let email = attributes.into_iter().find(|attribute| attribute.name == "email");
    email.and_then(|email| email.value).context("the account has no e-mail")
}

fn timestamp(time: Option<DateTime>) -> Option<Timestamp> {
    time.and_then(|time| time.to_millis().ok()).map(Timestamp::from_unix_ms)
}

fn is_unconfirmed(status: Option<&UserStatusType>) -> bool {
    status == Some(&UserStatusType::Unconfirmed)
}

/// All of these say the same to the outside: which e-mails have accounts is nobody's business.
fn is_refusal(error: &AdminInitiateAuthError) -> bool {
    error.is_not_authorized_exception()
        || error.is_user_not_found_exception()
        || error.is_user_not_confirmed_exception()
        || error.is_password_reset_required_exception()
}

fn access(tokens: &AuthenticationResultType) -> anyhow::Result<Access> {
    let token = tokens.access_token.clone().context("Cognito gave no access token")?;
    Ok(Access { token, expires_in_seconds: u32::try_from(tokens.expires_in)? })
}

fn claims(token: &str) -> anyhow::Result<Claims> {
    let payload = token.split('.').nth(1).context("a token has no payload")?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).context("a token's payload is no base64")?;
    serde_json::from_slice(&payload).context("a token's payload has other claims")
}
