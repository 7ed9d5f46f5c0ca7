//! The OpenAPI document, the code, the template and the events say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{Person, World};
use utoipa::OpenApi as _;

/// The routes that need no session. This is the one list of them.
pub const PUBLIC: [&str; 7] =
    ["get_health", "redeem_code", "refresh_session", "send_code", "sign_in", "sign_out", "sign_up"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The document as the code makes it.
pub fn document() -> Result<Value> {
    let areas = [
        accounts::Document::openapi(),
        uploads::Document::openapi(),
        catalog::Document::openapi(),
        watching::Document::openapi(),
        ingest::dead_letters::Document::openapi(),
        ingest::health::Document::openapi(),
    ];
    Ok(serde_json::to_value(http_api::merge(areas))?)
}

/// Method and path of each operation, by its name.
pub fn operations(document: &Value) -> Result<BTreeMap<String, (String, String)>> {
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().context("a document has paths")? {
        for (method, operation) in item.as_object().context("a path has methods")? {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let before = operations.insert(id.to_owned(), (method.to_uppercase(), path.clone()));
            ensure!(before.is_none(), "two operations are called {id}");
        }
    }
    Ok(operations)
}

#[test]
fn the_checked_in_document_is_that_of_the_code() -> Result<()> {
    let made = serde_json::to_string_pretty(&document()?)? + "\n";
    let path = root().join("web/openapi.json");
    if std::env::var_os("MATINEE_WRITE_OPENAPI").is_some() {
        std::fs::write(&path, &made)?;
    }
    let found = std::fs::read_to_string(&path)?;
    ensure!(found == made, "web/openapi.json is not current; run this test with MATINEE_WRITE_OPENAPI=1");
    Ok(())
}

#[test]
fn operations_that_need_a_session_say_so() -> Result<()> {
    let document = document()?;
    ensure!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "OpenAPI 3.1");
    for (id, (method, path)) in operations(&document)? {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let secured = operation["security"].as_array().is_some_and(|schemes| !schemes.is_empty());
        ensure!(secured != PUBLIC.contains(&id.as_str()), "{id}: secured is {secured}");
        ensure!(operation["summary"].is_string(), "{id} has no summary");
        let statuses = operation["responses"].as_object().context("responses")?;
        ensure!(statuses.contains_key("500"), "{id} does not mention 500");
        ensure!(!secured || statuses.contains_key("401"), "{id} does not mention 401");
    }
    Ok(())
}

#[tokio::test]
async fn the_document_is_served_to_everybody() -> Result<()> {
    let world = World::get().await;
    let served = Person::nobody(&world.site).fetch("/api/openapi.json", "", "").await?;
    assert_eq!((served.status, served.header("content-type")), (200, "application/json"));
    assert_eq!(served.json, document()?);
    Ok(())
}

/// A template as JSON. Its short forms (`!Sub x`) become `{"Sub": x}`.
pub fn template(file: &str) -> Result<Value> {
    let text = std::fs::read_to_string(root().join(file))?;
    without_tags(yaml_serde::from_str(&text).with_context(|| file.to_owned())?)
}

