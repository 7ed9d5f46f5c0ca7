//! A DynamoDB that takes every write and holds one ticket key: the relay under test accounts for its viewers as ever.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use live::ViewerId;
use live::tickets::{SigningKey, TICKET_LIFETIME_S};

use crate::wire::CHANNEL;

/// The endpoint, listening until the process ends.
pub struct Store {
    address: SocketAddr,
    writes: Arc<AtomicU64>,
    key: SigningKey,
}

impl Store {
    /// Starts to answer on a port of its own.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let key = SigningKey::from_pkcs8(&SigningKey::generate()?)?;
        let keys = format!(
            r#"{{"Count":1,"ScannedCount":1,"Items":[{{"use":{{"S":"verify"}},"key_id":{{"S":"{}"}},"created_ms":{{"N":"1"}},"public_key":{{"B":"{}"}}}}]}}"#,
            key.id(),
            STANDARD.encode(key.public_key())
        );
        let store = Self { address: listener.local_addr()?, writes: Arc::default(), key };
        let (writes, keys): (_, Arc<str>) = (Arc::clone(&store.writes), keys.into());
        std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            for connection in listener.incoming().flatten() {
                let (writes, keys) = (Arc::clone(&writes), Arc::clone(&keys));
                let _ = std::thread::Builder::new().spawn(move || answer_all(connection, &writes, &keys));
            }
        })?;
        Ok(store)
    }

    /// Rows written so far, by all relays.
    pub fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    /// Lets a relay use this store.
    pub fn point(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.address))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("LIVE_USAGE_TABLE", "LiveUsage")
            .env("LIVE_RELAYS_TABLE", "LiveRelays")
            .env("LIVE_VIEWERS_TABLE", "LiveViewers")
            .env("TICKET_KEYS_TABLE", "TicketKeys");
    }

    /// What a viewer sends: each is somebody else, so that no limit of sessions is met.
    pub fn viewer_line(&self, index: usize) -> Result<String> {
        let viewer: ViewerId = format!("viewer-{index:05}").parse()?;
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(format!("{viewer} {CHANNEL} {}\n", self.key.sign(&viewer, now_s + TICKET_LIFETIME_S)))
    }
}

fn answer_all(connection: TcpStream, writes: &AtomicU64, keys: &str) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut requests = BufReader::new(connection.try_clone().ok()?);
    let mut answers = connection;
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut operation) = (0, String::new());
        loop {
            line.clear();
            if requests.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.trim_end().is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or_default();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "x-amz-target" => operation = value.trim().rsplit('.').next()?.to_owned(),
                _ => {}
            }
        }
        body.resize(length, 0);
        requests.read_exact(&mut body).ok()?;
        let answer = match operation.as_str() {
            "Query" => keys,
            _ => {
                writes.fetch_add(1, Relaxed);
                "{}"
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        answers.write_all(head.as_bytes()).ok()?;
    }
}
