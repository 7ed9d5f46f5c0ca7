//! A source and a store in memory that remember what was asked of them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use media::{Manifest, Options, Packaged, Part, Plan, Source, Store, Treatment, Writer, open, package};
use shiguredo_mp4::demux::Fmp4SegmentDemuxer;

/// The samples that are packaged, with whether they have a picture.
pub const PACKAGED: [(&str, bool); 17] = [
    ("audio_only.m4a", false),
    ("av1_opus.mp4", true),
    ("h264_aac_co64.mp4", true),
    ("h264_aac_ctts_v1_negative.mp4", true),
    ("h264_aac_editlists_trim_delay.mp4", true),
    ("h264_aac_faststart.mp4", true),
    ("h264_aac_fragmented_nosidx.mp4", true),
    ("h264_aac_moovend.mp4", true),
    ("h264_aac_vfr.mp4", true),
    ("h264_opengop.mp4", true),
    ("hevc_hev1_aac.mp4", true),
    ("hevc_hvc1_aac.mp4", true),
    ("vp9_opus.mp4", true),
    ("qt_aac_wave.mov", true),
    ("h264_aac.mkv", true),
    ("vp9_opus.webm", true),
    ("vp9_opus_live_nocues.webm", true),
];

pub fn sample_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

pub struct MemorySource {
    pub bytes: Bytes,
    pub reads: Mutex<Vec<Range<u64>>>,
}

impl MemorySource {
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: bytes.into(), reads: Mutex::default() }
    }

    pub fn sample(name: &str) -> Self {
        Self::new(std::fs::read(sample_path(name)).expect("the sample is there"))
    }

    pub fn reads(&self) -> usize {
        self.reads.lock().expect("no test panics with it").len()
    }

    pub fn bytes_read(&self) -> u64 {
        self.reads.lock().expect("no test panics with it").iter().map(|range| range.end - range.start).sum()
    }
}

impl Source for MemorySource {
    fn size_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        assert!(
            range.start <= range.end && range.end <= self.size_bytes(),
            "{range:?} is outside of the file"
        );
        self.reads.lock().expect("no test panics with it").push(range.clone());
        // What a network does: the answer comes later.
        tokio::task::yield_now().await;
        Ok(self.bytes.slice(range.start as usize..range.end as usize))
    }
}

/// Objects by name; each part checked on its way in.
#[derive(Default)]
pub struct MemoryStore {
    pub objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    pub part_bytes: usize,
    /// The part, counted over all outputs, that fails.
    pub fails_at: Option<usize>,
    pub slow: bool,
    pub parts: Arc<AtomicUsize>,
    pub in_flight: Arc<AtomicUsize>,
    pub most_in_flight: Arc<AtomicUsize>,
}

pub struct MemoryWriter {
    name: String,
    parts: Mutex<BTreeMap<u32, Bytes>>,
    objects: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    part_bytes: usize,
    fails_at: Option<usize>,
    slow: bool,
    counted: Arc<AtomicUsize>,
    in_flight: Arc<AtomicUsize>,
    most_in_flight: Arc<AtomicUsize>,
}

impl Store for MemoryStore {
    type Writer = MemoryWriter;

    async fn put(&self, name: &str, _content_type: &str, body: Bytes) -> io::Result<()> {
        self.objects.lock().expect("no test panics with it").insert(name.into(), body.to_vec());
        Ok(())
    }

    async fn create(&self, name: &str, _content_type: &str) -> io::Result<MemoryWriter> {
        Ok(MemoryWriter {
            name: name.into(),
            parts: Mutex::default(),
            objects: self.objects.clone(),
            part_bytes: self.part_bytes,
            fails_at: self.fails_at,
            slow: self.slow,
            counted: self.parts.clone(),
            in_flight: self.in_flight.clone(),
            most_in_flight: self.most_in_flight.clone(),
        })
    }
}

