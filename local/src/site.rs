//! The pages on their way into the web bucket.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;

/// Puts the built pages of `web` into `bucket`, each file under its path, and the API's description beside them.
/// What is not among them any more is deleted.
///
/// # Errors
/// When a file cannot be read or the bucket refuses it.
pub async fn upload(s3: &Client, bucket: &str, web: &Path) -> Result<()> {
    let built = web.join("dist");
    let mut objects = Vec::new();
    for file in files(&built)? {
        objects.push((file.strip_prefix(&built)?.to_string_lossy().into_owned(), file));
    }
    objects.push(("api/openapi.json".to_owned(), web.join("openapi.json")));
    let mut kept = BTreeSet::new();
    for (key, file) in objects {
        let content =
            ByteStream::from_path(&file).await.with_context(|| format!("reading {}", file.display()))?;
        s3.put_object()
            .bucket(bucket)
            .key(&key)
            .content_type(content_type(&key))
            .cache_control(cache_control(&key))
            .body(content)
            .send()
            .await
            .with_context(|| format!("uploading {key}"))?;
        kept.insert(key);
    }
    let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().send();
    while let Some(page) = pages.next().await {
        for key in page?.contents().iter().filter_map(|object| object.key()) {
            if !kept.contains(key) {
                s3.delete_object()
                    .bucket(bucket)
                    .key(key)
                    .send()
                    .await
                    .with_context(|| format!("deleting {key}"))?;
            }
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

fn content_type(key: &str) -> String {
    let guess = mime_guess::from_path(key).first_or_octet_stream();
    match guess.type_().as_str() {
        "text" => format!("{guess}; charset=utf-8"),
        _ => guess.to_string(),
    }
}

/// Vite puts the hash of the content into the names below `assets/`; everything else may change.
fn cache_control(key: &str) -> &'static str {
    if key.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}
