#![expect(unused_qualifications, reason = "utoipa writes the query's type out")]

use axum::extract::State;
use http_api::{Forbidden, InvalidRequest, Json, Limit, Page, Problem, Query, Unauthenticated, Unavailable};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{AccountSummary, CurrentAdmin};
use crate::user_pool::UserPool;

/// Which accounts are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// What the e-mail begins with; absent or empty for all.
    #[serde(default)]
    #[param(value_type = String, max_length = 128, required = false)]
    email: EmailPrefix,
    /// The `next_cursor` of the page before; absent for the first one.
    #[param(nullable = false)]
    cursor: Option<String>,
    /// How many accounts at most.
    #[serde(default)]
    #[param(value_type = u8, minimum = 1, maximum = 100, default = 24, required = false)]
    limit: Limit,
}

/// The beginning of an e-mail.
#[derive(Default, Deserialize)]
#[serde(try_from = "String")]
struct EmailPrefix(String);

impl TryFrom<String> for EmailPrefix {
    type Error = &'static str;

    /// It becomes part of a filter, in quotation marks.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let prefix = text.trim();
        let is_plain = prefix.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '"' && c != '\\');
        if is_plain && prefix.chars().count() <= 128 {
            Ok(Self(prefix.to_owned()))
        } else {
            Err("is no beginning of an e-mail")
        }
    }
}

/// Lists accounts, in no particular order. A page may have fewer than were asked for, and 60 at most.
#[utoipa::path(
    get, path = "/admin/accounts", operation_id = "list_accounts", tag = "admin",
    security(("bearer" = [])),
    params(AccountQuery),
    responses(
        (status = 200, description = "A page of accounts.", body = Page<AccountSummary>),
        InvalidRequest, Unauthenticated, Forbidden, Unavailable,
    )
)]
pub(crate) async fn list_accounts(
    State(users): State<UserPool>,
    _admin: CurrentAdmin,
    Query(AccountQuery { email, cursor, limit }): Query<AccountQuery>,
) -> Result<Json<Page<AccountSummary>>, Problem> {
    let (accounts, next_cursor) = users.accounts(&email.0, limit.get(), cursor).await?;
    let items = accounts.into_iter().map(AccountSummary::from).collect();
    Ok(Json(Page { items, next_cursor }))
}
