use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error as _;

use crate::problem::Problem;

/// A JSON body, asked or answered. A wrong one is refused with the path of the field that is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let body = Bytes::from_request(request, state).await.map_err(unreadable_body)?;
        let deserializer = &mut serde_json::Deserializer::from_slice(&body);
        let value = serde_path_to_error::deserialize(&mut *deserializer).map_err(wrong_json)?;
        deserializer
            .end()
            .map_err(|error| Problem::invalid_request(format!("The body is no JSON: {error}.")))?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn unreadable_body(rejection: BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::payload_too_large("The body is larger than any valid one."),
        _ => Problem::invalid_request("The body could not be read."),
    }
}

fn wrong_json(error: serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let error = error.into_inner();
    if !error.is_data() {
        return Problem::invalid_request(format!("The body is no JSON: {error}."));
    }
    // The position is of no use to somebody who has the path, and `.` is the path of the whole body.
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    Problem::invalid_field(if path == "." { "" } else { &path }, message)
}

/// Parameters from the path. What can't be one names nothing, so it is refused with 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_path(rejection)),
        }
    }
}

fn wrong_path(rejection: PathRejection) -> Problem {
    if rejection.status().is_server_error() {
        anyhow::anyhow!("a handler takes other path parameters than its route has: {rejection}").into()
    } else {
        Problem::not_found()
    }
}

/// Parameters from the query string.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(wrong_query(rejection)),
        }
    }
}

fn wrong_query(rejection: QueryRejection) -> Problem {
    // The source reads `<parameter>: <what is wrong>`.
    let detail = rejection.source().map_or_else(|| rejection.to_string(), |source| source.to_string());
    match detail.split_once(": ") {
        Some((field, detail)) => Problem::invalid_field(field, detail),
        None => Problem::invalid_request(detail),
    }
}
