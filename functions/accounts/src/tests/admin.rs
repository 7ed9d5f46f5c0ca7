//! What admins do with accounts, with a pool of a few people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::fake_cognito::{FakeCognito, refused};
use super::{ask, code, event};

const LIST_ACCOUNTS: &str = include_str!("../../../../events/list-accounts.json");
const SET_ROLES: &str = include_str!("../../../../events/set-roles.json");
const DISABLE_ACCOUNT: &str = include_str!("../../../../events/disable-account.json");
const ENABLE_ACCOUNT: &str = include_str!("../../../../events/enable-account.json");

/// Anna is who asks in the events; they are about Bert.
const ANNA: &str = super::COOKIE_USER;
const BERT: &str = "3f0c2d64-a0b1-70a8-1c5d-9e8f7a6b5c4d";

#[derive(Clone)]
struct Person {
    enabled: bool,
    groups: BTreeSet<String>,
}

type People = Arc<Mutex<BTreeMap<String, Person>>>;

/// Anna and Bert are admins, and Bert sings in the choir. `meanwhile` is done to people before each call.
fn pool(
    meanwhile: impl Fn(&str, &mut BTreeMap<String, Person>) + Send + Sync + 'static,
) -> (FakeCognito, People) {
    let person = |groups: &[&str]| Person {
        enabled: true,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    };
    let people = BTreeMap::from([
        (ANNA.to_owned(), person(&["admin"])),
        (BERT.to_owned(), person(&["admin", "choir", "viewer"])),
    ]);
    let people = Arc::new(Mutex::new(people));
    let shared = Arc::clone(&people);
    let cognito = FakeCognito::answering(move |operation, input| {
        let mut people = shared.lock().expect("no test panics meanwhile");
        meanwhile(operation, &mut people);
        let name = input["Username"].as_str().unwrap_or_default();
        let group = input["GroupName"].as_str().unwrap_or_default().to_owned();
        let Some(person) = people.get_mut(name) else {
            return match operation {
                "GetItem" | "ListUsers" => (200, json!({})),
                _ => refused("UserNotFoundException"),
            };
        };
        match operation {
            "AdminGetUser" => {
                let attributes = json!([{ "Name": "email", "Value": format!("{name}@example.com") }]);
                return (
                    200,
                    json!({
                        "Username": name, "UserAttributes": attributes, "UserStatus": "CONFIRMED",
                        "Enabled": person.enabled,
                    }),
                );
            }
            "AdminListGroupsForUser" => {
                let groups: Vec<_> =
                    person.groups.iter().map(|group| json!({ "GroupName": group })).collect();
                return (200, json!({ "Groups": groups }));
            }
            "AdminAddUserToGroup" => drop(person.groups.insert(group)),
            "AdminRemoveUserFromGroup" => drop(person.groups.remove(&group)),
            "AdminDisableUser" => person.enabled = false,
            "AdminEnableUser" => person.enabled = true,
            "AdminUserGlobalSignOut" => {}
            other => panic!("{other} is not asked by admins"),
        }
        (200, json!({}))
    });
    (cognito, people)
}

fn groups_of(people: &People, id: &str) -> Vec<String> {
    let people = people.lock().expect("no test panics meanwhile");
    people[id].groups.iter().cloned().collect()
}

fn is_enabled(people: &People, id: &str) -> bool {
    people.lock().expect("no test panics meanwhile")[id].enabled
}

async fn set_roles(cognito: &FakeCognito, roles: &[&str]) -> (u16, String) {
    let request = event(SET_ROLES, |event| event["body"] = json!(json!({ "roles": roles }).to_string()));
    let (status, _, body) = ask(cognito, request).await;
    (status.as_u16(), code(&body).to_owned())
}

async fn send(cognito: &FakeCognito, text: &str) -> (u16, String) {
    let (status, _, body) = ask(cognito, event(text, |_| ())).await;
    (status.as_u16(), code(&body).to_owned())
}

#[tokio::test]
async fn roles_are_set_as_a_whole_and_other_groups_stay() {
    let (cognito, people) = pool(|_, _| ());
    for _ in 0..2 {
        assert_eq!(set_roles(&cognito, &["publisher", "viewer"]).await, (204, String::new()));
        assert_eq!(groups_of(&people, BERT), ["choir", "publisher", "viewer"]);
    }
    assert_eq!(cognito.asked("AdminAddUserToGroup").len(), 1, "what one has is not given again");
    assert_eq!(set_roles(&cognito, &[]).await.0, 204);
    assert_eq!(groups_of(&people, BERT), ["choir"]);
}

