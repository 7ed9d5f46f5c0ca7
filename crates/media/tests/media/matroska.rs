//! Matroska in forms that ffmpeg doesn't write, made byte by byte from the packets of a sample.

use std::sync::LazyLock;

use media::{MediaError, ReadAhead, Source, Treatment, open};

use crate::world::{Film, MemorySource, ReadSample, package_sample, package_with, plan_of, small_options};

const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];

fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    // The length in eight bytes, which is always allowed.
    [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

fn unknown_size(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &[0x01], &[0xff; 7], body].concat()
}

fn number(id: &[u8], number: u64) -> Vec<u8> {
    element(id, &number.to_be_bytes())
}

fn void() -> Vec<u8> {
    element(&[0xec], &[0xa3; 300])
}

/// A track of AAC at 48 kHz in stereo, with more elements of its entry.
fn head(more: &[u8]) -> Vec<u8> {
    let sound = [element(&[0xb5], &48_000_f64.to_be_bytes()), number(&[0x9f], 2)].concat();
    let entry = [
        number(&[0xd7], 1),
        number(&[0x83], 2),
        element(&[0x86], b"A_AAC"),
        element(&[0x63, 0xa2], &[0x11, 0x90]),
        element(&[0xe1], &sound),
        more.to_vec(),
    ];
    [
        void(),
        element(&[0x15, 0x49, 0xa9, 0x66], &number(&[0x2a, 0xd7, 0xb1], 1_000_000)),
        void(),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &entry.concat())),
    ]
    .concat()
}

fn file(clusters: &[Vec<u8>]) -> Vec<u8> {
    file_with(&[], clusters)
}

fn file_with(more: &[u8], clusters: &[Vec<u8>]) -> Vec<u8> {
    let segment = [head(more), clusters.concat()].concat();
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"matroska")),
        unknown_size(&[0x18, 0x53, 0x80, 0x67], &segment),
    ]
    .concat()
}

/// How frames are put together in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacing {
    No = 0x00,
    Xiph = 0x02,
    Fixed = 0x04,
    Ebml = 0x06,
}

fn block(after_cluster_ms: i16, lacing: Lacing, frames: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0x81];
    out.extend_from_slice(&after_cluster_ms.to_be_bytes());
    out.push(0x80 | lacing as u8);
    if lacing != Lacing::No {
        out.push(frames.len() as u8 - 1);
    }
    let sizes: Vec<usize> = frames.iter().map(|frame| frame.len()).collect();
    for (index, &size) in sizes[..sizes.len() - 1].iter().enumerate() {
        match lacing {
            Lacing::Xiph => {
                out.extend(vec![255; size / 255]);
                out.push((size % 255) as u8);
            }
            // Four bytes for each, with a marker and, after the first, a difference around the middle.
            Lacing::Ebml if index == 0 => out.extend_from_slice(&(size as u32 | 1 << 28).to_be_bytes()),
            Lacing::Ebml => {
                let difference = size as i64 - sizes[index - 1] as i64 + (1 << 27) - 1;
                out.extend_from_slice(&(difference as u32 | 1 << 28).to_be_bytes());
            }
            _ => {}
        }
    }
    [out, frames.concat()].concat()
}

static FRAMES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let film = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("there is a runtime").block_on(package_sample("audio_only.m4a"))
    });
    film.join().expect("it packages").samples("audio").into_iter().map(|sample| sample.data).collect()
});

fn ms_of(frame: usize) -> u64 {
    (frame as f64 * 1024.0 / 48.0).round() as u64
}

fn made(lacing: Lacing, in_block: usize, in_cluster: usize, grouped: bool, sized: bool) -> Vec<u8> {
    let frames: Vec<&[u8]> = FRAMES.iter().map(Vec::as_slice).collect();
    let clusters = frames.chunks(in_cluster).enumerate().map(|(cluster, frames)| {
        let start = ms_of(cluster * in_cluster);
        let mut body = [number(&[0xe7], start), void()].concat();
        for (index, laced) in frames.chunks(in_block).enumerate() {
            let time = ms_of(cluster * in_cluster + index * in_block) - start;
            let block = block(time as i16, lacing, laced);
            body.extend(match grouped {
                true => element(&[0xa0], &[element(&[0xa1], &block), number(&[0x9b], 21)].concat()),
                false => element(&[0xa3], &block),
            });
        }
        if sized { element(&CLUSTER, &body) } else { unknown_size(&CLUSTER, &body) }
    });
    file(&clusters.collect::<Vec<_>>())
}

fn assert_whole(film: &Film, what: &str) {
    let samples = film.samples("audio");
    assert_eq!(samples.len(), FRAMES.len(), "{what}");
    for (index, (sample, frame)) in samples.iter().zip(&*FRAMES).enumerate() {
        let ReadSample { time, duration, data, .. } = sample;
        assert!(
            data == frame && (*time, *duration) == (index as i64 * 1024, 1024),
            "{what}: {index} {sample:?}"
        );
    }
}

