//! The crate as an area uses it: a router of its own, asked as Lambda asks.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use lambda_http::request::RequestContext;
use lambda_http::{Context, RequestExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use utoipa::{OpenApi, ToSchema};

use crate::{
    Caller, ETag, IfMatch, InvalidBody, Json, NotFound, Page, PageQuery, Path, Problem, Publisher, Query,
};

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Film {
    title: String,
    reels: Vec<Reel>,
}

#[derive(Deserialize, Serialize, ToSchema)]
struct Reel {
    length_ms: u64,
}

/// Adds a film.
#[utoipa::path(post, path = "/films", operation_id = "add_film", responses((status = 200, body = Film), InvalidBody))]
async fn add_film(Json(film): Json<Film>) -> Json<Film> {
    Json(film)
}

/// Shows a film.
#[utoipa::path(get, path = "/films/{id}", operation_id = "get_film", params(("id" = u64, Path)),
    responses((status = 200, body = u64), NotFound))]
async fn get_film(Path(id): Path<u64>) -> impl IntoResponse {
    (ETag(id), Json(id))
}

/// Changes a film.
#[utoipa::path(patch, path = "/films/{id}", operation_id = "edit_film", params(("id" = u64, Path)),
    responses((status = 204), NotFound))]
async fn edit_film(Path(id): Path<u64>, if_match: IfMatch) -> Result<StatusCode, Problem> {
    if_match.check(ETag(id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists films.
#[utoipa::path(get, path = "/films", operation_id = "list_films", params(PageQuery),
    responses((status = 200, body = Page<usize>)))]
async fn list_films(Query(page): Query<PageQuery>) -> Json<Page<usize>> {
    Json(Page { items: vec![page.limit.get()], next_cursor: page.cursor })
}

async fn whoami(caller: Caller) -> String {
    format!("{} {:?}", caller.user_id, caller.roles)
}

async fn publish(Publisher(caller): Publisher) -> String {
    caller.user_id
}

async fn fail() -> Result<(), Problem> {
    Err(anyhow::anyhow!("the password is hunter2").context("asking somebody").into())
}

fn films() -> Router {
    Router::new()
        .route("/films", axum::routing::post(add_film).get(list_films))
        .route("/films/{id}", axum::routing::get(get_film).patch(edit_film))
}

#[derive(OpenApi)]
#[openapi(paths(add_film, list_films, get_film, edit_film))]
struct Films;

fn app() -> Router {
    crate::app(
        films()
            .route("/whoami", axum::routing::get(whoami))
            .route("/publish", axum::routing::get(publish))
            .route("/fail", axum::routing::get(fail)),
    )
}

async fn ask(request: Request<Body>) -> Response {
    let mut context = Context::default();
    context.request_id = "request-1".to_owned();
    app().oneshot(request.with_lambda_context(context)).await.expect("a router never fails")
}

fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}

fn get(path: &str) -> Request<Body> {
    request("GET", path).body(Body::empty()).expect("it is well-formed")
}

fn post(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let request = request("POST", "/api/films").header("content-type", content_type);
    request.body(body.into()).expect("it is well-formed")
}

fn called_by(claims: Value, request: Request<Body>) -> Request<Body> {
    let context: RequestContext = serde_json::from_value(json!({
        "authorizer": { "jwt": { "claims": claims, "scopes": null } },
        "http": { "method": "GET", "path": "/api", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1" },
        "requestId": "gateway-1", "stage": "api", "timeEpoch": 0,
    }))
    .expect("this is how the gateway writes it");
    request.with_request_context(context)
}

async fn body_of(response: Response) -> Value {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("it is in memory");
    serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into()))
}

/// The problem's code and fields, having checked what all problems share.
async fn problem_of(response: Response, status: u16) -> (String, Value) {
    assert_eq!(response.status().as_u16(), status);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = body_of(response).await;
    assert_eq!(body["status"], status);
    assert_eq!(body["request_id"], "request-1");
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    let code = body["type"].as_str().and_then(|urn| urn.strip_prefix("urn:matinee:problem:"));
    (code.expect("every problem is one of ours").to_owned(), body["errors"].clone())
}

