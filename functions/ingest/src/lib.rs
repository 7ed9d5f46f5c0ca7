//! From an object in the upload bucket to a video that plays.
//!
//! Functions, each in a file of its own: S3's event reaches [`claim_object`], which finds out what the object
//! is and whether its bytes are known; a content that is new reaches [`package_video`], which makes it
//! streamable; one that has to be encoded, or is to get smaller renditions, reaches [`plan_encoding`], which cuts the work in
//! pieces, and each of them [`encode_video`]; what players ask for before it is written,
//! [`serve_output`] computes; admins see and re-drive what failed for good by [`dead_letters`], and anybody may ask for the [`health`] of it all; a content that nobody lists any more
//! reaches [`remove_content`]; and once a day [`reconcile`] looks for what got lost on the way. Every event may come any number of
//! times, in any order, and every function may die after any call: what it did is seen and not done again.

mod batch;
mod byte_range;
pub mod claim_object;
mod clients;
pub mod dead_letters;
pub mod encode_video;
mod frame_decoder;
pub mod health;
mod heartbeat;
mod object_source;
mod object_store;
mod outputs;
pub mod package_video;
mod piece_objects;
pub mod plan_encoding;
pub mod reconcile;
pub mod remove_content;
mod s3_event;
pub mod serve_output;
mod shared_copy;
mod stream;
mod uploaded_objects;

pub use stream::ContentChange;