impl Writer for MemoryWriter {
    async fn write_part(&self, part: Part) -> io::Result<()> {
        let count = self.counted.fetch_add(1, Ordering::SeqCst);
        if self.fails_at == Some(count) {
            return Err(io::Error::other("the store is down"));
        }
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        if self.slow {
            // Later parts overtake earlier ones.
            tokio::time::sleep(Duration::from_millis(5 - u64::from(part.number) % 5)).await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        assert_eq!(part.position, u64::from(part.number - 1) * self.part_bytes as u64);
        assert!(part.size_bytes <= self.part_bytes && part.size_bytes > 0);
        let (number, size) = (part.number, part.size_bytes);
        let bytes = part.into_bytes();
        assert_eq!(bytes.len(), size);
        let before = self.parts.lock().expect("no test panics with it").insert(number, bytes);
        assert!(before.is_none(), "part {number} of {} came twice", self.name);
        Ok(())
    }

    async fn finish(self) -> io::Result<()> {
        let parts = self.parts.into_inner().expect("no test panics with it");
        let numbers: Vec<u32> = parts.keys().copied().collect();
        assert_eq!(numbers, (1..=parts.len() as u32).collect::<Vec<_>>());
        let all_but_last = parts.values().rev().skip(1);
        assert!(
            all_but_last.clone().all(|part| part.len() == self.part_bytes),
            "a part in the middle is short"
        );
        let bytes = parts.into_values().flatten().collect();
        self.objects.lock().expect("no test panics with it").insert(self.name, bytes);
        Ok(())
    }
}

/// A film that was packaged.
pub struct Film {
    pub plan: Plan,
    pub packaged: Packaged,
    pub files: BTreeMap<String, Vec<u8>>,
}

pub fn small_options() -> Options {
    Options {
        window_bytes: 10_000,
        windows_in_flight: 3,
        part_bytes: 7_000,
        parts_in_flight: 4,
        digest_part_size: None,
    }
}

pub async fn plan_of(source: &impl Source) -> Plan {
    let movie = open(source).await.expect("the file opens");
    match movie.treatment() {
        Treatment::Package(plan) => plan,
        other => panic!("not packaged: {other:?}"),
    }
}

pub async fn package_with(source: &impl Source, options: &Options) -> Film {
    let plan = plan_of(source).await;
    let store = MemoryStore { part_bytes: options.part_bytes, ..MemoryStore::default() };
    let packaged = package(source, &plan, &store, options).await.expect("packaging works");
    let files = std::mem::take(&mut *store.objects.lock().expect("no test panics with it"));
    Film { plan, packaged, files }
}

pub async fn package_sample(name: &str) -> Film {
    package_with(&MemorySource::sample(name), &small_options()).await
}

impl Film {
    pub fn manifest(&self, name: &str) -> String {
        let found: Option<Manifest> =
            self.plan.manifests().into_iter().find(|manifest| manifest.name == name);
        String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).body.to_vec()).expect("it is text")
    }

    /// The segments that a playlist names: its initialisation, then the others.
    pub fn segments(&self, playlist: &str) -> (Vec<u8>, Vec<Vec<u8>>) {
        let text = self.manifest(playlist);
        let playlist = m3u8_rs::parse_media_playlist_res(text.as_bytes()).expect("it parses");
        let cut = |uri: &str, range: &m3u8_rs::ByteRange| {
            let start = range.offset.expect("there is an offset") as usize;
            self.files[uri][start..start + range.length as usize].to_vec()
        };
        let map = playlist.segments[0].map.clone().expect("there is a map");
        let init = cut(&map.uri, map.byte_range.as_ref().expect("there is a range"));
        let ranges = playlist.segments.iter();
        (init, ranges.map(|s| cut(&s.uri, s.byte_range.as_ref().expect("there is a range"))).collect())
    }

    /// The samples of a track as an independent reader finds them.
    pub fn samples(&self, stem: &str) -> Vec<ReadSample> {
        let (init, segments) = self.segments(&format!("{stem}.m3u8"));
        let mut demuxer = Fmp4SegmentDemuxer::new();
        demuxer.handle_init_segment(&init).expect("the initialisation is well-formed");
        let mut samples = Vec::new();
        for segment in &segments {
            for sample in demuxer.handle_media_segment(segment).expect("the segment is well-formed") {
                let start = sample.data_offset as usize;
                let time = sample.timestamp as i64;
                samples.push(ReadSample {
                    time,
                    presented: time + sample.composition_time_offset.unwrap_or(0),
                    duration: sample.duration,
                    sync: sample.keyframe,
                    data: segment[start..start + sample.data_size].to_vec(),
                });
            }
        }
        samples
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct ReadSample {
    pub time: i64,
    /// Before the edit list of the track.
    pub presented: i64,
    pub duration: u32,
    pub sync: bool,
    pub data: Vec<u8>,
}

impl std::fmt::Debug for ReadSample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, presented, duration, sync, data } = self;
        write!(f, "{time}+{duration} at {presented}, sync {sync}, {} bytes", data.len())
    }
}
