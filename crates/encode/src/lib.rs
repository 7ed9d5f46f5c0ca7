//! Encodes what browsers do not play, and the ladder of smaller renditions, in pieces.
//!
//! A film is cut at segments that its packaged form has anyway. Each piece is a job of its own: its
//! samples are read by ranges, fed to a separate ffmpeg, and come back as one small MP4 per rendition
//! ([`encode_piece`]). Jobs may run anywhere, in any order, twice. When all are done, [`assemble`] makes
//! of them the same single-file outputs that packaging makes of films that play as they are, and the
//! manifests of everything together.
//!
//! Key frames are forced exactly where the packaged segments begin, so that all renditions can be
//! switched between at each of them.

mod assemble;
mod command;
mod concatenated;
mod error;
mod ffmpeg;
mod job;
mod ladder;
mod plan;

pub use assemble::{PieceSource, assemble};
pub use error::EncodeError;
pub use ffmpeg::Ffmpeg;
pub use job::encode_piece;
pub use ladder::Ladder;
pub use plan::{EncodePlan, Rendition, plan};
