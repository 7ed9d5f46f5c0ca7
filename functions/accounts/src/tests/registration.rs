//! Registering, codes and new passwords.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::fake_cognito::{FakeCognito, annas_account, annas_tokens, refused};
use super::{ask, code, cookie, event};

const SIGN_UP: &str = include_str!("../../../../events/sign-up.json");
const SEND_CODE: &str = include_str!("../../../../events/send-code.json");
const REDEEM_CODE: &str = include_str!("../../../../events/redeem-code.json");
const CHANGE_PASSWORD: &str = include_str!("../../../../events/change-password.json");
const SIGN_OUT_EVERYWHERE: &str = include_str!("../../../../events/sign-out-everywhere.json");

const GOOD: &str = "correct horse battery";

async fn post(cognito: &FakeCognito, event_text: &str, body: Value) -> (u16, String, Value) {
    let request = event(event_text, |event| event["body"] = json!(body.to_string()));
    let (status, _, body) = ask(cognito, request).await;
    (status.as_u16(), code(&body).to_owned(), body)
}

fn operations(cognito: &FakeCognito, names: &[&str]) -> Vec<usize> {
    names.iter().map(|name| cognito.asked(name).len()).collect()
}

/// Knows Anna, in this state, and answers everything else with nothing.
fn with_anna(status: &'static str) -> FakeCognito {
    FakeCognito::answering(move |operation, _| match operation {
        "SignUp" => refused("UsernameExistsException"),
        "AdminGetUser" => annas_account(status),
        _ => (200, json!({})),
    })
}

/// Knows nobody.
fn with_nobody() -> FakeCognito {
    FakeCognito::answering(|operation, _| match operation {
        "AdminGetUser" => refused("UserNotFoundException"),
        _ => (200, json!({})),
    })
}

