use axum::extract::State;
use http_api::{Forbidden, Json, NotFound, Path, Problem, Role, Unauthenticated, Unavailable};
use library::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{AccountSummary, CurrentAdmin};
use crate::Context;
use crate::sign_ins::SignIn;
use crate::user_pool::UserPool;

/// An account as an admin sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ManagedAccount {
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
    roles: Vec<Role>,
    /// The last sign-in that succeeded; absent if there was none in the last 180 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_sign_in: Option<SignIn>,
}

/// Answers an account, with its roles and its last sign-in.
#[utoipa::path(
    get, path = "/admin/accounts/{id}", operation_id = "get_account", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account.")),
    responses(
        (status = 200, description = "The account.", body = ManagedAccount),
        Unauthenticated, Forbidden, NotFound, Unavailable,
    )
)]
pub(crate) async fn get_account(
    State(context): State<Context>,
    State(users): State<UserPool>,
    _: CurrentAdmin,
    Path(id): Path<String>,
) -> Result<Json<ManagedAccount>, Problem> {
    let AccountSummary { id, email, created_at, enabled, confirmed } =
        users.account_with_id(&id).await?.into();
    let last_sign_in = async { Ok(context.sign_ins()?.last(&id).await?) };
    let (roles, last_sign_in) = tokio::try_join!(users.roles(&id), last_sign_in)?;
    Ok(Json(ManagedAccount { id, email, created_at, enabled, confirmed, roles, last_sign_in }))
}
