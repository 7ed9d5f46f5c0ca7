//! The area's routes, asked with the events that Lambda brings.

mod admin;
mod fake_cognito;
mod new_device;
mod registration;
mod sign_ins;

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use lambda_http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use fake_cognito::{FakeCognito, annas_account, annas_tokens, refused};

const SIGN_IN: &str = include_str!("../../../../events/sign-in.json");
const REFRESH_SESSION: &str = include_str!("../../../../events/refresh-session.json");
const SIGN_OUT: &str = include_str!("../../../../events/sign-out.json");
const GET_ME: &str = include_str!("../../../../events/get-me.json");

/// The user's id in the events' cookie.
const COOKIE_USER: &str = "7c1e0a52-90f1-70d3-3b1c-5a2f6e3d9b48";

fn event(text: &str, change: impl FnOnce(&mut Value)) -> Request {
    let mut event: Value = serde_json::from_str(text).expect("events are JSON");
    change(&mut event);
    lambda_http::request::from_str(&event.to_string()).expect("events are the gateway's")
}

fn sign_in_with(credentials: Value) -> Request {
    event(SIGN_IN, |event| {
        event["isBase64Encoded"] = json!(false);
        event["body"] = json!(credentials.to_string());
    })
}

async fn ask(cognito: &FakeCognito, request: Request) -> (StatusCode, HeaderMap, Value) {
    let app = http_api::app(crate::router().with_state(cognito.context()));
    let (parts, body) = app.oneshot(request).await.expect("a router never fails").into_parts();
    let body = to_bytes(body, usize::MAX).await.expect("it is in memory");
    (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers.get("set-cookie").map(|value| value.to_str().expect("it is text"))
}

fn code(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|urn| urn.strip_prefix("urn:matinee:problem:")).unwrap_or_default()
}

const CLEARED: &str = "matinee_refresh=; HttpOnly; SameSite=Strict; Secure; Path=/api/session; Max-Age=0";

#[tokio::test]
async fn signing_in_answers_the_access_token_and_hides_the_refresh_token() {
    let cognito = FakeCognito::answering(|_, _| annas_tokens());
    let credentials = json!({ "email": " Anna@example.com ", "password": "correct horse" });
    let (status, headers, body) = ask(&cognito, sign_in_with(credentials)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["expires_in_seconds"], 600);
    let user = json!({ "id": "anna-1", "email": "anna@example.com", "roles": ["publisher", "admin"] });
    assert_eq!(body["user"], user);
    assert!(!body.to_string().contains("re.fresh"), "{body}");
    assert_eq!(
        cookie(&headers),
        Some(
            "matinee_refresh=anna-1.re.fresh; HttpOnly; SameSite=Strict; Secure; Path=/api/session; Max-Age=2592000"
        )
    );
    let asked = &cognito.asked("AdminInitiateAuth")[0];
    assert_eq!(asked["AuthFlow"], "ADMIN_USER_PASSWORD_AUTH");
    // printf Anna@example.comclient-1 | openssl dgst -sha256 -hmac s3cret -binary | base64
    let parameters = json!({
        "USERNAME": "Anna@example.com", "PASSWORD": "correct horse",
        "SECRET_HASH": "aIoLwwdBaMRPSuZEjK4uUTA6rIJzYPFTgx0nlmLlJiQ=",
    });
    assert_eq!(asked["AuthParameters"], parameters);
}

