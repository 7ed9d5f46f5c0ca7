//! Buckets: objects, the parts of what is not complete yet, and S3's rules about both.

mod multipart;

use std::collections::BTreeMap;
use std::time::SystemTime;

use aws_lc_rs::digest;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::xml::{self, element};
use super::{Answer, Request};

/// Status and code of a refusal.
type Refusal = (u16, &'static str);
type Outcome = Result<Answer, Refusal>;

const NO_SUCH_BUCKET: Refusal = (404, "NoSuchBucket");
const NO_SUCH_KEY: Refusal = (404, "NoSuchKey");
const NO_SUCH_UPLOAD: Refusal = (404, "NoSuchUpload");
const NOT_IMPLEMENTED: Refusal = (501, "NotImplemented");

#[derive(Default)]
pub struct S3 {
    buckets: BTreeMap<String, Bucket>,
    /// Of the last multipart upload that was begun.
    upload_number: u64,
}

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    /// By their ids.
    uploads: BTreeMap<String, multipart::Upload>,
}

/// What comes with a body and is told with it again.
#[derive(Clone, Default)]
struct Labels {
    content_type: Option<String>,
    cache_control: Option<String>,
}

impl Labels {
    fn of(request: &Request) -> Self {
        let text = |name| request.header(name).map(ToOwned::to_owned);
        Self { content_type: text("content-type"), cache_control: text("cache-control") }
    }
}

struct Object {
    body: Bytes,
    etag: String,
    labels: Labels,
    checksum: Option<Checksum>,
    modified: SystemTime,
}

/// A checksum in the base64 that S3 tells, with the number of parts if it is a composite. Only SHA-256 is looked at; the SDK's own CRC32 is
/// kept and told.
#[derive(Clone, PartialEq, Eq)]
struct Checksum {
    algorithm: Algorithm,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Algorithm {
    Sha256,
    Crc32,
}

impl Algorithm {
    const fn header(self) -> &'static str {
        match self {
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Crc32 => "x-amz-checksum-crc32",
        }
    }

    const fn element(self) -> &'static str {
        match self {
            Self::Sha256 => "ChecksumSHA256",
            Self::Crc32 => "ChecksumCRC32",
        }
    }
}

impl Checksum {
    /// The one that came with a body, which it must be of.
    fn sent(request: &Request) -> Result<Option<Self>, Refusal> {
        let sent = [Algorithm::Sha256, Algorithm::Crc32].into_iter().find_map(|algorithm| {
            let value = request.header(algorithm.header())?.to_owned();
            Some(Self { algorithm, value })
        });
        let is_wrong = sent.as_ref().is_some_and(|sent| {
            sent.algorithm == Algorithm::Sha256 && sent.value != STANDARD.encode(sha256(&request.body))
        });
        if is_wrong { Err((400, "BadDigest")) } else { Ok(sent) }
    }
}

fn sha256(bytes: &[u8]) -> digest::Digest {
    digest::digest(&digest::SHA256, bytes)
}