#[tokio::test]
async fn who_is_no_admin_at_cognito_is_none_here_whatever_the_token_says() {
    for (change, status) in [("demoted", 403), ("disabled", 401), ("gone", 401)] {
        let (cognito, people) = pool(|_, _| ());
        {
            let mut people = people.lock().expect("no test panics meanwhile");
            match change {
                "demoted" => people.get_mut(ANNA).expect("Anna").groups.clear(),
                "disabled" => people.get_mut(ANNA).expect("Anna").enabled = false,
                _ => drop(people.remove(ANNA)),
            }
        }
        for text in [LIST_ACCOUNTS, SET_ROLES, DISABLE_ACCOUNT, ENABLE_ACCOUNT] {
            assert_eq!(send(&cognito, text).await.0, status, "{change}");
        }
        assert!(is_enabled(&people, BERT));
        assert!(cognito.asked("ListUsers").is_empty());
    }
}

#[tokio::test]
async fn whoever_loses_their_role_while_they_take_it_from_another_gives_it_back() {
    let lose = |operation: &str, people: &mut BTreeMap<String, Person>| {
        if matches!(operation, "AdminRemoveUserFromGroup" | "AdminDisableUser") {
            people.get_mut(ANNA).expect("Anna").groups.clear();
        }
    };
    let (cognito, people) = pool(lose);
    assert_eq!(set_roles(&cognito, &["viewer"]).await, (409, "not-admin-any-more".to_owned()));
    assert_eq!(groups_of(&people, BERT), ["admin", "choir", "viewer"]);
    let (cognito, people) = pool(lose);
    assert_eq!(send(&cognito, DISABLE_ACCOUNT).await, (409, "not-admin-any-more".to_owned()));
    assert!(is_enabled(&people, BERT));
}

#[tokio::test]
async fn an_account_that_was_disabled_before_is_not_enabled_by_undoing() {
    let (cognito, people) = pool(|operation, people| {
        if operation == "AdminDisableUser" {
            people.get_mut(ANNA).expect("Anna").groups.clear();
        }
    });
    people.lock().expect("no test panics meanwhile").get_mut(BERT).expect("Bert").enabled = false;
    assert_eq!(send(&cognito, DISABLE_ACCOUNT).await.0, 409);
    assert!(!is_enabled(&people, BERT));
}

#[tokio::test]
async fn the_beginning_of_an_email_is_no_place_for_a_filter() {
    let (cognito, _) = pool(|_, _| ());
    let listed = async |query: &str| {
        let request = event(LIST_ACCOUNTS, |event| event["rawQueryString"] = json!(query));
        ask(&cognito, request).await
    };
    for query in ["email=a%22%20or%20%22", "email=a%5C", "email=a%20b", "email=a%0Ab"] {
        let (status, _, body) = listed(query).await;
        assert_eq!((status.as_u16(), &body["errors"][0]["field"]), (400, &json!("email")), "{query}");
    }
    assert_eq!(listed("email=anna%2Bx%40&limit=100&cursor=next").await.0.as_u16(), 200);
    let asked = &cognito.asked("ListUsers")[0];
    assert_eq!(asked["Filter"], "email ^= \"anna+x@\"");
    assert_eq!((&asked["Limit"], &asked["PaginationToken"]), (&json!(60), &json!("next")));
    assert_eq!(listed("").await.0.as_u16(), 200);
    assert_eq!(cognito.asked("ListUsers")[1]["Filter"], Value::Null);
}

/// What all tests of this process log. One that is set for a thread alone can miss lines, because others' threads decide with it which lines
/// anybody wants.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

static LOG: std::sync::LazyLock<Log> = std::sync::LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(lines.finish()).expect("nobody else sets it");
    log
});

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no test panics meanwhile").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_change_leaves_a_line_with_ids_and_without_an_email() {
    let log = &*LOG;
    let (cognito, people) = pool(|_, _| ());
    // Nobody else's lines are about her.
    let clara = "5a1b7c30-0f2e-4d11-9d0a-6b2c1f7e8a90";
    {
        let mut people = people.lock().expect("no test panics meanwhile");
        let anna = people[ANNA].clone();
        people.insert(clara.to_owned(), anna);
    }
    for text in [
        SET_ROLES,
        DISABLE_ACCOUNT,
        ENABLE_ACCOUNT,
        include_str!("../../../../events/end-account-sessions.json"),
    ] {
        let request = event(text, |event| {
            event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(clara);
        });
        assert_eq!(ask(&cognito, request).await.0.as_u16(), 204);
    }
    let written = String::from_utf8(log.0.lock().expect("no test panics meanwhile").clone()).expect("text");
    let lines: Vec<Value> = written.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let changes: Vec<_> = lines.iter().filter(|line| line["admin_id"] == clara).collect();
    let said: Vec<_> = changes.iter().filter_map(|line| line["change"].as_str()).collect();
    assert_eq!(said, ["roles are to be viewer, publisher", "disabled", "enabled", "sessions ended"]);
    for line in changes {
        assert_eq!(line["account_id"], BERT);
        assert!(!line.to_string().contains('@'), "{line}");
    }
}
