//! Sniffs, probes and packages films.
//!
//! Everything about the packaged output follows from a file's tables: [`open`] reads those, and
//! from then on the position of every output byte is known. [`Plan::manifests`] are final before a
//! byte of media is read; [`package`] then carries the media over, once, in the file's order, in
//! memory that does not grow with the file. Elementary streams are copied bit for bit.
//!
//! The caller brings a [`Source`] that reads ranges and a [`Store`] that writes parts.

mod aac;
mod boxes;
mod building;
mod codec;
mod collect;
mod container;
mod dash;
mod digest;
mod encoding;
mod error;
mod feed;
mod forward;
mod fragments;
mod geometry;
mod h264;
mod hints;
mod hls;
mod join;
mod lane;
mod manifest;
mod matroska;
mod moov;
mod movie;
mod package;
mod pcm;
mod pictures;
mod pieces;
mod plan;
mod probe;
mod rates;
mod reading;
mod scan;
mod segments;
mod shares;
mod source;
mod store;
mod tables;
mod text;
mod timing;
mod treatment;
mod writing;

pub use collect::Collector;
pub use container::{Container, sniff};
pub use digest::content_digest;
pub use encoding::Encoding;
pub use error::MediaError;
pub use feed::{Feed, FeedReader};
pub use join::{Encoded, Joined, JoinedPiece, join};
pub use movie::{Movie, open};
pub use package::{Options, Packaged, package};
pub use pictures::{Decoder, KeyFrameFilm, NoDecoder, THUMBNAILS};
pub use plan::{Manifest, Output, Plan};
pub use probe::{Becomes, Probe, SubtitleProbe, TrackKind, TrackProbe};
pub use shares::{Join, ShareSizes, Shares, package_share};
pub use source::{FileSource, ReadAhead, Source};
pub use store::{DirectoryStore, FileWriter, Part, Store, Writer};
pub use treatment::Treatment;
