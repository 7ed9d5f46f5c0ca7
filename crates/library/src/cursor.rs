//! Pages of a list, and where the next one begins.

use std::collections::HashMap;

use anyhow::Context as _;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use items::{Item, from_item};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// One page of a list, in the list's order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// Where the next page begins; none when this is the last one.
    pub next: Option<Cursor>,
}

/// A text that no page has given out.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("this cursor is not one that a page has given")]
pub struct InvalidCursor;

/// The place in a list after a certain item.
///
/// It holds the item's time and id, never whose list it is: a cursor from one person's list can't open another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: Timestamp,
    id: Uuid,
}

/// The attributes that every listed record has.
#[derive(Deserialize)]
struct Position {
    created_at: Timestamp,
    id: Uuid,
}

impl Cursor {
    /// The opaque text that a client hands back.
    pub fn encode(self) -> String {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.created_at.unix_ms().to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor that was encoded as this text.
    pub fn decode(text: &str) -> Result<Self, InvalidCursor> {
        let bytes: [u8; 24] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(InvalidCursor)?;
        let (unix_ms, id) = bytes.split_at(8);
        let unix_ms = i64::from_be_bytes(unix_ms.try_into().map_err(|_| InvalidCursor)?);
        let id = Uuid::from_slice(id).map_err(|_| InvalidCursor)?;
        Ok(Self { created_at: Timestamp::from_unix_ms(unix_ms), id })
    }

    /// The key after which a query of an index (`partition`, `created_at`) goes on.
    pub(crate) fn start_key(self, partition: (&str, &str)) -> Item {
        HashMap::from([
            ("id".to_owned(), AttributeValue::S(self.id.hyphenated().to_string())),
            ("created_at".to_owned(), AttributeValue::S(self.created_at.to_string())),
            (partition.0.to_owned(), AttributeValue::S(partition.1.to_owned())),
        ])
    }

    fn after(item: &Item) -> anyhow::Result<Self> {
        let Position { created_at, id } = from_item(item.clone())?;
        Ok(Self { created_at, id })
    }
}

impl<T: DeserializeOwned> Page<T> {
    /// The page of at most `limit` items, from a query that asked for one more: only that one tells whether
    /// another page follows.
    pub(crate) fn from_items(mut items: Vec<Item>, limit: usize) -> anyhow::Result<Self> {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = match items.last() {
            Some(last) if more => Some(Cursor::after(last).context("a listed record has no position")?),
            _ => None,
        };
        let items = items.into_iter().map(from_item).collect::<anyhow::Result<_>>()?;
        Ok(Self { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_written(unix_ms in 0i64..=253_402_207_200_000, id in any::<u128>()) {
            let cursor = Cursor { created_at: Timestamp::from_unix_ms(unix_ms), id: Uuid::from_u128(id) };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9_-]{0,40}") {
            let _ = Cursor::decode(&text);
        }
    }

    fn listed(unix_ms: i64) -> Item {
        Cursor { created_at: Timestamp::from_unix_ms(unix_ms), id: Uuid::from_u128(1) }
            .start_key(("listing", "all"))
    }

    #[test]
    fn a_full_page_with_nothing_after_it_is_the_last() {
        let page: Page<serde_json::Value> =
            Page::from_items(vec![listed(2), listed(1)], 2).expect("both have positions");
        assert_eq!((page.items.len(), page.next), (2, None));
    }

    #[test]
    fn the_next_page_begins_after_the_last_item_shown() {
        let items = vec![listed(3), listed(2), listed(1)];
        let page: Page<serde_json::Value> = Page::from_items(items, 2).expect("all have positions");
        assert_eq!(page.items.len(), 2);
        assert_eq!(page.next.map(|cursor| cursor.created_at), Some(Timestamp::from_unix_ms(2)));
    }
}
