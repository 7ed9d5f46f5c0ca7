//! A picture in memory: scaled, turned, encoded as JPEG.

use std::ops::Range;

use bytes::Bytes;
use jpeg_encoder::{ColorType, Encoder};
use openh264::formats::YUVSource;

/// Red, green and blue, a byte each, row by row.
#[derive(Debug, Clone)]
pub(super) struct Raster {
    pub(super) pixels: Vec<u8>,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl Raster {
    /// One that is black all over.
    pub(super) fn black(width: usize, height: usize) -> Self {
        Self { pixels: vec![0; width * height * 3], width, height }
    }

    /// Puts another picture of no more than the remaining size at a place.
    pub(super) fn place(&mut self, other: &Raster, x: usize, y: usize) {
        for (row, pixels) in other.pixels.chunks_exact(other.width * 3).enumerate() {
            let at = ((y + row) * self.width + x) * 3;
            if let Some(place) = self.pixels.get_mut(at..at + pixels.len()) {
                place.copy_from_slice(pixels);
            }
        }
    }

    /// A decoded picture in limited-range YCbCr: BT.709 for high definition, BT.601 below, as decoders
    /// assume where a stream does not say. `None` for planes that are shorter than they should be.
    pub(super) fn scaled(picture: &impl YUVSource, width: usize, height: usize) -> Option<Self> {
        let (full_width, full_height) = picture.dimensions();
        let half = (full_width / 2, full_height / 2);
        let (y_stride, u_stride, v_stride) = picture.strides();
        let luma = shrink(picture.y(), y_stride, (full_width, full_height), (width, height))?;
        let blue = shrink(picture.u(), u_stride, half, (width, height))?;
        let red = shrink(picture.v(), v_stride, half, (width, height))?;
        // Thousandths, rounded.
        let (red_v, green_u, green_v, blue_u) =
            if full_height >= 720 { (1793, 213, 533, 2112) } else { (1596, 392, 813, 2017) };
        let mut pixels = Vec::with_capacity(width * height * 3);
        for ((&y, &u), &v) in luma.iter().zip(&blue).zip(&red) {
            let (y, u, v) = ((i32::from(y) - 16) * 1164, i32::from(u) - 128, i32::from(v) - 128);
            let channel = |value: i32| (value / 1000).clamp(0, 255) as u8;
            pixels.extend_from_slice(&[
                channel(y + red_v * v),
                channel(y - green_u * u - green_v * v),
                channel(y + blue_u * u),
            ]);
        }
        Some(Self { pixels, width, height })
    }

    /// The picture turned clockwise by 0, 90, 180 or 270 degrees.
    pub(super) fn turned(self, degrees: u16) -> Self {
        let Self { pixels, width, height } = self;
        if degrees == 0 {
            return Self { pixels, width, height };
        }
        let (to_width, to_height) =
            if matches!(degrees, 90 | 270) { (height, width) } else { (width, height) };
        let mut out = Vec::with_capacity(pixels.len());
        for y in 0..to_height {
            for x in 0..to_width {
                let (from_x, from_y) = match degrees {
                    90 => (y, height - 1 - x),
                    180 => (width - 1 - x, height - 1 - y),
                    _ => (width - 1 - y, x),
                };
                let at = (from_y * width + from_x) * 3;
                out.extend_from_slice(&pixels[at..at + 3]);
            }
        }
        Self { pixels: out, width: to_width, height: to_height }
    }

    /// The brightness of each pixel, row by row.
    pub(super) fn brightness(&self) -> impl Iterator<Item = u8> {
        let of = |rgb: &[u8]| 77 * u32::from(rgb[0]) + 150 * u32::from(rgb[1]) + 29 * u32::from(rgb[2]);
        self.pixels.chunks_exact(3).map(move |rgb| (of(rgb) >> 8) as u8)
    }

    /// `quality` is from 1 to 100. `None` for sides that JPEG cannot have.
    pub(super) fn jpeg(&self, quality: u8) -> Option<Bytes> {
        let mut jpeg = Vec::with_capacity(64 << 10);
        let (width, height) = (u16::try_from(self.width).ok()?, u16::try_from(self.height).ok()?);
        Encoder::new(&mut jpeg, quality).encode(&self.pixels, width, height, ColorType::Rgb).ok()?;
        Some(jpeg.into())
    }
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
