//! Mails about new devices: one for each sign-in at most, whatever fails.

use items::{StreamEvent, StreamResponse};
use serde_json::{Value, json};

use super::fake_cognito::{FakeCognito, annas_account};
use crate::mail_new_device::{SignInChange, handle};

const FIREFOX: &str = "Firefox on Linux";

/// The n-th sign-in of Anna's, which was an hour ago and more.
fn entry(n: i64) -> String {
    let hour_ago = library::Timestamp::now().unix_ms() - 3_600_000;
    format!("{}#0000000{n}", library::Timestamp::from_unix_ms(hour_ago / 60_000 * 60_000 + n * 1_000))
}

fn record(entry: &str) -> StreamEvent<SignInChange> {
    let record = json!({ "dynamodb": {
        "SequenceNumber": format!("number of {entry}"),
        "Keys": { "user_id": { "S": "anna-1" }, "entry": { "S": entry } },
    } });
    serde_json::from_value(json!({ "Records": [record] })).expect("it is an event")
}

/// Anna has signed in with curl, and then with Firefox; SES answers like this.
fn cognito(ses: impl Fn() -> u16 + Send + Sync + 'static) -> (FakeCognito, String) {
    let cognito = FakeCognito::answering(move |operation, _| match operation {
        "AdminGetUser" => annas_account("CONFIRMED"),
        "SendEmail" => (ses(), json!({})),
        other => panic!("{other} is not asked"),
    });
    for (n, device) in [(1, "curl"), (2, FIREFOX)] {
        cognito.note_sign_in("anna-1", &entry(n), device, "signed-in");
    }
    (cognito, entry(2))
}

async fn look(cognito: &FakeCognito, entry: &str) -> StreamResponse {
    handle(&cognito.mail_context(), record(entry)).await.expect("it never fails")
}

#[tokio::test]
async fn a_new_device_is_mailed_about_once_however_often_it_is_told() {
    let (cognito, entry) = cognito(|| 200);
    for _ in 0..3 {
        assert_eq!(look(&cognito, &entry).await, StreamResponse::default());
    }
    let [mail] = &cognito.asked("SendEmail")[..] else { panic!("{:?}", cognito.asked("SendEmail")) };
    assert_eq!(mail["FromEmailAddress"], "matinee@example.com");
    assert_eq!(mail["Destination"]["ToAddresses"], json!(["anna@example.com"]));
    let text = mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().expect("text");
    for part in
        ["Device: Firefox on Linux", "Address: 192.0.2.7", " UTC\n", "https://matinee.example/account"]
    {
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn what_is_known_refused_or_gone_is_not_mailed_about() {
    let (cognito, _) = cognito(|| 200);
    cognito.note_sign_in("anna-1", &entry(3), "curl", "signed-in");
    cognito.note_sign_in("anna-1", &entry(4), "Safari on Mac", "refused");
    for entry in [entry(1), entry(3), entry(4), entry(9), "last".to_owned()] {
        assert_eq!(look(&cognito, &entry).await, StreamResponse::default());
    }
    assert_eq!(cognito.asked("SendEmail"), Vec::<Value>::new());
    // The attempt that was refused has made its device known to nobody.
    cognito.note_sign_in("anna-1", &entry(5), "Safari on Mac", "signed-in");
    look(&cognito, &entry(5)).await;
    assert_eq!(cognito.asked("SendEmail").len(), 1);
}

#[tokio::test]
async fn a_mail_that_is_refused_comes_again_and_one_whose_fate_is_unknown_does_not() {
    let refusals = std::sync::atomic::AtomicUsize::new(0);
    let once_refused = move || match refusals.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => 429,
        _ => 200,
    };
    let (throttled, entry) = cognito(once_refused);
    let first = look(&throttled, &entry).await;
    assert_eq!(first.batch_item_failures[0].item_identifier, format!("number of {entry}"));
    for _ in 0..2 {
        assert_eq!(look(&throttled, &entry).await, StreamResponse::default());
    }
    assert_eq!(throttled.asked("SendEmail").len(), 2, "the one that was refused, and the one that was not");

    let (lost, entry) = cognito(|| 503);
    for _ in 0..2 {
        assert_eq!(look(&lost, &entry).await, StreamResponse::default());
    }
    assert_eq!(lost.asked("SendEmail").len(), 1);
}
