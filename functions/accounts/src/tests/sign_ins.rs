//! The history of sign-ins, and the budgets of addresses.

use serde_json::{Value, json};

use super::fake_cognito::{FakeCognito, annas_account, annas_tokens, refused};
use super::{annas_cognito, ask, code, event};

const SIGN_IN: &str = include_str!("../../../../events/sign-in.json");
const LIST_SIGN_INS: &str = include_str!("../../../../events/list-sign-ins.json");

/// Signs in from this address, as the CDN tells it if it knows the secret.
async fn sign_in_from(
    cognito: &FakeCognito,
    address: &str,
    secret: &str,
    email: &str,
    password: &str,
) -> (u16, Value) {
    let request = event(SIGN_IN, |event| {
        event["body"] = json!(json!({ "email": email, "password": password }).to_string());
        event["headers"]["x-matinee-viewer-address"] = json!(address);
        event["headers"]["x-matinee-origin-secret"] = json!(secret);
        event["headers"]["user-agent"] =
            json!("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");
    });
    let (status, _, body) = ask(cognito, request).await;
    (status.as_u16(), body)
}

async fn listed(cognito: &FakeCognito, query: &str) -> Value {
    let request = event(LIST_SIGN_INS, |event| {
        event["rawQueryString"] = json!(query);
        event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!("anna-1");
    });
    ask(cognito, request).await.2
}

#[tokio::test]
async fn attempts_are_listed_newest_first_and_the_one_before_is_greeted() {
    let cognito = annas_cognito();
    let (_, first) = sign_in_from(&cognito, "192.0.2.1", "0rigin", "anna@example.com", "right").await;
    assert_eq!(first["previous_sign_in"], Value::Null);
    assert_eq!(sign_in_from(&cognito, "192.0.2.66", "0rigin", "anna@example.com", "wrong").await.0, 401);
    let (_, second) = sign_in_from(&cognito, "192.0.2.2", "0rigin", "anna@example.com", "right").await;
    let before = &second["previous_sign_in"];
    assert_eq!((&before["address"], &before["device"]), (&json!("192.0.2.1"), &json!("Firefox on Linux")));

    let all = listed(&cognito, "").await;
    let seen = |list: &Value| -> Vec<(String, String)> {
        let items = list["items"].as_array().expect("a list").iter();
        items.map(|item| (item["address"].to_string(), item["outcome"].to_string())).collect()
    };
    let text = |address: &str, outcome: &str| (json!(address).to_string(), json!(outcome).to_string());
    let mut expected =
        vec![text("192.0.2.1", "signed-in"), text("192.0.2.66", "refused"), text("192.0.2.2", "signed-in")];
    expected.sort();
    let mut found = seen(&all);
    found.sort();
    assert_eq!(found, expected);

    let mut paged = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let page = listed(&cognito, &query).await;
        paged.extend(seen(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, seen(&all), "page by page");
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused_or_leads_nowhere() {
    let cognito = annas_cognito();
    assert_eq!(listed(&cognito, "cursor=%21").await["errors"][0]["field"], "cursor");
    // "0": before everything.
    assert_eq!(listed(&cognito, "cursor=MA").await, json!({ "items": [] }));
}

#[tokio::test]
async fn as_much_is_written_for_an_email_without_an_account_and_nobody_reads_it() {
    let unknown = FakeCognito::answering(|operation, _| match operation {
        "AdminGetUser" => refused("UserNotFoundException"),
        _ => refused("NotAuthorizedException"),
    });
    let known = annas_cognito();
    for cognito in [&unknown, &known] {
        assert_eq!(sign_in_from(cognito, "192.0.2.1", "0rigin", "who@example.com", "wrong").await.0, 401);
    }
    for operation in ["AdminGetUser", "PutItem", "UpdateItem", "GetItem"] {
        assert_eq!(unknown.asked(operation).len(), known.asked(operation).len(), "{operation}");
    }
    assert_eq!((unknown.noted(), known.noted()), (vec!["nobody".to_owned()], vec!["anna-1".to_owned()]));
}

#[tokio::test]
async fn an_address_has_fifty_wrong_passwords_whatever_the_accounts() {
    let cognito = FakeCognito::answering(|operation, input| match operation {
        "AdminGetUser" => annas_account("CONFIRMED"),
        _ if input["AuthParameters"]["PASSWORD"] == "right" => annas_tokens(),
        _ => refused("NotAuthorizedException"),
    });
    let email = |n: usize| format!("person-{n}@example.com");
    for n in 0..50 {
        assert_eq!(sign_in_from(&cognito, "192.0.2.1", "0rigin", &email(n), "wrong").await.0, 401, "{n}");
        if n < 49 {
            // What is right costs nothing.
            assert_eq!(sign_in_from(&cognito, "192.0.2.1", "0rigin", "me@example.com", "right").await.0, 200);
        }
    }
    let (status, body) = sign_in_from(&cognito, "192.0.2.1", "0rigin", &email(50), "wrong").await;
    assert_eq!((status, code(&body)), (429, "address-locked"));
    assert_eq!(
        sign_in_from(&cognito, "192.0.2.2", "0rigin", &email(51), "wrong").await.0,
        401,
        "another address"
    );
    // Saying another address without the secret is of no use: what counts is who connected.
    for n in 100..150 {
        let said = format!("192.0.2.{n}");
        assert_eq!(sign_in_from(&cognito, &said, "guess", &email(n), "wrong").await.0, 401);
    }
    assert_eq!(sign_in_from(&cognito, "192.0.2.200", "guess", &email(150), "wrong").await.0, 429);
}
