//! Real films through the real encoder.

#[path = "../../../media/tests/media/find_ffmpeg.rs"]
mod find_ffmpeg;
mod ladder;
mod world;