#[tokio::test]
async fn answers_are_not_stored_or_sniffed() {
    let response = ask(get("/api/films/7")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["etag"], "\"7\"");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_and_never_a_redirect() {
    for path in [
        "/",
        "/films",
        "/api",
        "/api/",
        "/api/films/",
        "/api/films/7/reels",
        "/api/films/x",
        "/api/films/%FF",
    ] {
        let (code, _) = problem_of(ask(get(path)).await, 404).await;
        assert_eq!(code, "not-found", "{path}");
    }
}

#[tokio::test]
async fn another_method_is_refused_with_those_that_are_possible() {
    let response = ask(request("DELETE", "/api/films").body(Body::empty()).expect("it is well-formed")).await;
    assert_eq!(response.headers()["allow"], "POST,GET,HEAD");
    assert_eq!(problem_of(response, 405).await.0, "method-not-allowed");
}

#[tokio::test]
async fn a_body_is_read_whatever_the_parameters_of_its_type() {
    let body = json!({ "title": "<Émile & “the” 🎬>", "reels": [{ "length_ms": 1 }] });
    let response = ask(post("application/json; charset=utf-8", body.to_string())).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(body_of(response).await, body);
}

#[tokio::test]
async fn a_wrong_field_is_named_by_its_path() {
    let body = r#"{"title":"a","reels":[{"length_ms":1},{"length_ms":"2"}]}"#;
    let (code, errors) = problem_of(ask(post("application/json", body)).await, 400).await;
    assert_eq!(code, "invalid-request");
    assert_eq!(
        errors,
        json!([{ "field": "reels[1].length_ms", "detail": "invalid type: string \"2\", expected u64" }])
    );
}

#[tokio::test]
async fn a_missing_and_an_unknown_field_are_named() {
    let (_, errors) = problem_of(ask(post("application/json", r#"{"title":"a"}"#)).await, 400).await;
    assert_eq!(errors[0]["detail"], "missing field `reels`");
    let unknown = r#"{"title":"a","reels":[],"colour":1}"#;
    let (_, errors) = problem_of(ask(post("application/json", unknown)).await, 400).await;
    assert_eq!(errors[0]["field"], "colour");
}

#[tokio::test]
async fn what_is_no_json_is_refused() {
    for body in ["", "{", "{}{}", "\u{0}", "[1,"] {
        problem_of(ask(post("application/json", body)).await, 400).await;
    }
    problem_of(ask(post("application/json", vec![b'"', 0xff, b'"'])).await, 400).await;
}

#[tokio::test]
async fn a_body_of_another_type_or_of_none_is_refused() {
    for content_type in ["text/plain", "multipart/form-data", "application/jsonp", ""] {
        let (code, _) = problem_of(ask(post(content_type, "{}")).await, 415).await;
        assert_eq!(code, "unsupported-media-type", "{content_type}");
    }
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let body = format!("\"{}\"", "a".repeat(300_000));
    assert_eq!(problem_of(ask(post("application/json", body)).await, 413).await.0, "payload-too-large");
}

#[tokio::test]
async fn pages_have_24_items_unless_asked_otherwise() {
    assert_eq!(body_of(ask(get("/api/films")).await).await, json!({ "items": [24] }));
    let asked = ask(get("/api/films?limit=100&cursor=abc")).await;
    assert_eq!(body_of(asked).await, json!({ "items": [100], "next_cursor": "abc" }));
}

#[tokio::test]
async fn a_limit_out_of_range_is_named() {
    for limit in ["0", "101", "-1", "many", "", "18446744073709551616"] {
        let (_, errors) = problem_of(ask(get(&format!("/api/films?limit={limit}"))).await, 400).await;
        assert_eq!(errors[0]["field"], "limit", "{limit}");
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_was_read() {
    let edit = |tag: Option<&str>| {
        let request = request("PATCH", "/api/films/7");
        let request = tag.into_iter().fold(request, |request, tag| request.header("if-match", tag));
        ask(request.body(Body::empty()).expect("it is well-formed"))
    };
    assert_eq!(problem_of(edit(None).await, 428).await.0, "precondition-required");
    assert_eq!(problem_of(edit(Some("\"6\"")).await, 412).await.0, "precondition-failed");
    assert_eq!(edit(Some("\"7\"")).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn nobody_gets_in_without_verified_claims() {
    for request in [
        get("/api/whoami"),
        called_by(json!({}), get("/api/whoami")),
        called_by(json!({ "sub": "" }), get("/api/whoami")),
    ] {
        let response = ask(request).await;
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(problem_of(response, 401).await.0, "unauthenticated");
    }
}

#[tokio::test]
async fn a_header_makes_nobody_a_caller() {
    let request = request("GET", "/api/whoami").header("authorization", "Bearer e30.eyJzdWIiOiJhIn0.");
    let response = ask(request.body(Body::empty()).expect("it is well-formed")).await;
    assert_eq!(problem_of(response, 401).await.0, "unauthenticated");
}

#[tokio::test]
async fn the_caller_is_who_the_claims_say() {
    let claims = json!({ "sub": "user-1", "cognito:groups": "[admin viewer]" });
    let response = ask(called_by(claims, get("/api/whoami"))).await;
    assert_eq!(body_of(response).await, "user-1 [Viewer, Admin]");
}

#[tokio::test]
async fn publishing_takes_a_publisher_or_an_admin() {
    for (groups, status) in [("[publisher]", 200), ("[admin]", 200), ("[viewer]", 403)] {
        let claims = json!({ "sub": "user-1", "cognito:groups": groups });
        assert_eq!(ask(called_by(claims, get("/api/publish"))).await.status(), status, "{groups}");
    }
    let response = ask(called_by(json!({ "sub": "user-1" }), get("/api/publish"))).await;
    assert_eq!(problem_of(response, 403).await.0, "forbidden");
}

#[tokio::test]
async fn our_own_faults_tell_nothing() {
    let response = ask(get("/api/fail")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = body_of(response).await;
    assert_eq!(body["type"], "urn:matinee:problem:internal");
    assert!(!body.to_string().contains("hunter2"), "{body}");
}

#[test]
fn the_document_is_complete_and_independent_of_the_order_of_areas() {
    /// Lists people.
    #[utoipa::path(get, path = "/people", operation_id = "list_people", responses((status = 200, body = Page<String>)))]
    #[expect(dead_code, reason = "only its description is looked at")]
    async fn list_people() {}
    #[derive(OpenApi)]
    #[openapi(paths(list_people))]
    struct People;
    let document = |areas: [utoipa::openapi::OpenApi; 2]| {
        serde_json::to_value(crate::merge(areas)).expect("a document serializes")
    };
    let merged = document([Films::openapi(), People::openapi()]);
    assert_eq!(merged.to_string(), document([People::openapi(), Films::openapi()]).to_string());
    assert!(merged["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert_eq!(merged["servers"][0]["url"], "/api");
    let responses = &merged["paths"]["/films/{id}"]["get"]["responses"];
    assert_eq!(responses["404"]["$ref"], "#/components/responses/NotFound");
    assert_eq!(responses["500"]["$ref"], "#/components/responses/Internal");
    let problem = &merged["components"]["responses"]["NotFound"]["content"]["application/problem+json"];
    assert_eq!(problem["schema"]["$ref"], "#/components/schemas/Problem");
    for schema in ["Problem", "FieldError", "Film", "Reel", "Page_usize", "Page_String"] {
        assert!(merged["components"]["schemas"][schema].is_object(), "{schema} is missing");
    }
}
