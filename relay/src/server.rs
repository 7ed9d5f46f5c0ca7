//! Health, readiness and metrics over HTTP, on the second thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use crate::state::State;

/// The routes.
pub(crate) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

/// 200 while the media thread works: a process that fails this is to be replaced.
async fn health(Shared(state): Shared<Arc<State>>) -> Response {
    answer((!state.is_alive()).then_some("the media thread is stuck"))
}

/// 200 while viewers should be sent here.
async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    answer(state.hindrance())
}

fn answer(hindrance: Option<&str>) -> Response {
    match hindrance {
        None => axum::Json(json!({ "status": "ok" })).into_response(),
        Some(reason) => {
            let body = axum::Json(json!({ "status": "unavailable", "reason": reason }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

/// All metrics.
async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    match state.metrics.encode() {
        Ok(text) => {
            let text_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, text_type)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics not encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
