//! Accounts, made as an administrator makes them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::endpoint::Endpoint;
use crate::signed_request;

/// The accounts of a user pool.
///
/// A few calls don't justify the SDK's slowest crate: they are signed and sent by hand.
#[derive(Clone, Debug)]
pub struct People {
    endpoint: Endpoint,
    pool_id: String,
    http: reqwest::Client,
}

impl People {
    /// The people of the pool `pool_id`.
    #[must_use]
    pub fn new(endpoint: &Endpoint, pool_id: &str) -> Self {
        // Tests share it, each with a runtime of its own: a connection that was kept would end with the runtime that opened it.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap_or_default();
        Self { endpoint: endpoint.clone(), pool_id: pool_id.to_owned(), http }
    }

    /// Makes an account with a confirmed address and a password that need not be changed, in the groups given. An
    /// account that exists keeps its id and gets this password.
    ///
    /// # Errors
    /// When the pool refuses.
    pub async fn create(&self, email: &str, password: &str, groups: &[&str]) -> Result<()> {
        let attributes =
            json!([{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]);
        let created = self
            .call(
                "AdminCreateUser",
                email,
                &json!({"UserAttributes": attributes, "MessageAction": "SUPPRESS"}),
            )
            .await;
        if let Err(error) = created
            && !format!("{error:#}").contains("UsernameExistsException")
        {
            return Err(error);
        }
        self.call("AdminSetUserPassword", email, &json!({"Password": password, "Permanent": true})).await?;
        for group in groups {
            self.call("AdminAddUserToGroup", email, &json!({"GroupName": group})).await?;
        }
        Ok(())
    }

    /// Whether there is an account with this e-mail.
    ///
    /// # Errors
    /// When the pool doesn't say.
    pub async fn exists(&self, email: &str) -> Result<bool> {
        match self.call("AdminGetUser", email, &json!({})).await {
            Ok(()) => Ok(true),
            Err(error) if format!("{error:#}").contains("UserNotFoundException") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Disables an account, and nothing else: whoever has a token of it keeps that.
    ///
    /// # Errors
    /// When the pool refuses.
    pub async fn disable(&self, email: &str) -> Result<()> {
        self.call("AdminDisableUser", email, &json!({})).await
    }

    async fn call(&self, action: &str, email: &str, arguments: &Value) -> Result<()> {
        let mut body = json!({"UserPoolId": self.pool_id, "Username": email});
        if let (Some(body), Some(arguments)) = (body.as_object_mut(), arguments.as_object()) {
            body.extend(arguments.clone());
        }
        let body = body.to_string();
        let target = format!("AWSCognitoIdentityProviderService.{action}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        signed_request::post(&self.http, &self.endpoint, "cognito-idp", &headers, body)
            .await
            .with_context(|| format!("{action} for {email}"))?;
        Ok(())
    }
}