#[tokio::test]
async fn laces_of_every_kind_are_taken_apart() {
    for (lacing, in_block) in [(Lacing::No, 1), (Lacing::Xiph, 3), (Lacing::Ebml, 8), (Lacing::Ebml, 2)] {
        for (grouped, sized) in [(false, true), (true, true), (false, false), (true, false)] {
            let source = MemorySource::new(made(lacing, in_block, 48, grouped, sized));
            let film = package_with(&source, &small_options()).await;
            assert_whole(&film, &format!("{lacing:?} of {in_block}, grouped {grouped}, sized {sized}"));
        }
    }
}

#[tokio::test]
async fn frames_of_one_size_may_be_laced_without_telling_it() {
    let same: Vec<&[u8]> = vec![&FRAMES[5]; 9];
    let blocks: Vec<Vec<u8>> = (same.chunks(3).enumerate())
        .map(|(index, frames)| element(&[0xa3], &block(ms_of(index * 3) as i16, Lacing::Fixed, frames)))
        .collect();
    let cluster = element(&CLUSTER, &[number(&[0xe7], 0), blocks.concat()].concat());
    let film = package_with(&MemorySource::new(file(&[cluster])), &small_options()).await;
    let samples = film.samples("audio");
    assert!(samples.len() == 9 && samples.iter().all(|sample| sample.data == FRAMES[5]));
}

#[tokio::test]
async fn sound_that_is_missing_leaves_a_gap_of_its_length() {
    // Half a second of nothing between two clusters.
    let cluster = |start: u64, frames: &[Vec<u8>]| {
        let blocks = frames.iter().enumerate();
        let blocks = blocks.map(|(i, frame)| element(&[0xa3], &block(ms_of(i) as i16, Lacing::No, &[frame])));
        element(&CLUSTER, &[number(&[0xe7], start), blocks.collect::<Vec<_>>().concat()].concat())
    };
    let bytes = file(&[cluster(0, &FRAMES[..10]), cluster(ms_of(10) + 500, &FRAMES[10..20])]);
    let samples = package_with(&MemorySource::new(bytes), &small_options()).await.samples("audio");
    let missing = samples[10].time - 10 * 1024;
    assert!((missing - 24_000).abs() <= 48, "{missing}");
    assert!(samples[11..].windows(2).all(|pair| pair[1].time - pair[0].time == 1024));
}

#[tokio::test]
async fn a_recording_that_breaks_off_plays_up_to_there() {
    let whole = made(Lacing::No, 1, 48, false, false);
    let mut most = 0;
    for length in (0..whole.len()).step_by(97) {
        match open(&MemorySource::new(whole[..length].to_vec())).await {
            Ok(movie) if movie.probe().duration_ms.is_some() => {
                let film = package_with(&MemorySource::new(whole[..length].to_vec()), &small_options()).await;
                let samples = film.samples("audio");
                assert!(samples.iter().zip(&*FRAMES).all(|(sample, frame)| sample.data == *frame));
                assert!(samples.len() >= most, "{length}");
                most = samples.len();
            }
            Ok(_) => {}
            Err(error) => assert!(matches!(error, MediaError::Bad { .. }), "{length}: {error:?}"),
        }
    }
    assert!(most + 3 > FRAMES.len(), "{most}");
}

/// A source that is read like a file, little by little.
struct Little(MemorySource);

impl Source for Little {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    async fn read(&self, range: std::ops::Range<u64>) -> std::io::Result<bytes::Bytes> {
        self.0.read(range).await
    }

    fn read_ahead(&self) -> ReadAhead {
        ReadAhead { window_bytes: 1_000, in_flight: 2 }
    }
}

#[tokio::test]
async fn a_long_file_is_read_twice_at_most_and_its_frames_are_skipped_where_that_pays() {
    let long: Vec<u8> = {
        let one = made(Lacing::No, 1, 48, false, true);
        // Longer than what is read at first, by something large between two clusters.
        let at = one.windows(4).rposition(|id| id == CLUSTER).expect("there is a cluster");
        let filling = element(&[0xec], &vec![0; 600_000]);
        [&one[..at], &filling, &one[at..]].concat()
    };
    let size = long.len() as u64;
    let source = Little(MemorySource::new(long.clone()));
    let plan = plan_of(&source).await;
    assert!(source.0.bytes_read() < 300_000, "{} of {size} bytes were read", source.0.bytes_read());
    let film = package_with(&source, &small_options()).await;
    assert_whole(&film, "little by little");
    assert_eq!(plan.outputs(), film.plan.outputs());
    let bucket = MemorySource::new(long);
    assert_whole(&package_with(&bucket, &small_options()).await, "in windows");
    assert!(bucket.bytes_read() <= 2 * size, "{} of {size} bytes were read", bucket.bytes_read());
}