#[tokio::test(start_paused = true)]
async fn registering_answers_alike_whether_the_email_has_an_account_or_not() {
    let names = ["SignUp", "ResendConfirmationCode", "ForgotPassword"];
    for (cognito, expected) in [
        (with_nobody(), [1, 0, 0]),
        (with_anna("UNCONFIRMED"), [1, 1, 0]),
        (with_anna("CONFIRMED"), [1, 0, 1]),
    ] {
        let body = json!({ "email": " Anna@example.com ", "password": GOOD });
        assert_eq!(post(&cognito, SIGN_UP, body).await, (202, String::new(), Value::Null));
        assert_eq!(operations(&cognito, &names), expected);
        let asked = &cognito.asked("SignUp")[0];
        assert_eq!(asked["Username"], "Anna@example.com");
        assert!(asked["SecretHash"].is_string(), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_weak_password_is_refused_before_anybody_is_asked() {
    let cognito = with_nobody();
    for password in ["short", "aaaaaaaaaaaaaaa", "my.anna@example.com"] {
        for (event, body) in [
            (SIGN_UP, json!({ "email": "anna@example.com", "password": password })),
            (REDEEM_CODE, json!({ "email": "anna@example.com", "code": "123456", "password": password })),
        ] {
            let (status, _, body) = post(&cognito, event, body).await;
            assert_eq!((status, &body["errors"][0]["field"]), (400, &json!("password")), "{body}");
        }
    }
    assert_eq!(operations(&cognito, &["SignUp", "ConfirmSignUp", "PutItem"]), [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn where_the_operator_makes_the_accounts_nobody_registers() {
    let mut cognito = with_nobody();
    cognito.sign_up_is_closed = true;
    let body = json!({ "email": "anna@example.com", "password": GOOD });
    assert_eq!(post(&cognito, SIGN_UP, body).await.0, 403);
    assert!(cognito.asked("SignUp").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_code_is_the_one_that_the_account_needs_and_nobody_learns_which() {
    let names = ["ResendConfirmationCode", "ForgotPassword"];
    for (cognito, expected) in
        [(with_nobody(), [0, 0]), (with_anna("UNCONFIRMED"), [1, 0]), (with_anna("CONFIRMED"), [0, 1])]
    {
        let answer = post(&cognito, SEND_CODE, json!({ "email": "anna@example.com" })).await;
        assert_eq!(answer, (202, String::new(), Value::Null));
        assert_eq!(operations(&cognito, &names), expected);
    }
    // Cognito sends a few codes in an hour and then says so, for accounts that exist.
    for limit in ["LimitExceededException", "NotAuthorizedException"] {
        let answer =
            post(&FakeCognito::refusing(limit), SEND_CODE, json!({ "email": "anna@example.com" })).await;
        assert_eq!(answer, (202, String::new(), Value::Null), "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_email_gets_five_mails_at_most() {
    for cognito in [with_nobody(), with_anna("CONFIRMED")] {
        for _ in 0..5 {
            assert_eq!(post(&cognito, SEND_CODE, json!({ "email": "anna@example.com" })).await.0, 202);
        }
        let body = json!({ "email": "ANNA@example.com", "password": GOOD });
        let (status, problem, _) = post(&cognito, SIGN_UP, body).await;
        assert_eq!((status, problem.as_str()), (429, "mails-locked"));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_has_the_code_says_the_password_of_a_new_account() {
    let cognito = with_anna("UNCONFIRMED");
    let body = json!({ "email": "anna@example.com", "code": " 123 456", "password": GOOD });
    assert_eq!(post(&cognito, REDEEM_CODE, body).await.0, 204);
    assert_eq!(cognito.asked("ConfirmSignUp")[0]["ConfirmationCode"], "123456");
    assert_eq!(cognito.asked("AdminSetUserPassword")[0]["Password"], GOOD);
    assert_eq!(cognito.asked("AdminAddUserToGroup")[0]["GroupName"], "viewer");
    let names = ["ConfirmForgotPassword", "AdminUserGlobalSignOut"];
    assert_eq!(operations(&cognito, &names), [0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_code_resets_the_password_of_a_confirmed_account_and_ends_its_sessions() {
    let cognito = FakeCognito::answering(|operation, _| match operation {
        "ConfirmSignUp" => refused("NotAuthorizedException"),
        _ => (200, json!({})),
    });
    let body = json!({ "email": "anna@example.com", "code": "654321", "password": GOOD });
    assert_eq!(post(&cognito, REDEEM_CODE, body).await.0, 204);
    let names =
        ["ConfirmForgotPassword", "AdminSetUserPassword", "AdminAddUserToGroup", "AdminUserGlobalSignOut"];
    assert_eq!(operations(&cognito, &names), [1, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn wrong_codes_look_alike_and_the_fifth_locks() {
    for error in
        ["CodeMismatchException", "ExpiredCodeException", "UserNotFoundException", "LimitExceededException"]
    {
        let cognito = FakeCognito::refusing(error);
        for _ in 0..5 {
            let body = json!({ "email": "anna@example.com", "code": "000000", "password": GOOD });
            let (status, problem, _) = post(&cognito, REDEEM_CODE, body).await;
            assert_eq!((status, problem.as_str()), (409, "wrong-code"), "{error}");
        }
        let body = json!({ "email": "anna@example.com", "code": "123456", "password": GOOD });
        let (status, problem, _) = post(&cognito, REDEEM_CODE, body).await;
        assert_eq!((status, problem.as_str()), (429, "codes-locked"), "{error}");
        assert_eq!(operations(&cognito, &["ConfirmSignUp", "AdminUserGlobalSignOut"]), [5, 0]);
    }
}

/// Anna's password is `the old password`, until it is changed.
fn annas_cognito() -> FakeCognito {
    let password = std::sync::Mutex::new("the old password".to_owned());
    FakeCognito::answering(move |operation, input| {
        let mut password = password.lock().expect("no test panics meanwhile");
        match operation {
            "AdminGetUser" => annas_account("CONFIRMED"),
            "AdminSetUserPassword" => {
                *password = input["Password"].as_str().expect("text").to_owned();
                (200, json!({}))
            }
            "AdminInitiateAuth" if input["AuthParameters"]["PASSWORD"] == *password => annas_tokens(),
            "AdminInitiateAuth" => refused("NotAuthorizedException"),
            _ => (200, json!({})),
        }
    })
}

fn change(old: &str, new: &str) -> Value {
    json!({ "old_password": old, "password": new })
}

#[tokio::test(start_paused = true)]
async fn a_change_of_password_needs_the_old_one_and_ends_the_other_sessions() {
    let cognito = annas_cognito();
    let request =
        event(CHANGE_PASSWORD, |event| event["body"] = json!(change("the old password", GOOD).to_string()));
    let (status, headers, body) = ask(&cognito, request).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert!(
        body["access_token"].is_string() && cookie(&headers).is_some(),
        "this session goes on as a new one"
    );
    let names = ["AdminSetUserPassword", "AdminUserGlobalSignOut", "AdminInitiateAuth"];
    assert_eq!(operations(&cognito, &names), [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn guesses_at_the_old_password_lock_the_account() {
    let cognito = annas_cognito();
    for _ in 0..5 {
        let (status, problem, _) = post(&cognito, CHANGE_PASSWORD, change("wrong", GOOD)).await;
        assert_eq!((status, problem.as_str()), (403, "forbidden"));
    }
    let (status, problem, _) = post(&cognito, CHANGE_PASSWORD, change("the old password", GOOD)).await;
    assert_eq!((status, problem.as_str()), (429, "account-locked"));
    assert!(cognito.asked("AdminSetUserPassword").is_empty());
}

#[tokio::test(start_paused = true)]
async fn signing_out_everywhere_ends_all_sessions_and_takes_the_cookie() {
    let cognito = FakeCognito::answering(|_, _| (200, json!({})));
    let (status, headers, _) = ask(&cognito, event(SIGN_OUT_EVERYWHERE, |_| ())).await;
    assert_eq!((status, cookie(&headers)), (StatusCode::NO_CONTENT, Some(super::CLEARED)));
    assert_eq!(cognito.asked("AdminUserGlobalSignOut")[0]["Username"], super::COOKIE_USER);
}

#[tokio::test(start_paused = true)]
async fn what_cognito_takes_for_no_email_is_the_senders_fault() {
    let cognito = FakeCognito::refusing("InvalidParameterException");
    let body = json!({ "email": "anna@home@example.com", "password": GOOD });
    let (status, code, problem) = post(&cognito, SIGN_UP, body).await;
    assert_eq!((status, code.as_str()), (400, "invalid-request"), "{problem}");
    assert_eq!(problem["errors"][0]["field"], "email");
}
