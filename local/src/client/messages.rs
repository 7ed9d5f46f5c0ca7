//! What the API takes and answers, as far as this program reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An upload, as far as this program reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct Upload {
    /// Its id, and that of the video that it becomes.
    pub id: String,
    /// `waiting`, `uploaded`, `checking`, `duplicate`, `processing`, `ready` or `failed`.
    pub state: String,
    /// What it is called.
    pub name: String,
    /// What its file was called where it was begun.
    pub file_name: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// What comes with each part: `sha256` or `none`.
    pub checksum: String,
    /// When it was begun, in RFC 3339.
    pub created_at: String,
    /// The parts that have arrived, while it waits for more. Empty in lists.
    #[serde(default)]
    pub parts: Vec<ArrivedPart>,
    /// Why it is in that state, in a sentence.
    pub reason: Option<String>,
    /// Size of each part but the last, in bytes.
    pub part_size_bytes: u64,
    /// Number of parts.
    pub part_count: u32,
    /// The video that it became.
    pub video_id: Option<String>,
    /// The video that holds the same bytes already.
    pub duplicate_of: Option<String>,
}

/// A part that S3 has.
#[derive(Clone, Debug, Deserialize)]
pub struct ArrivedPart {
    /// From 1.
    pub number: u32,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256 in base64, if it came with one.
    pub sha256: Option<String>,
}

/// Some uploads of an owner, newest first.
#[derive(Clone, Debug, Deserialize)]
pub struct Uploads {
    /// Without their parts.
    pub items: Vec<Upload>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// How to send one part: a PUT with these headers.
#[derive(Clone, Deserialize)]
pub struct SignedPart {
    /// From 1.
    pub number: u32,
    /// A secret.
    pub url: String,
    /// To be sent as they are.
    pub headers: BTreeMap<String, String>,
}

/// What the service asks to be shown of a file.
#[derive(Clone, Debug, Deserialize)]
pub struct Challenge {
    /// The key of the HMAC, in base64.
    pub nonce: String,
    /// The places whose bytes go into it, in this order.
    pub ranges: Vec<FileRange>,
}

/// A place in a file.
#[derive(Clone, Debug, Deserialize)]
pub struct FileRange {
    /// The first byte, from 0.
    pub start: u64,
    /// How many bytes.
    pub length: u64,
}

/// What is to be uploaded.
#[derive(Debug, Serialize)]
pub struct NewUpload<'a> {
    /// Title of the film.
    pub name: &'a str,
    /// What it is about.
    pub description: Option<&'a str>,
    /// Name of the file.
    pub file_name: &'a str,
    /// Its size.
    pub size_bytes: u64,
}

/// What a viewer of live channels tells the relay, and where that is.
#[derive(Clone, Debug, Deserialize)]
pub struct Ticket {
    /// The viewer's id.
    pub user_id: String,
    /// The right to watch, for some minutes.
    pub ticket: String,
    /// The relay's name or address.
    pub host: String,
    /// The relay's port.
    pub port: u16,
}
