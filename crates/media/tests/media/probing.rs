use media::{Container, NoDecoder, TrackKind, Treatment, open};

use crate::outputs::jpeg_size;
use crate::world::{MemorySource, package_with, small_options};

#[tokio::test]
async fn a_probe_tells_codec_size_and_rate() {
    let probe = open(&MemorySource::sample("h264_aac_faststart.mp4")).await.expect("it opens").probe();
    assert_eq!(probe.container, Container::Mp4);
    assert_eq!(probe.shown_size(), Some((320, 180)));
    let [video, audio] = &probe.tracks[..] else { panic!("{:?}", probe.tracks) };
    assert_eq!(
        (video.kind, video.codec.as_str(), video.frame_rate),
        (TrackKind::Video, "avc1.64000c", Some(24.0))
    );
    assert_eq!(
        (audio.codec.as_str(), audio.sample_rate, audio.channels),
        ("mp4a.40.2", Some(48_000), Some(2))
    );
    assert!(probe.duration_ms.is_some_and(|duration| (5_990..6_050).contains(&duration)));
    let text = serde_json::to_string(&probe).expect("it serialises");
    assert_eq!(serde_json::from_str::<media::Probe>(&text).expect("it deserialises"), probe);
}

#[tokio::test]
async fn codec_names_are_exact() {
    for (name, codec) in [
        ("hevc_hvc1_aac.mp4", "hvc1.1.6.L60.90"),
        ("hevc_hev1_aac.mp4", "hvc1.1.6.L60.90"),
        ("vp9_opus.mp4", "vp09.00.11.08"),
        ("av1_opus.mp4", "av01.0.00M.08"),
    ] {
        let probe = open(&MemorySource::sample(name)).await.expect("it opens").probe();
        assert_eq!(probe.tracks[0].codec, codec, "{name}");
    }
}

#[tokio::test]
async fn rotation_is_told_and_turns_the_shown_size() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    let at = source.bytes.windows(4).position(|kind| kind == b"tkhd").expect("there is a track") + 44;
    let one = 0x1_0000_i32;
    for (matrix, rotation, size) in [
        ([one, 0, 0, 0, one, 0], 0, (320, 180)),
        ([0, one, 0, -one, 0, 0], 90, (180, 320)),
        ([-one, 0, 0, 0, -one, 0], 180, (320, 180)),
        ([0, -one, 0, one, 0, 0], 270, (180, 320)),
    ] {
        let mut bytes = source.bytes.to_vec();
        for (index, number) in matrix.iter().enumerate() {
            bytes[at + index * 4..at + index * 4 + 4].copy_from_slice(&number.to_be_bytes());
        }
        let turned = MemorySource::new(bytes);
        let probe = open(&turned).await.expect("it opens").probe();
        assert_eq!(probe.video().and_then(|video| video.rotation), Some(rotation));
        assert_eq!(probe.shown_size(), Some(size));
        // Players turn what they are told to, so the output must say the same.
        let film = package_with(&turned, &small_options()).await;
        let (init, _) = film.segments("video.m3u8");
        let matrix = &turned.bytes[at..at + 36];
        assert!(init.windows(36).any(|bytes| bytes == matrix));
        let poster =
            film.plan.poster(&turned, &NoDecoder).await.expect("it reads").expect("there is a poster");
        assert_eq!(jpeg_size(&poster), (size.0 as u16, size.1 as u16));
    }
}

#[tokio::test]
async fn sound_that_segments_cannot_carry_plays_from_the_original() {
    let movie = open(&MemorySource::sample("h264_pcm_rotate90.mov")).await.expect("it opens");
    assert_eq!(movie.probe().container, Container::QuickTime);
    let Treatment::Progressive { reason } = movie.treatment() else { panic!("PCM cannot be streamed") };
    assert!(reason.contains("PCM"));
}

#[tokio::test]
async fn matroska_tells_the_same_with_and_without_a_duration() {
    for (name, container, codecs) in [
        ("h264_aac.mkv", Container::Matroska, ["avc1.64000c", "mp4a.40.2"]),
        ("vp9_opus.webm", Container::WebM, ["vp09.00.11.08", "opus"]),
        ("vp9_opus_live_nocues.webm", Container::WebM, ["vp09.00.11.08", "opus"]),
    ] {
        let movie = open(&MemorySource::sample(name)).await.expect("it opens");
        let probe = movie.probe();
        assert_eq!(probe.container, container, "{name}");
        assert_eq!(probe.shown_size(), Some((320, 180)));
        let told: Vec<&str> = probe.tracks.iter().map(|track| track.codec.as_str()).collect();
        assert_eq!((told, probe.tracks[0].frame_rate), (codecs.to_vec(), Some(24.0)), "{name}");
        assert!(probe.duration_ms.is_some_and(|duration| (5_990..6_050).contains(&duration)), "{probe:?}");
        assert!(matches!(movie.treatment(), Treatment::Package(_)));
    }
}

#[tokio::test]
async fn other_containers_are_refused_with_a_way_out() {
    let mut avi = b"RIFF\0\0\0\0AVI LIST".to_vec();
    avi.resize(1000, 0);
    let Treatment::Refuse { reason } = open(&MemorySource::new(avi)).await.expect("it opens").treatment()
    else {
        panic!("AVI does not play")
    };
    assert!(reason.contains("AVI") && reason.contains("MP4"), "{reason}");
}

#[tokio::test]
async fn bare_sound_is_refused_for_what_it_is() {
    for (head, name) in [
        (&b"ID3\x04\0"[..], "MP3"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"RIFF\0\0\0\0WAVEfmt ", "WAV"),
        (b"\xff\xf1\x50\x80", "AAC"),
    ] {
        let mut bytes = head.to_vec();
        bytes.resize(1000, 0);
        let Treatment::Refuse { reason } =
            open(&MemorySource::new(bytes)).await.expect("it opens").treatment()
        else {
            panic!("{name} is not taken")
        };
        // Browsers do play it, so that may not be the reason.
        assert!(reason.contains(name) && reason.contains("M4A"), "{reason}");
    }
}
