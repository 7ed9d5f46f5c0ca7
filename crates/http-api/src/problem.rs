use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that was not done, as the answer that says so: problem details after RFC 9457.
///
/// Unexpected errors become one with `?`; they are logged with their whole chain when the answer is made, and the
/// answer is a bare 500.
pub struct Problem(Box<Inner>);

struct Inner {
    details: ProblemDetails,
    headers: HeaderMap,
    cause: Option<anyhow::Error>,
}

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// `urn:matinee:problem:` and a code that a program can compare.
    #[serde(rename = "type")]
    #[schema(example = "urn:matinee:problem:not-found")]
    pub problem_type: String,
    /// What kind of problem it is, always the same for one type.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What happened this time, in a sentence for people.
    pub detail: String,
    /// The request's name in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<String>,
    /// Which parts of the request are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub errors: Vec<FieldError>,
    /// What a program may want to know besides, by a name that goes with the type.
    #[serde(flatten)]
    pub members: BTreeMap<String, serde_json::Value>,
}

/// One wrong part of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a path such as `parts[3].sha256`, or the name of a header or parameter.
    pub field: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let details = ProblemDetails {
            problem_type: format!("urn:matinee:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            request_id: None,
            errors: Vec::new(),
            members: BTreeMap::new(),
        };
        Self(Box::new(Inner { details, headers, cause: None }))
    }

    /// 400 `invalid-request`: the request makes no sense as it is.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-request", "The request is invalid", detail)
    }

    /// 400 `invalid-request`: one part of the request is wrong.
    pub fn invalid_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        let (field, detail) = (field.into(), detail.into());
        let summary = if field.is_empty() { detail.clone() } else { format!("{field}: {detail}") };
        let mut problem = Self::invalid_request(summary);
        problem.0.details.errors.push(FieldError { field, detail });
        problem
    }

    /// 401 `unauthenticated`: nobody is signed in.
    pub fn unauthenticated() -> Self {
        let detail = "Send a valid access token.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Not signed in", detail)
    }

    /// 401 `invalid-credentials`: no account has this e-mail and password. It never says which of the two is wrong.
    pub fn invalid_credentials() -> Self {
        let detail = "The e-mail or the password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, "invalid-credentials", "Sign-in failed", detail)
    }

    /// 401 `session-ended`: there is no session to go on with.
    pub fn session_ended() -> Self {
        let detail = "The session has ended. Sign in again.";
        Self::new(StatusCode::UNAUTHORIZED, "session-ended", "The session has ended", detail)
    }

    /// 403 `forbidden`: the caller is known, and may not do this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 404 `not-found`: there is nothing here, or nothing that the caller may know of.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", "There is nothing at this address.")
    }

    /// 405 `method-not-allowed`: the address exists, for other methods.
    pub fn method_not_allowed(method: &Method) -> Self {
        let detail = format!("{method} is not possible here.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
    }

    /// 409 with a code of the area's own: the state of things does not permit it.
    pub fn conflict(code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, title, detail)
    }

    /// 412 `precondition-failed`: what is to be changed is no longer what the caller has read.
    pub fn precondition_failed() -> Self {
        let detail = "It was changed in the meantime. Read it again.";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", "Changed in the meantime", detail)
    }

    /// 413 `payload-too-large`: the body is larger than any valid one.
    pub fn payload_too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Too large", detail)
    }

    /// 415 `unsupported-media-type`: the body is not JSON.
    pub fn unsupported_media_type() -> Self {
        let detail = "Send the body as application/json.";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            "Unsupported media type",
            detail,
        )
    }

    /// 422 `idempotency-key-reused`: the key came with another request before.
    pub fn idempotency_key_reused() -> Self {
        let detail = "This Idempotency-Key was used for a different request.";
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-key-reused",
            "Idempotency key reused",
            detail,
        )
    }

    /// 428 `precondition-required`: the change would overwrite blindly.
    pub fn precondition_required() -> Self {
        let detail = "Send If-Match with the ETag of what you are changing.";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "precondition-required", "Precondition required", detail)
    }

    /// 429 with a code of the area's own: it was asked for too often. The detail goes on with how long to wait, which is also
    /// in `Retry-After`, in whole seconds.
    pub fn too_many_requests(code: &str, title: &str, detail: &str, wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000);
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let detail = format!("{detail} Try again in {seconds} {unit}.");
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, title, detail);
        if let Ok(seconds) = HeaderValue::try_from(seconds.to_string()) {
            problem.0.headers.insert(RETRY_AFTER, seconds);
        }
        problem
    }

    /// 503 `unavailable`: trying again later may help.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable for the moment", detail)
    }

    /// The same problem, with a header beside it.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.append(name, value);
        self
    }

    /// The same problem, with a member of its own. One that doesn't fit JSON is left out.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: &impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.0.details.members.insert(name.to_owned(), value);
        }
        self
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        self.0.details.status
    }
}

impl From<anyhow::Error> for Problem {
    /// 500 `internal`: our fault. The answer says nothing about the cause.
    fn from(cause: anyhow::Error) -> Self {
        let detail = "Something went wrong on our side. Try again later.";
        let mut problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail);
        problem.0.cause = Some(cause);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { details, headers, cause } = *self.0;
        if let Some(cause) = cause {
            tracing::error!(error = format!("{cause:#}"), "a request failed");
        }
        let status = StatusCode::from_u16(details.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, headers, details.clone().into_body()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        // `app` takes these out again to add the request id.
        response.extensions_mut().insert(details);
        response
    }
}

impl ProblemDetails {
    pub(crate) fn into_body(self) -> Body {
        // Strings and numbers always serialize; an empty body would still have its status.
        Body::from(serde_json::to_vec(&self).unwrap_or_default())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Problem").field(&self.0.details).field(&self.0.cause).finish()
    }
}
