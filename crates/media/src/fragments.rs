//! Files that are fragmented already: their `moof` boxes are turned into the tables that an index
//! would have had, so that everything else is the same for both kinds of file.

use bytes::Bytes;

use crate::MediaError;
use crate::boxes::{be_u32, be_u64, body_of, boxes, damaged};
use crate::building::TableBuilder;
use crate::moov::{Index, TrackDefaults};

/// The bit of sample flags that says non-sync.
const NON_SYNC: u32 = 0x1_0000;

/// Collects the samples of all tracks, fragment by fragment.
pub(crate) struct Fragments {
    tracks: Vec<Collected>,
    /// Bytes of samples that cost none in a table.
    promised: u64,
    file_size: u64,
}

/// One track in the making.
struct Collected {
    defaults: TrackDefaults,
    first_time: Option<u64>,
    next_time: u64,
    tables: TableBuilder,
}

/// The header of a track fragment, with the defaults of the movie filled in.
struct TrackFragment {
    base: u64,
    duration: u32,
    size: u32,
    flags: u32,
}

impl Fragments {
    /// For the tracks of an index that announces fragments.
    pub(crate) fn new(index: &Index, file_size: u64) -> Self {
        let collected = |track_id: u32| {
            let given = index.defaults.iter().find(|defaults| defaults.track_id == track_id).copied();
            Collected {
                defaults: given.unwrap_or(TrackDefaults { track_id, duration: 0, size: 0, flags: 0 }),
                first_time: None,
                next_time: 0,
                tables: TableBuilder::default(),
            }
        };
        let ids = index.tracks.iter().map(|track| track.id).chain(index.texts.iter().map(|text| text.id));
        Self { tracks: ids.map(collected).collect(), promised: 0, file_size }
    }

    /// Takes the body of a `moof` that begins at `position` of the file.
    pub(crate) fn add(&mut self, position: u64, moof: &Bytes) -> Result<(), MediaError> {
        // Where data follows when a fragment does not say: first the box itself, then the end of
        // the data before.
        let mut follows = position;
        for traf in boxes(moof) {
            let traf = traf?;
            if &traf.kind == b"traf" {
                follows = self.add_track(position, follows, &traf.body)?;
            }
        }
        Ok(())
    }

    fn add_track(&mut self, moof: u64, follows: u64, traf: &Bytes) -> Result<u64, MediaError> {
        let tfhd = body_of(traf, b"tfhd")?.ok_or_else(|| damaged("a fragment has no header"))?;
        let Some(track) = self.tracks.iter_mut().find(|t| t.defaults.track_id == be_u32(&tfhd, 4)) else {
            return Ok(follows);
        };
        let present = be_u32(&tfhd, 0);
        let mut at = 8;
        let mut field = |flag: u32, bytes: usize| {
            let start = at;
            (present & flag != 0).then(|| at += bytes).map(|()| start)
        };
        let base = field(0x1, 8).map(|at| be_u64(&tfhd, at));
        field(0x2, 4);
        let mut optional = |flag, default| field(flag, 4).map_or(default, |at| be_u32(&tfhd, at));
        let fragment = TrackFragment {
            base: base.unwrap_or(if present & 0x2_0000 != 0 { moof } else { follows }),
            duration: optional(0x8, track.defaults.duration),
            size: optional(0x10, track.defaults.size),
            flags: optional(0x20, track.defaults.flags),
        };
        if let Some(tfdt) = body_of(traf, b"tfdt")? {
            let wide = tfdt.first() == Some(&1);
            track.starts_at(if wide { be_u64(&tfdt, 4) } else { be_u32(&tfdt, 4).into() });
        }
        let mut position = fragment.base;
        let mut left = self.file_size - self.promised;
        for trun in boxes(traf) {
            let trun = trun?;
            if &trun.kind == b"trun" {
                position = track.add_run(&fragment, position, &trun.body, &mut left)?;
            }
        }
        self.promised = self.file_size - left;
        Ok(position)
    }

    /// Puts the collected tables into the tracks of the index.
    pub(crate) fn finish(self, index: &mut Index) -> Result<(), MediaError> {
        let file_size = self.file_size;
        let tracks = index.tracks.iter_mut().map(|track| (&mut track.tables, &mut track.edits));
        let texts = index.texts.iter_mut().map(|text| (&mut text.tables, &mut text.edits));
        for ((tables, edits), collected) in tracks.chain(texts).zip(self.tracks) {
            if collected.tables.samples > 0 {
                if tables.samples > 0 {
                    return Err(MediaError::bad(
                        "The file keeps its samples partly in an index and partly in fragments, which is not supported.",
                    ));
                }
                let first_time = collected.first_time.unwrap_or(0);
                *tables = collected.tables.finish(first_time, file_size)?;
                // What the list says of the length was true of the empty movie before the fragments.
                edits.length = None;
            }
        }
        Ok(())
    }
}

impl Collected {
    /// Times follow from durations in tables, so what a fragment skips lengthens the last sample
    /// before it, and what it overlaps shortens that.
    fn starts_at(&mut self, time: u64) {
        if self.first_time.is_none() {
            self.first_time = Some(time);
            self.next_time = time;
        }
        let change = (time as i64).wrapping_sub(self.next_time as i64);
        if change != 0 && self.tables.samples > 0 {
            let applied = self.tables.lengthen_last(change);
            self.next_time = self.next_time.saturating_add_signed(applied);
        }
    }

    fn add_run(
        &mut self,
        fragment: &TrackFragment,
        follows: u64,
        trun: &Bytes,
        left: &mut u64,
    ) -> Result<u64, MediaError> {
        let (present, count) = (be_u32(trun, 0), be_u32(trun, 4));
        let mut at = 8;
        let mut position = follows;
        if present & 0x1 != 0 {
            position = fragment.base.wrapping_add_signed((be_u32(trun, at) as i32).into());
            at += 4;
        }
        let first_flags = (present & 0x4 != 0).then(|| be_u32(trun, at));
        at += if first_flags.is_some() { 4 } else { 0 };
        let each = 4 * u64::from((present >> 8 & 0xf).count_ones());
        // A run without sizes of its own costs few bytes or none, so its samples are held against the
        // file, in which they need room.
        let least = if present & 0x200 == 0 { u64::from(count) * u64::from(fragment.size.max(1)) } else { 0 };
        if u64::from(count) * each > (trun.len() as u64).saturating_sub(at as u64) || least > *left {
            return Err(damaged("a fragment promises more samples than it holds"));
        }
        *left -= least;
        if count == 0 {
            return Ok(position);
        }
        self.tables.start_chunk(position, count);
        for index in 0..count {
            let mut field = |flag: u32, default: u32| {
                if present & flag == 0 {
                    return default;
                }
                at += 4;
                be_u32(trun, at - 4)
            };
            let duration = field(0x100, fragment.duration);
            let size = field(0x200, fragment.size);
            let default_flags = first_flags.filter(|_| index == 0).unwrap_or(fragment.flags);
            let flags = field(0x400, default_flags);
            let shift = field(0x800, 0);
            self.tables.durations.push(duration);
            self.tables.shifts.push(shift);
            self.tables.push(size, flags & NON_SYNC == 0);
            self.next_time = self.next_time.saturating_add(duration.into());
            position = position.saturating_add(size.into());
        }
        Ok(position)
    }
}
