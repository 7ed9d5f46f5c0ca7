//! What administrators do with accounts.
//!
//! Each operation asks Cognito whether the caller is still an admin: a token says only what was so ten minutes ago, and these are the
//! operations by which somebody who has just been shut out could let themselves in again.
//!
//! The last admin can't vanish. Nobody takes the role of admin from themselves, disables or deletes themselves while they have it; and whoever has done
//! so to somebody else looks afterwards whether they still are an admin, and undoes it if not. So of several who shut each other out at the same
//! moment, the one who was last to do so without undoing it is left.

pub(crate) mod disable_account;
pub(crate) mod enable_account;
pub(crate) mod end_account_sessions;
pub(crate) mod get_account;
pub(crate) mod list_account_sign_ins;
pub(crate) mod list_accounts;
pub(crate) mod set_roles;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use http_api::{Admin, Caller, Problem};
use library::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::user_pool::{Account, UserPool};

/// A caller who is an admin at this moment. Others are refused with 403, and those whose account is disabled with 401.
pub(crate) struct CurrentAdmin(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for CurrentAdmin
where
    UserPool: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Admin(caller) = Admin::from_request_parts(parts, state).await?;
        if UserPool::from_ref(state).is_admin(&caller).await? {
            Ok(Self(caller))
        } else {
            Err(Problem::forbidden("You are no admin any more."))
        }
    }
}

impl CurrentAdmin {
    /// # Errors
    /// 409 when it is the admin's own account.
    fn not_own(&self, account: &Account) -> Result<(), Problem> {
        if self.0.user_id == account.id {
            let detail = "You can't do this to your own account. Another admin can.";
            return Err(Problem::conflict("own-account", "It is your own account", detail));
        }
        Ok(())
    }

    /// # Errors
    /// They are no admin any more: what they have just done to another admin is to be undone.
    async fn is_left(&self, users: &UserPool) -> Result<(), Problem> {
        if users.is_admin(&self.0).await? {
            return Ok(());
        }
        let detail = "Somebody took your role from you at the same moment. Nothing was changed.";
        Err(Problem::conflict("not-admin-any-more", "You are no admin any more", detail))
    }

    /// Leaves the one line in the log that says who does what to whom. It is written before the change, so that there is no change
    /// without its line.
    fn note(&self, account: &Account, change: &str) {
        tracing::info!(
            admin_id = self.0.user_id,
            account_id = account.id,
            change,
            "an admin changes an account"
        );
    }
}

/// An account in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountSummary {
    id: String,
    #[schema(format = "email")]
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_at: Option<Timestamp>,
    /// Whether it can be signed in to, as far as admins are concerned.
    enabled: bool,
    /// Whether its e-mail is known to be its owner's.
    confirmed: bool,
}

impl From<Account> for AccountSummary {
    fn from(account: Account) -> Self {
        let Account { id, email, created_at, is_enabled, is_unconfirmed } = account;
        Self { id, email, created_at, enabled: is_enabled, confirmed: !is_unconfirmed }
    }
}
