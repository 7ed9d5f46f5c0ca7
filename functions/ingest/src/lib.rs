//! From an object in the upload bucket to a video that plays.
//!
//! Four functions, each in a file of its own: S3's event reaches [`claim_object`], which finds out what the object
//! is and whether its bytes are known; a content that is new reaches [`package_video`], which makes it
//! streamable; what players ask for before it is written, [`serve_output`] computes; a content that nobody lists any more
//! reaches [`remove_content`]. Every event may come any number of
//! times, in any order, and every function may die after any call: what it did is seen and not done again.

mod batch;
mod byte_range;
pub mod claim_object;
mod clients;
mod frame_decoder;
mod heartbeat;
mod object_source;
mod object_store;
mod outputs;
pub mod package_video;
pub mod remove_content;
mod s3_event;
pub mod serve_output;
mod shared_copy;
mod uploaded_objects;
