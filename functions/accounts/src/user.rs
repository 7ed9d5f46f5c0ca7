use http_api::Role;
use serde::Serialize;
use utoipa::ToSchema;

/// A person with an account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    /// Never changes, unlike the e-mail.
    pub id: String,
    #[schema(format = "email")]
    pub email: String,
    /// What they may do. Somebody without a role may watch, and nothing else.
    pub roles: Vec<Role>,
}
