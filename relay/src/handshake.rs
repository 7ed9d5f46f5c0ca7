//! The line with which a viewer says what it wants: `<viewer id> <channel>[ <ticket>]\n`.

use std::rc::Rc;

use live::{ChannelId, ViewerId};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::connections::Pending;
use crate::media::Media;
use crate::viewer::Wish;

/// The longest line, its end included: a viewer id, a channel and a ticket fit.
const LINE_MAX: usize = 256;

/// Reads the line, gives up the place among those who haven't said what they want, and asks whether the viewer may watch. `None`
/// for whoever is to be closed without a byte.
pub(crate) async fn read_wish(media: &Rc<Media>, stream: &mut TcpStream, pending: Pending) -> Option<Wish> {
    let mut buffer = [0; LINE_MAX];
    let mut filled = 0;
    let end = loop {
        let read = stream.read(buffer.get_mut(filled..)?).await.ok()?;
        if read == 0 {
            return None;
        }
        let before = filled;
        filled += read;
        if let Some(at) = buffer[before..filled].iter().position(|byte| *byte == b'\n') {
            break before + at;
        }
    };
    drop(pending);
    let line = Line::parse(&buffer[..end])?;
    let input_bytes = filled - end - 1;
    let session = media.admit(line.viewer.clone(), line.channel, line.ticket).await?;
    Some(Wish { viewer: line.viewer, channel: line.channel, session, input_bytes })
}

/// What is in the line.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    viewer: ViewerId,
    channel: ChannelId,
    ticket: Option<&'a str>,
}

impl<'a> Line<'a> {
    /// Reads a line without its end. More words are ignored, and so is a carriage return.
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        let viewer = words.next()?.parse().ok()?;
        let channel = words.next()?.parse().ok()?;
        Some(Self { viewer, channel, ticket: words.next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_viewer_a_channel_and_perhaps_a_ticket() {
        let parse = |line: &'static str| Line::parse(line.as_bytes());
        let line = |ticket| Line {
            viewer: "anna".parse().expect("a viewer"),
            channel: "zato01".parse().expect("a channel"),
            ticket,
        };
        assert_eq!(parse("anna zato01"), Some(line(None)));
        assert_eq!(parse("anna zato01\r"), Some(line(None)));
        assert_eq!(parse("anna zato01 1.k.s\r"), Some(line(Some("1.k.s"))));
        assert_eq!(parse("anna zato01 1.k.s and more of it"), Some(line(Some("1.k.s"))));
        for wrong in ["", " ", "anna", "anna zato1", "anna zato001", "\u{e4}nna zato01", "GET / HTTP/1.1"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
        assert_eq!(Line::parse(b"an\xffa zato01"), None);
    }
}
