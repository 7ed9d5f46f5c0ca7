//! Stills of a film: a poster, and thumbnails along its timeline. All are made from key frames, each
//! decoded alone and scaled down at once, so that memory holds one picture of the film's own size.
//!
//! H.264 is decoded here. Everything else is the caller's [`Decoder`]'s, to keep processes out of this
//! library.

mod frames;
mod h264;
mod looks;
mod poster;
mod raster;
mod sprite;
mod stills;

pub use frames::{Decoder, KeyFrameFilm, NoDecoder};
pub use sprite::THUMBNAILS;
pub(crate) use stills::Stills;
