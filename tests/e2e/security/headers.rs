//! Every page, asset, answer and refusal comes with the headers that keep browsers from being used against people.

use anyhow::Result;
use tests::{Answer, Person, World};

fn missing(answer: &Answer) -> Vec<&'static str> {
    let policy = answer.header("content-security-policy");
    let says = |directive: &str| policy.split(';').any(|part| part.trim() == directive);
    let checks = [
        ("scripts from elsewhere or inline", says("script-src 'self'")),
        ("styles from elsewhere or inline", says("style-src 'self'")),
        ("plug-ins", says("object-src 'none'")),
        ("another base", says("base-uri 'none'")),
        ("forms to elsewhere", says("form-action 'self'")),
        ("frames around it", says("frame-ancestors 'none'")),
        ("unsafe code", !policy.contains("unsafe") && !policy.contains('*')),
        ("frames around it, in old browsers", answer.header("x-frame-options") == "DENY"),
        ("guessed types", answer.header("x-content-type-options") == "nosniff"),
        ("referrers", answer.header("referrer-policy") == "same-origin"),
        ("cameras", answer.header("permissions-policy").contains("camera=()")),
    ];
    checks.into_iter().filter(|(_, is_kept_out)| !is_kept_out).map(|(what, _)| what).collect()
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_browsers_safe() -> Result<()> {
    let world = World::get().await;
    let nobody = Person::nobody(&world.site);
    let page = nobody.fetch("/", "", "").await?;
    let html = String::from_utf8(page.bytes.clone())?;
    let mut paths: Vec<String> = html
        .split('"')
        .filter(|text| text.starts_with("/assets/") || text.ends_with(".js") || text.ends_with(".svg"))
        .map(ToOwned::to_owned)
        .collect();
    assert!(paths.len() >= 2, "the page names its assets: {html}");
    for path in [
        "/",
        "/sign-in",
        "/uploads",
        "/admin/jobs",
        "/watch/x",
        "/nowhere",
        "/api/me",
        "/api/nowhere",
        "/api/openapi.json",
        "/media/x/original",
        "/posters/x.jpg",
        "/live/x",
    ] {
        paths.push(path.to_owned());
    }
    let mut wrong = Vec::new();
    for path in paths {
        let answer = nobody.fetch(&path, "", "").await?;
        let missing = missing(&answer);
        if !missing.is_empty() {
            wrong.push(format!("{path} ({}) does not keep out: {missing:?}", answer.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