#[tokio::test]
async fn an_unknown_email_and_a_wrong_password_are_told_alike() {
    let mut answers = Vec::new();
    for error in [
        "NotAuthorizedException",
        "UserNotFoundException",
        "UserNotConfirmedException",
        "PasswordResetRequiredException",
    ] {
        let credentials = json!({ "email": "anna@example.com", "password": "x" });
        let (status, headers, body) = ask(&FakeCognito::refusing(error), sign_in_with(credentials)).await;
        assert_eq!((status, code(&body)), (StatusCode::UNAUTHORIZED, "invalid-credentials"));
        answers.push((headers, body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

/// Refuses every password but one.
fn annas_cognito() -> FakeCognito {
    FakeCognito::answering(|operation, input| match input["AuthParameters"]["PASSWORD"].as_str() {
        _ if operation == "AdminGetUser" => annas_account("CONFIRMED"),
        Some("right") => annas_tokens(),
        _ => refused("NotAuthorizedException"),
    })
}

async fn try_password(cognito: &FakeCognito, password: &str) -> (u16, String) {
    let credentials = json!({ "email": "Anna@example.com", "password": password });
    let (status, headers, body) = ask(cognito, sign_in_with(credentials)).await;
    let wait = headers.get("retry-after").map(|seconds| seconds.to_str().expect("text").to_owned());
    assert_eq!(wait.is_some(), status == StatusCode::TOO_MANY_REQUESTS, "{body}");
    (status.as_u16(), wait.unwrap_or_default())
}

#[tokio::test]
async fn the_fifth_wrong_password_locks_for_a_minute_the_right_one_included() {
    let cognito = annas_cognito();
    for _ in 0..5 {
        assert_eq!(try_password(&cognito, "wrong").await.0, 401);
    }
    for password in ["right", "wrong"] {
        let (status, wait) = try_password(&cognito, password).await;
        assert_eq!(status, 429);
        assert!(matches!(wait.parse(), Ok(59..=60)), "{wait}");
    }
    assert_eq!(cognito.asked("AdminInitiateAuth").len(), 5, "Cognito isn't asked meanwhile");
    cognito.let_pass_ms(60_000);
    assert_eq!(try_password(&cognito, "right").await.0, 200);
}

#[tokio::test]
async fn a_right_password_takes_the_count_back() {
    let cognito = annas_cognito();
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(try_password(&cognito, "wrong").await.0, 401);
        }
        assert_eq!(try_password(&cognito, "right").await.0, 200);
    }
}

#[tokio::test]
async fn of_two_hundred_guesses_at_once_five_are_made() {
    let cognito = annas_cognito();
    let guesses = (0..200).map(|_| {
        let cognito = cognito.clone();
        tokio::spawn(async move { try_password(&cognito, "wrong").await.0 })
    });
    let mut answers = std::collections::BTreeMap::new();
    for guess in guesses.collect::<Vec<_>>() {
        *answers.entry(guess.await.expect("no guess panics")).or_insert(0) += 1;
    }
    assert_eq!(answers, [(401, 5), (429, 195)].into());
    assert_eq!(cognito.asked("AdminInitiateAuth").len(), 5);
}

#[tokio::test]
async fn what_cognito_was_too_busy_for_counts_as_a_guess() {
    let cognito = FakeCognito::answering(|_, _| {
        (400, json!({ "__type": "TooManyRequestsException", "message": "later" }))
    });
    for _ in 0..5 {
        assert_eq!(try_password(&cognito, "right").await.0, 503);
    }
    assert_eq!(try_password(&cognito, "right").await.0, 429);
}

#[tokio::test]
async fn a_temporary_password_is_told_apart() {
    let cognito = FakeCognito::answering(|_, _| {
        (200, json!({ "ChallengeName": "NEW_PASSWORD_REQUIRED", "Session": "s", "ChallengeParameters": {} }))
    });
    let credentials = json!({ "email": "anna@example.com", "password": "temporary" });
    let (status, headers, body) = ask(&cognito, sign_in_with(credentials)).await;
    assert_eq!((status, code(&body)), (StatusCode::CONFLICT, "new-password-required"));
    assert_eq!(cookie(&headers), None);
}

#[tokio::test]
async fn what_can_be_no_credentials_never_reaches_cognito() {
    let cognito = FakeCognito::answering(|_, _| annas_tokens());
    for (credentials, field) in [
        (json!({ "email": "anna", "password": "x" }), "email"),
        (json!({ "email": "an na@example.com", "password": "x" }), "email"),
        (json!({ "email": "anna@example.com", "password": "" }), "password"),
        (json!({ "email": "anna@example.com", "password": "x".repeat(257) }), "password"),
        (json!({ "email": "anna@example.com", "password": 7 }), "password"),
        (json!({ "email": "anna@example.com", "password": "x", "redirect": "//evil" }), "redirect"),
    ] {
        let (status, _, body) = ask(&cognito, sign_in_with(credentials)).await;
        assert_eq!((status, body["errors"][0]["field"].as_str()), (StatusCode::BAD_REQUEST, Some(field)));
    }
    assert!(cognito.asked("AdminInitiateAuth").is_empty());
}

#[tokio::test]
async fn a_busy_cognito_is_told_as_such_and_a_broken_one_as_our_fault() {
    for (error, status, expected) in [
        ("TooManyRequestsException", 503, "unavailable"),
        ("InvalidParameterException", 500, "internal"),
        ("InternalErrorException", 500, "internal"),
    ] {
        let credentials = json!({ "email": "anna@example.com", "password": "x" });
        let (found, _, body) = ask(&FakeCognito::refusing(error), sign_in_with(credentials)).await;
        assert_eq!((found.as_u16(), code(&body)), (status, expected), "{error}");
        assert!(!body.to_string().contains(error), "{body}");
    }
}

#[tokio::test]
async fn a_session_goes_on_by_its_cookie_wherever_the_gateway_puts_it() {
    let cognito = FakeCognito::answering(|_, _| annas_tokens());
    let in_a_header = event(REFRESH_SESSION, |event| {
        event["headers"]["cookie"] = event["cookies"][0].take();
        event.as_object_mut().expect("it is an object").remove("cookies");
    });
    for request in [event(REFRESH_SESSION, |_| ()), in_a_header] {
        let (status, headers, body) = ask(&cognito, request).await;
        assert_eq!((status, &body["expires_in_seconds"]), (StatusCode::OK, &json!(600)), "{body}");
        assert_eq!(cookie(&headers), None);
    }
    let asked = cognito.asked("AdminInitiateAuth");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0]["AuthFlow"], "REFRESH_TOKEN_AUTH");
    assert!(
        asked[0]["AuthParameters"]["REFRESH_TOKEN"].as_str().is_some_and(|token| token.starts_with("eyJ"))
    );
}

