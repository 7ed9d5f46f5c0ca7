use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, handler::HandlerWithoutStateExt as _};
use lambda_http::{RequestExt as _, request::RequestContext};
use std::time::Instant;

use crate::problem::{Problem, ProblemDetails};

/// A description of 5,000 characters, each written as an escape, comes to 60 KB; nothing larger is ever sent.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// Answers the requests that Lambda brings until it stops the function.
///
/// # Errors
/// The Lambda runtime API can't be reached.
pub async fn serve(router: Router) -> Result<(), lambda_http::Error> {
    lambda_http::run(app(router)).await
}

/// The router as it is served: under `/api`, every refusal a [`Problem`], answers marked as private.
///
/// The API's stage is named `api`, so that this is where requests arrive on AWS as well as behind the CDN.
pub fn app(router: Router) -> Router {
    let routes = router.method_not_allowed_fallback(method_not_allowed);
    Router::new()
        .nest("/api", routes)
        .fallback_service(not_found.into_service())
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(finish))
}

async fn not_found() -> Problem {
    Problem::not_found()
}

async fn method_not_allowed(method: Method) -> Problem {
    Problem::method_not_allowed(&method)
}

/// Puts the request id into problems, forbids that answers are stored, and leaves one line in the log.
///
/// The line carries the gateway's request id beside our own, since its access log knows only that one.
async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request.lambda_context_ref().map(|context| context.request_id.clone());
    let gateway_request_id = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());

    let mut response = next.run(request).await;
    if let Some(details) = response.extensions_mut().remove::<ProblemDetails>() {
        let details = ProblemDetails { request_id, ..details };
        let (mut parts, _) = response.into_parts();
        // The body has another length now.
        parts.headers.remove(axum::http::header::CONTENT_LENGTH);
        response = Response::from_parts(parts, details.into_body());
    }
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::info!(
        %method,
        path,
        status = response.status().as_u16(),
        duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        gateway_request_id,
        "answered"
    );
    response.into_response()
}
