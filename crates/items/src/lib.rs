//! Records as DynamoDB items, and the streams that tell how items changed.

mod item;
mod stream;

pub use item::{Item, from_item, nested, number, number_set, string, to_item};
pub use stream::{StreamEvent, StreamFailure, StreamResponse, Text, each_change};
