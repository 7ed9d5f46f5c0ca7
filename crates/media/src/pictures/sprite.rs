//! Thumbnails along the timeline: small pictures, many to a JPEG, and a WebVTT that says which is whose.

use std::fmt::Write;

use bytes::Bytes;

use crate::Manifest;
use crate::pictures::frames::{KeyFrame, Pictures};
use crate::pictures::raster::Raster;
use crate::text::clock;

/// The name of the WebVTT of thumbnails, beside the manifests.
pub const THUMBNAILS: &str = "thumbnails.vtt";

/// Pictures of a film at most. A bar on a screen has place for no more.
const MOST: u64 = 100;
/// They are no nearer to each other than this.
const LEAST_APART_MS: u64 = 1_000;
/// The size of a thumbnail, as shown.
const WIDEST: u32 = 160;
const TALLEST: u32 = 160;
/// Thumbnails in a row of a sprite, and rows of it: a player fetches one sprite at a time.
const COLUMNS: usize = 5;
const ROWS: usize = 5;
const QUALITY: u8 = 75;

/// Which key frames become thumbnails.
pub(super) fn chosen(pictures: &Pictures<'_>) -> Vec<KeyFrame> {
    let timescale = u64::from(pictures.track.track.timescale);
    let length = pictures.length();
    let length_ms = u128::from(length) * 1000 / u128::from(timescale.max(1));
    let count = u64::try_from(length_ms).unwrap_or(u64::MAX).div_ceil(LEAST_APART_MS).clamp(1, MOST);
    let time = |index: u64| (u128::from(length) * u128::from(index) / u128::from(count)) as u64;
    pictures.key_frames_at(&(0..count).map(time).collect::<Vec<_>>())
}

/// The size of a thumbnail before it is turned.
pub(super) fn tile_size(pictures: &Pictures<'_>) -> Option<(u32, u32)> {
    pictures.scaled(WIDEST, TALLEST)
}

/// The files of thumbnails, from those that could be made of the chosen frames, in their order, as they
/// are shown. Where one is missing, the one before it stands for it. Empty if there is none.
pub(super) fn files(pictures: &Pictures<'_>, tiles: Vec<(KeyFrame, Raster)>) -> Vec<Manifest> {
    let Some((_, first)) = tiles.first() else { return Vec::new() };
    let (width, height) = (first.width, first.height);
    let ms =
        |ticks: u64| (u128::from(ticks) * 1000 / u128::from(pictures.track.track.timescale.max(1))) as u64;
    let end = ms(pictures.length());
    let mut starts: Vec<u64> = tiles.iter().map(|(frame, _)| ms(frame.shown)).collect();
    // The first also stands for what comes before it.
    starts[0] = 0;
    let mut files = Vec::with_capacity(tiles.len().div_ceil(COLUMNS * ROWS) + 1);
    let mut text = "WEBVTT\n".to_owned();
    for (sheet, tiles) in tiles.chunks(COLUMNS * ROWS).enumerate() {
        let name = format!("sprite-{}.jpg", sheet + 1);
        let columns = tiles.len().min(COLUMNS);
        let mut sprite = Raster::black(width * columns, height * tiles.len().div_ceil(COLUMNS));
        for (place, (_, tile)) in tiles.iter().enumerate() {
            let (x, y) = (place % COLUMNS * width, place / COLUMNS * height);
            sprite.place(tile, x, y);
            let index = sheet * COLUMNS * ROWS + place;
            let until = starts.get(index + 1).copied().unwrap_or(end);
            if until > starts[index] {
                // Writing to a String cannot fail.
                let _ = write!(
                    text,
                    "\n{} --> {}\n{name}#xywh={x},{y},{width},{height}\n",
                    clock(starts[index]),
                    clock(until)
                );
            }
        }
        let Some(body) = sprite.jpeg(QUALITY) else { return Vec::new() };
        files.push(Manifest { name, content_type: "image/jpeg", body });
    }
    files.push(Manifest { name: THUMBNAILS.into(), content_type: "text/vtt", body: Bytes::from(text) });
    files
}
