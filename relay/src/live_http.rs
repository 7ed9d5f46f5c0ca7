//! Watching over HTTP: `GET /live/{channel}` with `Authorization: Basic base64(viewer id:ticket)`, which curl, players and pages
//! can do. The answer's body is the stream that a viewer over TCP gets, until the connection ends.

use std::rc::Rc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use live::{ChannelId, ViewerId};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::connections::Pending;
use crate::media::Media;
use crate::viewer::Wish;

/// The largest request head, in bytes: what a browser and two proxies add fits.
const HEAD_MAX: usize = 16 * 1024;

const HEADERS_MAX: usize = 64;

const OK: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nCache-Control: no-store\r\nConnection: close\r\n\
    X-Content-Type-Options: nosniff\r\n\r\n";

/// Reads the request, gives up the place among those who haven't said what they want, asks whether the viewer may watch and
/// answers. `None` for whoever was refused.
pub(crate) async fn read_wish(media: &Rc<Media>, stream: &mut TcpStream, pending: Pending) -> Option<Wish> {
    let mut head = Vec::with_capacity(1024);
    let request = loop {
        if stream.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
        match Request::parse(&head) {
            Ok(Some(request)) => break Ok(request),
            Ok(None) if head.len() >= HEAD_MAX => break Err(Refusal::Malformed),
            Ok(None) => {}
            Err(refusal) => break Err(refusal),
        }
    };
    drop(pending);
    let wish = match request {
        Ok(Request { viewer, channel, ticket, len }) => {
            let session = media.admit(viewer.clone(), channel, ticket.as_deref()).await;
            let input_bytes = head.len() - len;
            session.map(|session| Wish { viewer, channel, session, input_bytes }).ok_or(Refusal::Forbidden)
        }
        Err(refusal) => Err(refusal),
    };
    match wish {
        Ok(wish) => stream.write_all(OK).await.is_ok().then_some(wish),
        Err(refusal) => {
            stream.write_all(refusal.answer().as_bytes()).await.ok()?;
            // What is still unread would reset the connection, and the answer with it.
            stream.shutdown().await.ok()?;
            while let Ok(1..) = stream.read(&mut [0; 1024]).await {}
            None
        }
    }
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    viewer: ViewerId,
    channel: ChannelId,
    ticket: Option<String>,
    /// Length of the head, in bytes.
    len: usize,
}

impl Request {
    /// Reads a request head; `None` while it isn't whole.
    fn parse(head: &[u8]) -> Result<Option<Self>, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(len) = request.parse(head).map_err(|_| Refusal::Malformed)? else {
            return Ok(None);
        };
        let path = request.path.unwrap_or_default().split('?').next().unwrap_or_default();
        let channel = path.strip_prefix("/live/").ok_or(Refusal::NotFound)?;
        let channel = percent_decode_str(channel).decode_utf8().map_err(|_| Refusal::NotFound)?;
        let channel = channel.parse().map_err(|_| Refusal::NotFound)?;
        if request.method != Some("GET") {
            return Err(Refusal::MethodNotAllowed);
        }
        let authorization =
            request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("authorization"));
        let (viewer, ticket) =
            authorization.and_then(|header| credentials(header.value)).ok_or(Refusal::Forbidden)?;
        Ok(Some(Self { viewer, channel, ticket, len }))
    }
}

/// A viewer id may hold colons, a ticket doesn't.
fn credentials(value: &[u8]) -> Option<(ViewerId, Option<String>)> {
    let (scheme, encoded) = std::str::from_utf8(value).ok()?.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (viewer, ticket) = decoded.rsplit_once(':')?;
    Some((viewer.parse().ok()?, (!ticket.is_empty()).then(|| ticket.to_owned())))
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Malformed,
    /// Not 401, for which a browser would ask its user for a password.
    Forbidden,
    NotFound,
    MethodNotAllowed,
}

impl Refusal {
    fn answer(self) -> String {
        let (status, title, code, more) = match self {
            Self::Malformed => (400, "Bad Request", "malformed-request", ""),
            Self::Forbidden => (403, "Forbidden", "not-allowed-to-watch", ""),
            Self::NotFound => (404, "Not Found", "not-found", ""),
            Self::MethodNotAllowed => (405, "Method Not Allowed", "method-not-allowed", "Allow: GET\r\n"),
        };
        let body = json!({ "type": code, "title": title, "status": status }).to_string();
        format!(
            "HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n{more}\r\n{body}",
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str, user: &str) -> Result<Option<Request>, Refusal> {
        let basic = BASE64_STANDARD.encode(user);
        Request::parse(
            format!("{line} HTTP/1.1\r\nHost: x\r\naUTHORIZATION: basic {basic}\r\n\r\n").as_bytes(),
        )
    }

    #[test]
    fn the_ticket_follows_the_last_colon() {
        let found =
            request("GET /live/zato01?a=b", "anna@home:tv:1.k.s").expect("well-formed").expect("whole");
        assert_eq!(found.viewer.as_str(), "anna@home:tv");
        assert_eq!(found.channel.as_str(), "zato01");
        assert_eq!(found.ticket.as_deref(), Some("1.k.s"));
        let found = request("GET /live/zat%6F01", "anna:").expect("well-formed").expect("whole");
        assert_eq!((found.channel.as_str(), found.ticket), ("zato01", None));
    }

    #[test]
    fn what_is_wrong_is_told() {
        assert_eq!(request("POST /live/zato01", "anna:t"), Err(Refusal::MethodNotAllowed));
        assert_eq!(request("GET /live/zato1", "anna:t"), Err(Refusal::NotFound));
        assert_eq!(request("GET /", "anna:t"), Err(Refusal::NotFound));
        assert_eq!(request("GET /live/zato01", "anna"), Err(Refusal::Forbidden));
        assert_eq!(Request::parse(b"GET /live/zato01 HTTP/1.1\r\n\r\n"), Err(Refusal::Forbidden));
        assert_eq!(Request::parse(b"anna zato01\n"), Err(Refusal::Malformed));
        assert_eq!(Request::parse(b"GET /live/zato01 HTTP/1.1\r\n"), Ok(None));
    }
}
