//! Registering viewers of live channels, and their usage, as the protocol has it to the byte.

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::json;
use tests::World;
use uuid::Uuid;

#[tokio::test]
async fn a_registered_viewer_is_answered_nothing_and_has_no_usage_yet() -> Result<()> {
    let person = World::get().await.person("viewer").await?;
    let id = format!("kitchen-{}", Uuid::now_v7().simple());
    for body in [format!("{id}\n"), id.clone(), format!("{id}\r\nand more\n")] {
        let answer = person.request(Method::POST, "/register").body(body).send().await?;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await?, "");
    }
    let usage = person.request(Method::GET, &format!("/usage/{id}")).send().await?;
    assert_eq!(usage.status(), 200);
    assert_eq!(usage.headers()["content-type"], "application/json");
    assert_eq!(usage.text().await?, "{\"sessions\":{}}\n");
    Ok(())
}

#[tokio::test]
async fn what_is_no_id_is_refused_and_so_are_other_methods() -> Result<()> {
    let person = World::get().await.person("viewer").await?;
    for body in ["", "\nanna", "anna bell", "x".repeat(65).as_str()] {
        let answer = person.send(person.request(Method::POST, "/register").body(body.to_owned())).await?;
        assert_eq!(answer.status, 400, "{body:?}");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = person.send(person.request(method.clone(), "/register")).await?;
        assert_eq!(answer.status, 405, "{method}");
    }
    Ok(())
}

#[tokio::test]
async fn with_json_a_viewer_is_given_a_ticket_that_relays_take() -> Result<()> {
    let world = World::get().await;
    let person = world.person("viewer").await?;
    let request = person.request(Method::POST, "/register").header("accept", "application/json");
    let answer = person.send(request.body(person.id.clone())).await?;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.json["user_id"], json!(person.id));
    let ticket = answer.json["ticket"].as_str().context("a ticket")?;
    if let Some(stack) = world.stack() {
        let sdk = stack.sdk_config();
        let table = stack.outputs().get("TicketKeysTable").context("a table of keys")?;
        let keys = ::live::TicketKeys::new(aws_sdk_dynamodb::Client::new(&sdk), table).verifying().await?;
        let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        assert_eq!(keys.verify(ticket, &person.id.parse()?, now_s), Ok(()));
        assert!(keys.verify(ticket, &person.id.parse()?, now_s + 700).is_err());
    }
    Ok(())
}

#[tokio::test]
async fn nobody_takes_the_place_of_another_account() -> Result<()> {
    let world = World::get().await;
    let (person, other) = (world.person("viewer").await?, world.person("viewer").await?);
    let answer = other.send(other.request(Method::POST, "/register").body(person.id.clone())).await?;
    assert_eq!(answer.status, 403);
    let answer = other.get(&format!("/usage/{}", person.id)).await?;
    assert_eq!(answer.status, 403);
    let answer = other.get(&format!("/usage/{}", Uuid::now_v7())).await?;
    assert_eq!(answer.status, 403, "one that nobody has looks the same");
    Ok(())
}
