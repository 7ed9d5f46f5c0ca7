//! A still for the library: one key frame of H.264, caught as it passes and decoded.

use std::ops::Range;

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use openh264::decoder::Decoder;
use openh264::formats::YUVSource;

use crate::geometry::{display_size, rotation};
use crate::plan::PlannedTrack;
use crate::segments::EntryPoints;

/// No wider than a large card on a dense screen.
const WIDEST: u32 = 1280;
const QUALITY: u8 = 82;
/// A longer key frame is none that openh264 decodes.
const MOST_BYTES: u32 = 8 << 20;
/// Pictures that it takes.
const MOST_PIXELS: u32 = 4096 * 2304;

/// Which key frame to decode, and how to show it.
#[derive(Debug)]
pub(crate) struct PosterPlan {
    /// Where it lies in the source.
    pub(crate) range: Range<u64>,
    length_bytes: usize,
    parameter_sets: Vec<Vec<u8>>,
    /// Before rotation.
    width: u32,
    height: u32,
    rotation: u16,
}

impl PosterPlan {
    /// The key frame nearest before a tenth of the film: past black and logos, in any order of
    /// lengths. `None` for other codecs.
    pub(crate) fn new(planned: &PlannedTrack) -> Option<Self> {
        let avcc = planned.codec.avcc.as_ref()?;
        let tenth = planned.starts.last()? / 10;
        let within = planned.starts.partition_point(|&start| start <= tenth).saturating_sub(1);
        let segment = planned.segments.get(within.min(planned.segments.len() - 1))?;
        let start = segment.start.clone()?;
        let mut entry_points = EntryPoints::from(&planned.open, start.index());
        let sample = planned.track.tables.samples_from(start).next()?;
        let entry_point = entry_points.contains(&planned.timeline.apply(sample)?);
        let (width, height) = display_size(&planned.track, &planned.codec);
        let decodable = entry_point && sample.size <= MOST_BYTES && width > 0 && height > 0;
        let small = planned.codec.width.checked_mul(planned.codec.height)? <= MOST_PIXELS;
        (decodable && small).then(|| Self {
            range: sample.position..sample.end(),
            length_bytes: avcc.length_size.into(),
            parameter_sets: [&avcc.sequence_parameter_sets[..], &avcc.picture_parameter_sets[..]].concat(),
            width,
            height,
            rotation: rotation(&planned.track.header.matrix),
        })
    }

    /// Decodes the sample and encodes it as JPEG. `None` when the decoder does not take it: a video
    /// without a poster is still a video.
    pub(crate) fn render(&self, sample: &[u8]) -> Option<Bytes> {
        let mut stream = Vec::with_capacity(sample.len() + 256);
        for unit in &self.parameter_sets {
            push_unit(&mut stream, unit);
        }
        let mut rest = sample;
        while rest.len() > self.length_bytes {
            let (length, after) = rest.split_at(self.length_bytes);
            let length = length.iter().fold(0_usize, |length, &byte| length << 8 | usize::from(byte));
            push_unit(&mut stream, after.get(..length)?);
            rest = &after[length..];
        }
        let mut decoder = Decoder::new().ok()?;
        if let Ok(Some(picture)) = decoder.decode(&stream) {
            return self.encode(&picture);
        }
        let delayed = decoder.flush_remaining().ok()?;
        self.encode(delayed.first()?)
    }

    fn encode(&self, picture: &impl YUVSource) -> Option<Bytes> {
        let turned = matches!(self.rotation, 90 | 270);
        let shown_width = if turned { self.height } else { self.width };
        let scale = f64::from(WIDEST.min(shown_width)) / f64::from(shown_width);
        let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).clamp(1, 4096);
        let (width, height) = (scaled(self.width), scaled(self.height));
        let upright = scale_to_rgb(picture, width as usize, height as usize)?;
        let (rgb, width, height) = turn(upright, width as usize, height as usize, self.rotation);
        let mut jpeg = Vec::with_capacity(64 << 10);
        let encoder = Encoder::new(&mut jpeg, QUALITY);
        encoder.encode(&rgb, width as u16, height as u16, ColorType::Rgb).ok()?;
        Some(jpeg.into())
    }
}

/// Annex B of the standard: units after start codes.
fn push_unit(stream: &mut Vec<u8>, unit: &[u8]) {
    stream.extend_from_slice(&[0, 0, 0, 1]);
    stream.extend_from_slice(unit);
}

/// One plane with the mean of the source pixels under each pixel of the target.
fn shrink(plane: &[u8], stride: usize, from: (usize, usize), to: (usize, usize)) -> Option<Vec<u8>> {
    let span = |index: usize, from: usize, to: usize| {
        let start = index * from / to;
        start..((index + 1) * from / to).clamp(start + 1, from.max(start + 1))
    };
    let columns: Vec<Range<usize>> = (0..to.0).map(|x| span(x, from.0, to.0)).collect();
    let mut out = Vec::with_capacity(to.0 * to.1);
    let mut sums = vec![0_u32; from.0];
    for y in 0..to.1 {
        let rows = span(y, from.1, to.1);
        sums.fill(0);
        for row in rows.clone() {
            let row = plane.get(row * stride..row * stride + from.0)?;
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += u32::from(value));
        }
        for column in &columns {
            let count = (column.len() * rows.len()) as u32;
            let sum: u32 = sums.get(column.clone())?.iter().sum();
            out.push(((sum + count / 2) / count) as u8);
        }
    }
    Some(out)
}

/// Limited-range YCbCr to RGB: BT.709 for high definition, BT.601 below, as decoders assume where a
/// stream does not say.
fn scale_to_rgb(picture: &impl YUVSource, width: usize, height: usize) -> Option<Vec<u8>> {
    let (full_width, full_height) = picture.dimensions();
    let half = (full_width / 2, full_height / 2);
    let (y_stride, u_stride, v_stride) = picture.strides();
    let luma = shrink(picture.y(), y_stride, (full_width, full_height), (width, height))?;
    let blue = shrink(picture.u(), u_stride, half, (width, height))?;
    let red = shrink(picture.v(), v_stride, half, (width, height))?;
    // Thousandths, rounded.
    let (red_v, green_u, green_v, blue_u) =
        if full_height >= 720 { (1793, 213, 533, 2112) } else { (1596, 392, 813, 2017) };
    let mut rgb = Vec::with_capacity(width * height * 3);
    for ((&y, &u), &v) in luma.iter().zip(&blue).zip(&red) {
        let (y, u, v) = ((i32::from(y) - 16) * 1164, i32::from(u) - 128, i32::from(v) - 128);
        let channel = |value: i32| (value / 1000).clamp(0, 255) as u8;
        rgb.extend_from_slice(&[
            channel(y + red_v * v),
            channel(y - green_u * u - green_v * v),
            channel(y + blue_u * u),
        ]);
    }
    Some(rgb)
}

/// The picture turned clockwise, with its new width and height.
fn turn(rgb: Vec<u8>, width: usize, height: usize, degrees: u16) -> (Vec<u8>, usize, usize) {
    let (to_width, to_height) = if matches!(degrees, 90 | 270) { (height, width) } else { (width, height) };
    if degrees == 0 {
        return (rgb, width, height);
    }
    let mut out = Vec::with_capacity(rgb.len());
    for y in 0..to_height {
        for x in 0..to_width {
            let (from_x, from_y) = match degrees {
                90 => (y, height - 1 - x),
                180 => (width - 1 - x, height - 1 - y),
                _ => (width - 1 - y, x),
            };
            let at = (from_y * width + from_x) * 3;
            out.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    (out, to_width, to_height)
}