#[tokio::test]
async fn a_refused_token_ends_the_session_and_takes_the_cookie() {
    for error in ["NotAuthorizedException", "UserNotFoundException"] {
        let (status, headers, body) =
            ask(&FakeCognito::refusing(error), event(REFRESH_SESSION, |_| ())).await;
        assert_eq!((status, code(&body)), (StatusCode::UNAUTHORIZED, "session-ended"));
        assert_eq!(cookie(&headers), Some(CLEARED));
    }
}

#[tokio::test]
async fn an_outage_ends_no_session() {
    let (status, headers, _) =
        ask(&FakeCognito::refusing("InternalErrorException"), event(REFRESH_SESSION, |_| ())).await;
    assert_eq!((status, cookie(&headers)), (StatusCode::INTERNAL_SERVER_ERROR, None));
}

#[tokio::test]
async fn without_a_cookie_there_is_no_session_to_go_on_with() {
    let cognito = FakeCognito::answering(|_, _| annas_tokens());
    let (status, headers, body) =
        ask(&cognito, event(REFRESH_SESSION, |event| event["cookies"] = json!([]))).await;
    assert_eq!((status, code(&body)), (StatusCode::UNAUTHORIZED, "session-ended"));
    // Another site's form brings no cookie, and a browser would take this answer's word for it.
    assert_eq!(cookie(&headers), None);
    assert!(cognito.asked("AdminInitiateAuth").is_empty());
}

#[tokio::test]
async fn another_sites_page_neither_goes_on_with_a_session_nor_ends_it() {
    for (text, operation) in [(REFRESH_SESSION, "AdminInitiateAuth"), (SIGN_OUT, "RevokeToken")] {
        for (header, site, allowed) in [
            ("sec-fetch-site", "same-origin", true),
            ("sec-fetch-site", "same-site", false),
            ("origin", "https://films.example", true),
            ("origin", "https://evil.example", false),
        ] {
            let cognito = FakeCognito::answering(|_, _| annas_tokens());
            let request = event(text, |event| {
                event["headers"]["x-matinee-viewer-host"] = json!("films.example");
                event["headers"][header] = json!(site);
            });
            let (status, headers, body) = ask(&cognito, request).await;
            assert_eq!(cognito.asked(operation).len(), usize::from(allowed), "{operation} {site}");
            if allowed {
                assert!(status.is_success(), "{operation}: {body}");
            } else {
                assert_eq!((status, code(&body)), (StatusCode::FORBIDDEN, "forbidden"), "{operation} {site}");
                assert_eq!(cookie(&headers), None, "{operation} {site}");
            }
        }
    }
}

