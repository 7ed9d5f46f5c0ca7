use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use lambda_http::RequestExt as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// What a person may do, by the Cognito group that they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May watch.
    Viewer,
    /// May upload, and edit what is theirs.
    Publisher,
    /// May edit and delete everything.
    Admin,
}

impl Role {
    /// What it is called everywhere: the name of the Cognito group.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        }
    }

    /// The roles among a user's groups, sorted. Groups that are no role of ours are nobody's business here.
    ///
    /// `claim` is `cognito:groups` as API Gateway renders it (`[admin publisher]`), as JSON, or separated by commas.
    pub fn from_claim(claim: &str) -> Vec<Self> {
        let mut roles: Vec<Self> = claim
            .split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | ',' | '"'))
            .filter_map(|group| match group {
                "viewer" => Some(Self::Viewer),
                "publisher" => Some(Self::Publisher),
                "admin" => Some(Self::Admin),
                _ => None,
            })
            .collect();
        roles.sort();
        roles.dedup();
        roles
    }
}

/// Who sent the request, as API Gateway's authorizer has verified it.
///
/// Without verified claims it refuses with 401, so that a route that lost its authorizer stays shut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Cognito's `sub`: it never changes, unlike the e-mail.
    pub user_id: String,
    /// Sorted.
    pub roles: Vec<Role>,
}

impl Caller {
    /// Whether they may change what belongs to others.
    pub fn is_admin(&self) -> bool {
        self.roles.contains(&Role::Admin)
    }

    /// Whether they may add videos.
    pub fn may_publish(&self) -> bool {
        self.is_admin() || self.roles.contains(&Role::Publisher)
    }

    /// Whether they may change what belongs to `owner_id`.
    pub fn may_edit(&self, owner_id: &str) -> bool {
        self.is_admin() || self.user_id == owner_id
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let context = parts.request_context_ref().ok_or_else(Problem::unauthenticated)?;
        let jwt = context.authorizer().and_then(|authorizer| authorizer.jwt.as_ref());
        let claims = &jwt.ok_or_else(Problem::unauthenticated)?.claims;
        let user_id = claims.get("sub").filter(|sub| !sub.is_empty()).ok_or_else(Problem::unauthenticated)?;
        let roles = claims.get("cognito:groups").map(|claim| Role::from_claim(claim)).unwrap_or_default();
        Ok(Self { user_id: user_id.clone(), roles })
    }
}

/// A caller who may add videos; others are refused with 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher(pub Caller);

impl<S: Sync> FromRequestParts<S> for Publisher {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.may_publish() {
            Ok(Self(caller))
        } else {
            Err(Problem::forbidden("Only publishers may do this."))
        }
    }
}

/// A caller whose token says that they are an admin; others are refused with 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin(pub Caller);

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_admin() { Ok(Self(caller)) } else { Err(Problem::forbidden("Only admins may do this.")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_in_every_form_that_a_gateway_writes() {
        for claim in [
            "[admin publisher]",
            "[publisher, admin]",
            "publisher,admin",
            r#"["admin","publisher"]"#,
            "admin publisher",
        ] {
            assert_eq!(Role::from_claim(claim), [Role::Publisher, Role::Admin], "{claim}");
        }
    }

    #[test]
    fn other_groups_give_no_role() {
        assert_eq!(Role::from_claim("[administrators Admin viewer]"), [Role::Viewer]);
        assert!(Role::from_claim("[]").is_empty());
        assert!(Role::from_claim("").is_empty());
    }
}