#[tokio::test]
async fn pictures_that_are_shown_out_of_order_get_times_to_be_decoded_at() {
    let film = package_sample("h264_aac.mkv").await;
    let samples = film.samples("video");
    assert!(samples.windows(2).all(|pair| pair[0].time < pair[1].time));
    // Steady again, where the file has milliseconds; the first is held until the second.
    let mut shown: Vec<i64> = samples.iter().map(|sample| sample.presented).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).skip(1).all(|pair| pair[1] - pair[0] == 1000), "{shown:?}");
    // The same pictures in the same order as from the MP4 that it was copied from.
    let mp4 = package_sample("h264_aac_moovend.mp4").await.samples("video");
    assert!(samples.iter().map(|s| &s.data).eq(mp4.iter().map(|s| &s.data)));
    let order = |samples: &[ReadSample]| {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.sort_by_key(|&index| samples[index].presented);
        order
    };
    assert_eq!(order(&samples), order(&mp4));
}

/// A cluster with each frame in a block of its own.
fn cluster(frames: &[&[u8]]) -> Vec<u8> {
    let blocks = frames.iter().enumerate();
    let blocks = blocks.map(|(i, frame)| element(&[0xa3], &block(ms_of(i) as i16, Lacing::No, &[frame])));
    element(&CLUSTER, &[number(&[0xe7], 0), blocks.collect::<Vec<_>>().concat()].concat())
}

/// What a track's entry says of frames that were compressed.
fn compressed(algorithm: u64, settings: &[u8]) -> Vec<u8> {
    let compression = [number(&[0x42, 0x54], algorithm), element(&[0x42, 0x55], settings)].concat();
    element(&[0x6d, 0x80], &element(&[0x62, 0x40], &element(&[0x50, 0x34], &compression)))
}

#[tokio::test]
async fn what_a_writer_left_out_of_every_frame_is_put_back() {
    let prefix = &FRAMES[5][..1];
    let frames: Vec<&[u8]> =
        FRAMES.iter().map(Vec::as_slice).filter(|frame| frame.starts_with(prefix)).take(30).collect();
    let stripped: Vec<&[u8]> = frames.iter().map(|frame| &frame[1..]).collect();
    let bytes = file_with(&compressed(3, prefix), &[cluster(&stripped)]);
    let source = MemorySource::new(bytes);
    let film = package_with(&source, &small_options()).await;
    let samples = film.samples("audio");
    assert!(frames.len() == 30 && samples.iter().map(|sample| sample.data.as_slice()).eq(frames));
    // Ranges that begin and end within and around what was put back.
    let file = &film.files["audio.mp4"];
    for start in (0..file.len()).step_by(61) {
        let end = file.len().min(start + 97);
        let made = film.plan.read_output(&source, "audio.mp4", start as u64..end as u64).await;
        assert!(made.expect("it is there") == file[start..end], "{start}");
    }
}

#[tokio::test]
async fn frames_that_are_packed_play_from_the_original_only() {
    for encoding in [compressed(0, &[]), compressed(3, &[0; 65])] {
        let bytes = file_with(&encoding, &[cluster(&[&FRAMES[5]])]);
        let movie = open(&MemorySource::new(bytes)).await.expect("it opens");
        assert!(matches!(movie.treatment(), Treatment::Progressive { .. }), "{:?}", movie.treatment());
    }
}

#[tokio::test]
async fn the_language_is_the_newer_tag_where_there_is_one() {
    let old = element(&[0x22, 0xb5, 0x9c], b"por");
    let new = |tag: &str| element(&[0x22, 0xb5, 0x9d], tag.as_bytes());
    for (elements, expected, in_media) in [
        (old.clone(), "pt", "por"),
        ([old.clone(), new("pt-BR")].concat(), "pt-BR", "por"),
        ([old.clone(), new("\"><x")].concat(), "pt", "por"),
        (new("de"), "de", "deu"),
        (new("gsw"), "gsw", "gsw"),
    ] {
        let bytes = file_with(&elements, &[cluster(&[&FRAMES[5]])]);
        let film = package_with(&MemorySource::new(bytes), &small_options()).await;
        let mpd = film.manifest("manifest.mpd");
        assert!(mpd.contains(&format!(" lang=\"{expected}\"")), "{mpd}");
        let (init, _) = film.segments("audio.m3u8");
        let at = init.windows(4).position(|kind| kind == b"mdhd").expect("there is a clock") + 4;
        let at = at + if init[at] == 1 { 32 } else { 20 };
        let packed = u16::from_be_bytes([init[at], init[at + 1]]);
        let letters = [10, 5, 0].map(|shift| (packed >> shift & 31) as u8 + 0x60);
        assert_eq!(letters, in_media.as_bytes(), "{expected}");
    }
}
