use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use http_api::{
    Conflict, Forbidden, InvalidBody, Json, NotFound, Path, Problem, Role, Unauthenticated, Unavailable,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::CurrentAdmin;
use crate::user_pool::UserPool;

/// All roles that an account is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleSet {
    /// Without any, it may watch. One that is named twice counts once.
    #[schema(value_type = Vec<Role>)]
    roles: BTreeSet<Role>,
}

/// Gives an account these roles and no others. They count from its next access token on, within ten minutes.
///
/// Admins can't take their own role from themselves.
#[utoipa::path(
    put, path = "/admin/accounts/{id}/roles", operation_id = "set_roles", tag = "admin",
    security(("bearer" = [])),
    params(("id" = String, Path, description = "The account.")),
    request_body = RoleSet,
    responses(
        (status = 204, description = "The account has these roles."),
        InvalidBody, Unauthenticated, Forbidden, NotFound, Conflict, Unavailable,
    )
)]
pub(crate) async fn set_roles(
    State(users): State<UserPool>,
    admin: CurrentAdmin,
    Path(id): Path<String>,
    Json(RoleSet { roles }): Json<RoleSet>,
) -> Result<StatusCode, Problem> {
    let account = users.account_with_id(&id).await?;
    if !roles.contains(&Role::Admin) {
        admin.not_own(&account)?;
    }
    let before: BTreeSet<Role> = users.roles(&id).await?.into_iter().collect();
    let (given, taken) = (&roles - &before, &before - &roles);
    admin.note(&account, &format!("roles are to be {}", names(&roles)));
    // Whoever stops here leaves somebody with too much for a moment rather than with nothing, and a repeat does the rest.
    users.give_roles(&id, given).await?;
    users.take_roles(&id, taken.iter().copied()).await?;
    if taken.contains(&Role::Admin)
        && let Err(problem) = admin.is_left(&users).await
    {
        users.give_roles(&id, [Role::Admin]).await?;
        return Err(problem);
    }
    Ok(StatusCode::NO_CONTENT)
}

fn names(roles: &BTreeSet<Role>) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
