//! Accounts as administrators see and change them.

use anyhow::Context as _;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::UserType;
use http_api::{Caller, Problem, Role};

use super::{Account, UserPool, email_of, is_unconfirmed, timestamp};

/// The most that Cognito lists at once.
const ACCOUNTS_PER_PAGE: usize = 60;

impl UserPool {
    /// The account with this id.
    ///
    /// # Errors
    /// 404 when there is none. An e-mail is no id here, although Cognito takes both: what one may not do to one's own account
    /// is found out by comparing ids.
    pub(crate) async fn account_with_id(&self, id: &str) -> Result<Account, Problem> {
        let may_be_id = (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let account = if may_be_id { self.account(id).await? } else { None };
        account.filter(|account| account.id == id).ok_or_else(Problem::not_found)
    }

    /// A page of the accounts whose e-mail begins like this, in no particular order, and the cursor of the next.
    ///
    /// # Errors
    /// 400 for a cursor that is none.
    pub(crate) async fn accounts(
        &self,
        email_prefix: &str,
        limit: usize,
        cursor: Option<String>,
    ) -> Result<(Vec<Account>, Option<String>), Problem> {
        let request = self.client.list_users().user_pool_id(&self.pool_id).set_pagination_token(cursor);
        let request = request.limit(i32::try_from(limit.min(ACCOUNTS_PER_PAGE)).unwrap_or(1));
        let request = match email_prefix {
            "" => request,
            // The prefix has neither quotation marks nor backslashes: see `EmailPrefix`.
            prefix => request.filter(format!("email ^= \"{prefix}\"")),
        };
        let page = match request.send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("InvalidParameterException") => {
                return Err(Problem::invalid_field("cursor", "is not one that a page has given"));
            }
            Err(error) => return Err(failed(error, "listing accounts")),
        };
        let accounts = page.users.unwrap_or_default().into_iter().map(Account::try_from);
        Ok((accounts.collect::<anyhow::Result<_>>()?, page.pagination_token))
    }

    /// The roles of an account, sorted; none if it is gone.
    pub(crate) async fn roles(&self, id: &str) -> Result<Vec<Role>, Problem> {
        let request = self.client.admin_list_groups_for_user().user_pool_id(&self.pool_id).username(id);
        let mut pages = request.into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(group) = pages.next().await {
            match group {
                Ok(group) => names.extend(group.group_name),
                Err(error) if error.code() == Some("UserNotFoundException") => return Ok(Vec::new()),
                Err(error) => return Err(failed(error, "reading somebody's groups")),
            }
        }
        Ok(Role::from_claim(&names.join(" ")))
    }

    /// Gives these roles to an account. One that it has stays.
    pub(crate) async fn give_roles(
        &self,
        id: &str,
        roles: impl IntoIterator<Item = Role>,
    ) -> Result<(), Problem> {
        for role in roles {
            let request = self.client.admin_add_user_to_group().user_pool_id(&self.pool_id).username(id);
            let sent = request.group_name(role.name()).send().await;
            sent.map_err(|error| failed(error, "giving a role"))?;
        }
        Ok(())
    }

    /// Takes these roles from an account. One that it hasn't is taken.
    pub(crate) async fn take_roles(
        &self,
        id: &str,
        roles: impl IntoIterator<Item = Role>,
    ) -> Result<(), Problem> {
        for role in roles {
            let request = self.client.admin_remove_user_from_group().user_pool_id(&self.pool_id).username(id);
            let sent = request.group_name(role.name()).send().await;
            sent.map_err(|error| failed(error, "taking a role"))?;
        }
        Ok(())
    }

    /// Lets an account be signed in to again.
    pub(crate) async fn open(&self, id: &str) -> Result<(), Problem> {
        let request = self.client.admin_enable_user().user_pool_id(&self.pool_id).username(id);
        request.send().await.map(drop).map_err(|error| failed(error, "enabling an account"))
    }

    /// Whether the caller is an admin at this moment, whatever their token says.
    ///
    /// # Errors
    /// 401 when their account is gone or disabled.
    pub(crate) async fn is_admin(&self, caller: &Caller) -> Result<bool, Problem> {
        let (_, roles) = tokio::try_join!(self.account_of(caller), self.roles(&caller.user_id))?;
        Ok(roles.contains(&Role::Admin))
    }
}

impl TryFrom<UserType> for Account {
    type Error = anyhow::Error;

    fn try_from(user: UserType) -> anyhow::Result<Self> {
        Ok(Self {
            email: email_of(user.attributes.unwrap_or_default())?,
            id: user.username.context("an account has no name")?,
            created_at: timestamp(user.user_create_date),
            is_enabled: user.enabled,
            is_unconfirmed: is_unconfirmed(user.user_status.as_ref()),
        })
    }
}

/// Cognito takes some tens of administrative calls a second; whoever gets there may try again.
fn failed<E, R>(error: SdkError<E, R>, doing: &'static str) -> Problem
where
    SdkError<E, R>: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match error.code() {
        Some("TooManyRequestsException") => {
            Problem::unavailable("Too much is asked about accounts. Try again in a moment.")
        }
        Some("UserNotFoundException") => Problem::not_found(),
        _ => anyhow::Error::new(error).context(doing).into(),
    }
}
