use axum::response::IntoResponse;
use http_api::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::sign_ins::SignIn;
use crate::user::User;
use crate::user_pool::{Access, SignedIn};

/// A session that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    /// Goes into `Authorization: Bearer …`. Keep it in memory only.
    access_token: String,
    /// For how long the access token is taken. The session goes on by its cookie.
    expires_in_seconds: u32,
    user: User,
    /// The sign-in before this one; absent for the first one in half a year.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    previous_sign_in: Option<SignIn>,
}

impl Session {
    /// The answer that begins a session, with its cookie.
    pub(crate) fn begun(signed_in: SignedIn, previous_sign_in: Option<SignIn>) -> impl IntoResponse {
        let SignedIn { user, access: Access { token, expires_in_seconds }, cookie, cookie_validity } =
            signed_in;
        let session = Self { access_token: token, expires_in_seconds, user, previous_sign_in };
        (cookie.set(cookie_validity), Json(session))
    }
}
