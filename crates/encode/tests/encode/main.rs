//! Real films through the real encoder.

#[path = "../../../media/tests/media/find_ffmpeg.rs"]
mod find_ffmpeg;
mod jobs;
mod kinds;
mod ladder;
mod shapes;
mod world;