#[tokio::test]
async fn signing_out_revokes_the_token_and_takes_the_cookie() {
    let cognito = FakeCognito::answering(|_, _| (200, json!({})));
    let (status, headers, _) = ask(&cognito, event(SIGN_OUT, |_| ())).await;
    assert_eq!((status, cookie(&headers)), (StatusCode::NO_CONTENT, Some(CLEARED)));
    let asked = &cognito.asked("RevokeToken")[0];
    assert_eq!(asked["ClientSecret"], "s3cret");
    assert!(!asked["Token"].as_str().expect("it is text").contains(COOKIE_USER));
}

#[tokio::test]
async fn signing_out_of_no_session_is_done_at_once() {
    let cognito = FakeCognito::refusing("UnauthorizedException");
    for cookies in [json!([]), json!(["matinee_refresh=nonsense"]), json!(["matinee_refresh=u.dead"])] {
        let (status, headers, _) = ask(&cognito, event(SIGN_OUT, |event| event["cookies"] = cookies)).await;
        assert_eq!((status, cookie(&headers)), (StatusCode::NO_CONTENT, Some(CLEARED)));
    }
    assert_eq!(cognito.asked("RevokeToken").len(), 1);
}

#[tokio::test]
async fn a_session_that_could_not_be_revoked_is_told_and_the_cookie_taken_all_the_same() {
    let (status, headers, _) =
        ask(&FakeCognito::refusing("InternalErrorException"), event(SIGN_OUT, |_| ())).await;
    assert_eq!((status, cookie(&headers)), (StatusCode::INTERNAL_SERVER_ERROR, Some(CLEARED)));
}

#[tokio::test]
async fn the_caller_learns_who_they_are() {
    let cognito = FakeCognito::answering(|_, input| {
        let attributes =
            json!([{ "Name": "sub", "Value": "x" }, { "Name": "email", "Value": "anna@example.com" }]);
        (200, json!({ "Username": input["Username"], "UserAttributes": attributes, "Enabled": true }))
    });
    let (status, _, body) = ask(&cognito, event(GET_ME, |_| ())).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let asked = &cognito.asked("AdminGetUser")[0];
    assert_eq!(body["email"], "anna@example.com");
    assert_eq!(body["id"], asked["Username"]);
    assert!(body["roles"].is_array());
}

#[tokio::test]
async fn an_account_that_is_disabled_is_nobody_where_cognito_is_asked() {
    let disabled = || {
        FakeCognito::answering(|_, _| {
            let (status, mut account) = annas_account("CONFIRMED");
            account["Enabled"] = json!(false);
            (status, account)
        })
    };
    assert_eq!(ask(&disabled(), event(GET_ME, |_| ())).await.0, StatusCode::UNAUTHORIZED);
    let cognito = disabled();
    let deletion = event(include_str!("../../../../events/delete-account.json"), |event| {
        event["body"] = json!(json!({ "password": "right" }).to_string());
    });
    assert_eq!(ask(&cognito, deletion).await.0, StatusCode::UNAUTHORIZED);
    assert!(cognito.asked("AdminInitiateAuth").is_empty(), "no password is tried");
}

#[tokio::test]
async fn an_account_that_is_gone_is_nobody() {
    let (status, _, body) = ask(&FakeCognito::refusing("UserNotFoundException"), event(GET_ME, |_| ())).await;
    assert_eq!((status, code(&body)), (StatusCode::UNAUTHORIZED, "unauthenticated"));
}

#[test]
fn the_document_names_every_operation_by_its_module() {
    let document = serde_json::to_value(http_api::merge([<crate::Document as utoipa::OpenApi>::openapi()]))
        .expect("it serializes");
    let operation = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(operation("/session", "post"), "sign_in");
    assert_eq!(operation("/session", "delete"), "sign_out");
    assert_eq!(operation("/session/refresh", "post"), "refresh_session");
    assert_eq!(operation("/me", "get"), "get_me");
    assert_eq!(document["components"]["schemas"]["Credentials"]["properties"]["email"]["type"], "string");
}