/// It says nothing but whether two bodies are the same.
fn etag(bytes: &[u8]) -> String {
    sha256(bytes).as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn time(time: SystemTime, format: Format) -> String {
    DateTime::from(time).fmt(format).unwrap_or_default()
}

fn document(name: &str, body: &str) -> Answer {
    let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{name}>{body}</{name}>");
    Answer::new(200, xml).with("content-type", "application/xml")
}

impl S3 {
    pub fn answer(&mut self, request: &Request) -> Answer {
        self.outcome(request).unwrap_or_else(|(status, code)| {
            // An answer to HEAD has no body.
            match &*request.method {
                "HEAD" => Answer::new(status, ""),
                _ => Answer { status, ..document("Error", &element("Code", code)) },
            }
        })
    }

    fn outcome(&mut self, request: &Request) -> Outcome {
        let path = request.path.strip_prefix('/').unwrap_or(&request.path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if request.header("content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked")) {
            return Err(NOT_IMPLEMENTED);
        }
        let has = |name| request.query.contains_key(name);
        if request.method == "PUT" && key.is_empty() {
            self.buckets.entry(bucket.to_owned()).or_default();
            return Ok(Answer::new(200, ""));
        }
        let bucket = self.buckets.get_mut(bucket).ok_or(NO_SUCH_BUCKET)?;
        match (&*request.method, key.is_empty()) {
            ("GET", true) if has("uploads") => Ok(bucket.list_uploads(request)),
            ("GET", true) if has("list-type") => Ok(bucket.list(request)),
            ("POST", true) if has("delete") => bucket.delete_several(&request.body),
            ("POST", false) if has("uploads") => {
                self.upload_number += 1;
                bucket.begin(key, request, self.upload_number)
            }
            ("POST", false) if has("uploadId") => bucket.complete(key, request),
            ("PUT", false) if has("uploadId") => bucket.put_part(key, request),
            ("GET", false) if has("uploadId") => bucket.list_parts(key, request),
            ("DELETE", false) if has("uploadId") => bucket.abort(key, request),
            ("PUT", false) if request.header("x-amz-copy-source").is_none() => bucket.put(key, request),
            ("GET" | "HEAD", false) => bucket.get(key, request),
            ("DELETE", false) => {
                bucket.objects.remove(key);
                Ok(Answer::new(204, ""))
            }
            _ => Err(NOT_IMPLEMENTED),
        }
    }
}

impl Bucket {
    fn put(&mut self, key: &str, request: &Request) -> Outcome {
        if request.header("if-match").or(request.header("if-none-match")).is_some() {
            return Err(NOT_IMPLEMENTED);
        }
        let object = Object {
            etag: format!("\"{}\"", etag(&request.body)),
            checksum: Checksum::sent(request)?,
            labels: Labels::of(request),
            body: request.body.clone(),
            modified: SystemTime::now(),
        };
        let answer = Answer::new(200, "").with("etag", &*object.etag);
        self.objects.insert(key.to_owned(), object);
        Ok(answer)
    }

    fn get(&self, key: &str, request: &Request) -> Outcome {
        let object = self.objects.get(key).ok_or(NO_SUCH_KEY)?;
        if request.header("if-match").is_some_and(|etag| etag != object.etag) {
            return Err((412, "PreconditionFailed"));
        }
        let mut answer = Answer::new(200, object.body.clone());
        if let Some(range) = request.header("range") {
            let (first, last) = places(range, object.body.len()).ok_or((416, "InvalidRange"))?;
            answer = Answer::new(206, object.body.slice(first..=last))
                .with("content-range", format!("bytes {first}-{last}/{}", object.body.len()));
        } else if let Some(checksum) = &object.checksum
            && request.header("x-amz-checksum-mode").is_some()
        {
            let kind = if checksum.value.contains('-') { "COMPOSITE" } else { "FULL_OBJECT" };
            answer =
                answer.with(checksum.algorithm.header(), &*checksum.value).with("x-amz-checksum-type", kind);
        }
        let length = answer.body.len().to_string();
        if request.method == "HEAD" {
            answer.body = Bytes::new();
        }
        for (name, label) in
            [("content-type", &object.labels.content_type), ("cache-control", &object.labels.cache_control)]
        {
            if let Some(label) = label {
                answer = answer.with(name, label);
            }
        }
        Ok(answer
            .with("content-length", length)
            .with("etag", &*object.etag)
            .with("last-modified", time(object.modified, Format::HttpDate)))
    }

    fn delete_several(&mut self, body: &[u8]) -> Outcome {
        let body = std::str::from_utf8(body).map_err(|_| (400, "MalformedXML"))?;
        for object in xml::all("Object", body) {
            self.objects.remove(&xml::first("Key", object).ok_or((400, "MalformedXML"))?);
        }
        Ok(document("DeleteResult", ""))
    }

    fn list(&self, request: &Request) -> Answer {
        let text = |name| request.query.get(name).map_or("", String::as_str);
        let (prefix, delimiter) = (text("prefix"), text("delimiter"));
        let (mut contents, mut folders, mut count) = (String::new(), Vec::new(), 0);
        for (key, object) in &self.objects {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            if key.as_str() <= text("start-after") {
                continue;
            }
            count += 1;
            if let Some((folder, _)) = rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                folders.push(format!("{prefix}{folder}{delimiter}"));
                continue;
            }
            contents += &format!(
                "<Contents>{}{}{}{}</Contents>",
                element("Key", key),
                element("LastModified", time(object.modified, Format::DateTime)),
                element("ETag", &object.etag),
                element("Size", object.body.len()),
            );
        }
        folders.dedup();
        for folder in folders {
            contents += &format!("<CommonPrefixes>{}</CommonPrefixes>", element("Prefix", folder));
        }
        contents += &(element("KeyCount", count) + &element("IsTruncated", false));
        document("ListBucketResult", &contents)
    }
}

/// The first and the last byte of a range of a body that long.
fn places(range: &str, length: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok().filter(|first| *first < length)?;
    let last = if last.is_empty() { length - 1 } else { last.parse::<usize>().ok()?.min(length - 1) };
    (first <= last).then_some((first, last))
}