fn without_tags(value: yaml_serde::Value) -> Result<Value> {
    Ok(match value {
        yaml_serde::Value::Tagged(tagged) => {
            let name = tagged.tag.to_string().trim_start_matches('!').to_owned();
            serde_json::json!({ name: without_tags(tagged.value)? })
        }
        yaml_serde::Value::Mapping(mapping) => {
            let mut object = serde_json::Map::new();
            for (key, value) in mapping {
                object.insert(serde_json::from_value(serde_json::to_value(key)?)?, without_tags(value)?);
            }
            Value::Object(object)
        }
        yaml_serde::Value::Sequence(sequence) => {
            Value::Array(sequence.into_iter().map(without_tags).collect::<Result<_>>()?)
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// The functions of the template by their logical ids.
pub fn functions() -> Result<BTreeMap<String, Value>> {
    let template = template("template.yaml")?;
    let resources = template["Resources"].as_object().context("resources")?;
    let functions = resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    Ok(functions.map(|(id, resource)| (id.clone(), resource["Properties"].clone())).collect())
}

fn words(logical_id: &str, separator: char) -> String {
    let mut words = String::new();
    for letter in logical_id.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(separator);
        }
        words.extend(letter.to_lowercase());
    }
    words
}

/// The name of the file with a function's event.
pub fn event_file(logical_id: &str) -> PathBuf {
    root().join("events").join(words(logical_id, '-') + ".json")
}

#[test]
fn every_route_of_the_template_is_an_operation_and_the_other_way_round() -> Result<()> {
    let operations = operations(&document()?)?;
    let mut routes = BTreeMap::new();
    for (logical_id, properties) in functions()? {
        for event in properties["Events"].as_object().into_iter().flat_map(|events| events.values()) {
            if event["Type"] != "HttpApi" {
                continue;
            }
            let event = &event["Properties"];
            let route =
                (event["Method"].as_str().unwrap_or_default(), event["Path"].as_str().unwrap_or_default());
            let name = words(&logical_id, '_');
            if route.0 == "ANY" {
                // All that such a route does is say 405 where the gateway would say 404.
                let path = operations.get(&name).map(|(_, path)| path.as_str());
                ensure!(path == Some(route.1), "{logical_id} takes anything at an address of others");
                ensure!(event["Auth"].is_null(), "{logical_id} tells nobody 405");
                continue;
            }
            let is_public = event["Auth"]["Authorizer"] == "NONE";
            ensure!(is_public == PUBLIC.contains(&name.as_str()), "{logical_id}: public is {is_public}");
            routes.insert(name, (route.0.to_owned(), route.1.to_owned()));
        }
    }
    assert_eq!(routes, operations);
    Ok(())
}

#[test]
fn every_function_has_an_event_a_log_group_and_rights_of_its_own() -> Result<()> {
    let template = template("template.yaml")?;
    let mut events: BTreeSet<_> = std::fs::read_dir(root().join("events"))?
        .map(|entry| Ok(entry?.path().file_name().context("a name")?.to_owned()))
        .collect::<Result<_>>()?;
    for (logical_id, properties) in functions()? {
        ensure!(properties["Handler"] == words(&logical_id, '_'), "{logical_id} is handled by another name");
        let event = event_file(&logical_id);
        ensure!(event.exists(), "{logical_id} has no event");
        events.remove(event.file_name().context("a name")?);
        let group = format!("{logical_id}LogGroup");
        ensure!(
            properties["LoggingConfig"]["LogGroup"]["Ref"] == group.as_str(),
            "{logical_id} logs elsewhere"
        );
        ensure!(
            !template["Resources"][&group]["Properties"]["RetentionInDays"].is_null(),
            "{group} keeps all"
        );
        ensure!(properties.get("Role").is_none(), "{logical_id} shares a role");
        let policies =
            properties["Policies"].as_array().with_context(|| format!("{logical_id} has no rights"))?;
        for policy in policies {
            for statement in policy["Statement"].as_array().context("a policy has statements")? {
                let text = statement.to_string();
                // AWS knows no resource for listing streams, which says nothing of what is in them.
                let nameless = statement["Action"] == "dynamodb:ListStreams";
                let on_all = text.contains(r#""Resource":"*""#);
                ensure!(!on_all || nameless, "{logical_id} has rights on everything: {text}");
                ensure!(!text.contains(":*\""), "{logical_id} may do everything: {text}");
            }
        }
    }
    ensure!(events.is_empty(), "events for no function: {events:?}");
    Ok(())
}

/// Whose errors are summed up is said twice: who they are in the one file, how many they are in the other.
#[test]
fn every_function_is_watched_by_an_alarm() -> Result<()> {
    let (template, alarms) = (template("template.yaml")?, template("infra/alarms.yaml")?);
    let parameters =
        template["Resources"]["Alarms"]["Properties"]["Parameters"].as_object().context("lists")?;
    let mut unwatched: BTreeSet<_> = functions()?.into_keys().collect();
    for (area, joined) in parameters {
        let named: Vec<_> = joined["Join"][1].as_array().into_iter().flatten().collect();
        let watched =
            named.iter().filter(|name| name["Ref"].as_str().is_some_and(|name| unwatched.remove(name)));
        let count = watched.count();
        if count == 0 {
            continue;
        }
        let alarm = &alarms["Resources"][format!("{area}Errors")]["Properties"]["Metrics"];
        // The first adds the others up. CloudWatch takes ten.
        let metrics = alarm.as_array().with_context(|| format!("{area} have no alarm"))?;
        ensure!(
            metrics.len() == count + 1 && count <= 10,
            "the alarm of {area} is not about {count} functions"
        );
        let sum: Vec<_> = (0..count).map(|index| format!("e{index}")).collect();
        assert_eq!(metrics[0]["Expression"], sum.join(" + "), "{area}");
        for (index, metric) in metrics[1..].iter().enumerate() {
            let name = &metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Select"];
            assert_eq!(*name, serde_json::json!([index, {"Ref": area}]), "{area}");
        }
    }
    ensure!(unwatched.is_empty(), "nobody hears when these fail: {unwatched:?}");
    Ok(())
}

#[test]
fn what_template_and_code_both_say_is_the_same() -> Result<()> {
    let template = template("template.yaml")?;
    let deliveries = &template["Resources"]["EncodeQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"];
    assert_eq!(deliveries, ingest::encode_video::DELIVERIES);
    let deliveries = &template["Resources"]["PackageQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"];
    assert_eq!(deliveries, ingest::package_video::DELIVERIES);
    let wheel = |file: &str| -> Result<String> {
        let text = std::fs::read_to_string(root().join(file))?;
        let pinned = text.lines().find_map(|line| line.strip_prefix("imageio-ffmpeg=="));
        Ok(pinned.context("ffmpeg's wheel")?.trim_end_matches([' ', '\\']).to_owned())
    };
    assert_eq!(wheel("layers/ffmpeg/requirements.txt")?, wheel("local/requirements.txt")?);
    Ok(())
}

#[test]
fn areas_depend_on_crates_and_never_on_each_other() -> Result<()> {
    let areas = ["accounts", "uploads", "catalog", "watching", "ingest"];
    for folder in ["crates", "functions"] {
        for entry in std::fs::read_dir(root().join(folder))? {
            let path = entry?.path();
            let manifest = std::fs::read_to_string(path.join("Cargo.toml"))?;
            let own = path.file_name().and_then(|name| name.to_str()).context("a name")?;
            for area in areas.iter().filter(|area| **area != own) {
                let depends = manifest.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(area));
                ensure!(!depends, "{folder}/{own} depends on {area}");
            }
        }
    }
    Ok(())
}
