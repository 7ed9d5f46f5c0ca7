//! Passwords and the codes that Cognito mails.
//!
//! There are two kinds of code: one confirms the e-mail of a new account, the other lets the owner of a confirmed one choose a new
//! password. Which one somebody gets follows from their account, and whoever has a code of either kind says the password with it:
//! so neither asking for a code nor registering tells whether there is an account, and registering with somebody else's e-mail
//! leaves no password behind that its owner doesn't know.

use anyhow::Context as _;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::AttributeType;

use super::{AuthError, UserPool};

/// The group of everybody who has confirmed their e-mail.
const VIEWERS: &str = "viewer";

impl UserPool {
    /// Registers an account that waits for its code. With an e-mail that has an account, its owner gets a code for that.
    pub(crate) async fn sign_up(&self, email: &str, password: &str) -> Result<(), AuthError> {
        let app_client = self.app_client().await?;
        let attribute = AttributeType::builder().name("email").value(email).build();
        let request = self
            .client
            .sign_up()
            .client_id(&self.client_id)
            .secret_hash(self.secret_hash(app_client, email))
            .username(email)
            .password(password)
            .user_attributes(attribute.context("an attribute has a name")?);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("UsernameExistsException") => self.send_code(email).await,
            Err(error) if error.code() == Some("InvalidParameterException") => Err(AuthError::EmailRefused),
            Err(error) => Err(refusal(error, "registering an account")),
        }
    }

    /// Mails the code that this account needs now. Nothing happens if there is none, or if it may have none at present.
    pub(crate) async fn send_code(&self, email: &str) -> Result<(), AuthError> {
        let Some(account) = self.account(email).await? else { return Ok(()) };
        let app_client = self.app_client().await?;
        let secret_hash = self.secret_hash(app_client, email);
        let sent = if account.is_unconfirmed {
            let request = self.client.resend_confirmation_code();
            let request = request.client_id(&self.client_id).secret_hash(secret_hash).username(email);
            request.send().await.map(drop).map_err(|error| refusal(error, "sending a code to confirm"))
        } else {
            let request = self.client.forgot_password();
            let request = request.client_id(&self.client_id).secret_hash(secret_hash).username(email);
            request.send().await.map(drop).map_err(|error| refusal(error, "sending a code to reset"))
        };
        match sent {
            // A disabled account, say, or more codes than Cognito sends in an hour. To say so would be to say that it exists.
            Err(AuthError::Refused) => Ok(()),
            other => other,
        }
    }

    /// Gives the account the password, by a code of either kind, and ends its sessions. A new account is confirmed by it.
    pub(crate) async fn redeem_code(&self, email: &str, code: &str, password: &str) -> Result<(), AuthError> {
        let app_client = self.app_client().await?;
        let confirm = self
            .client
            .confirm_sign_up()
            .client_id(&self.client_id)
            .secret_hash(self.secret_hash(app_client, email))
            .username(email)
            .confirmation_code(code);
        match confirm.send().await.map_err(|error| refusal(error, "confirming an account")) {
            Ok(_) => {
                // Whoever registered may be somebody else than the e-mail's owner, who has the code.
                self.set_password(email, password).await?;
                let join = self.client.admin_add_user_to_group().user_pool_id(&self.pool_id);
                join.username(email).group_name(VIEWERS).send().await.context("making somebody a viewer")?;
            }
            Err(AuthError::Refused) => self.reset_password(email, code, password).await?,
            Err(error) => return Err(error),
        }
        Ok(self.end_sessions(email).await?)
    }

    async fn reset_password(&self, email: &str, code: &str, password: &str) -> Result<(), AuthError> {
        let app_client = self.app_client().await?;
        let request = self
            .client
            .confirm_forgot_password()
            .client_id(&self.client_id)
            .secret_hash(self.secret_hash(app_client, email))
            .username(email)
            .confirmation_code(code)
            .password(password);
        request.send().await.map(drop).map_err(|error| refusal(error, "resetting a password"))
    }

    /// Gives an account a lasting password.
    pub(crate) async fn set_password(&self, username: &str, password: &str) -> Result<(), AuthError> {
        let request = self.client.admin_set_user_password().user_pool_id(&self.pool_id);
        let request = request.username(username).password(password).permanent(true);
        request.send().await.map(drop).map_err(|error| refusal(error, "setting a password"))
    }
}

/// What an error of Cognito means here.
fn refusal<E, R>(error: SdkError<E, R>, doing: &'static str) -> AuthError
where
    SdkError<E, R>: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some(
            "CodeMismatchException"
            | "ExpiredCodeException"
            | "NotAuthorizedException"
            | "UserNotFoundException"
            | "TooManyFailedAttemptsException"
            | "LimitExceededException"
            | "InvalidParameterException"
            | "AliasExistsException",
        ) => AuthError::Refused,
        Some("InvalidPasswordException") => AuthError::PasswordRefused,
        Some("TooManyRequestsException") => AuthError::Throttled,
        _ => AuthError::Failed(anyhow::Error::new(error).context(doing)),
    }
}
