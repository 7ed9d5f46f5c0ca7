use crate::conformance::make as make_file;
use crate::ffmpeg::{on_disk, run};
use crate::film::{Interleaving, MOVIE_TIMESCALE, MadeSample, MadeTrack, make};
use crate::world::{Film, MemorySource, package_sample, package_with, small_options};

/// Composition time that the edit list of an output presents at 0.
pub fn media_time(film: &Film, stem: &str) -> u64 {
    let (init, _) = film.segments(&format!("{stem}.m3u8"));
    let Some(at) = init.windows(4).position(|kind| kind == b"elst") else { return 0 };
    u64::from_be_bytes(init[at + 20..at + 28].try_into().expect("eight bytes"))
}

#[tokio::test]
async fn presentation_starts_at_0_with_sound_in_its_place_to_the_sample() {
    for name in ["h264_aac_faststart.mp4", "h264_aac_ctts_v1_negative.mp4", "h264_aac_vfr.mp4"] {
        let film = package_sample(name).await;
        let (video, audio) = (film.samples("video"), film.samples("audio"));
        assert_eq!(video.iter().map(|sample| sample.presented).min(), Some(0), "{name}");
        // The encoder's priming stays before 0, as the edit list of the source has it.
        assert_eq!((audio[0].time, media_time(&film, "audio")), (0, 1024), "{name}");
    }
}

#[tokio::test]
async fn a_trimmed_picture_is_shown_whole_and_all_tracks_move_with_it() {
    let film = package_sample("h264_aac_editlists_trim_delay.mp4").await;
    let plain = package_sample("h264_aac_moovend.mp4").await;
    let (video, audio) = (film.samples("video"), film.samples("audio"));
    assert_eq!(video.len(), plain.samples("video").len());
    assert_eq!(video.iter().map(|sample| sample.presented).min(), Some(0));
    // The trim hides one second; the sound starts 0.35 s after it, with its priming before that.
    let expected = ((1.0 + 0.35) * 48_000.0) as i64 - 1024;
    let silence = audio.len() - plain.samples("audio").len();
    let hidden = media_time(&film, "audio") as i64;
    let presented = audio[silence].presented - hidden;
    assert!((presented - expected).abs() <= 48, "{presented}");
    assert_eq!(audio[silence].data, plain.samples("audio")[0].data);
    // A player with no sound at 0 would skip the pictures there. Of the silence, less than a frame is too much.
    assert!(audio[0].presented == 0 && hidden < 1024 && silence > 0);
    assert!(audio.windows(2).all(|pair| pair[0].time + i64::from(pair[0].duration) == pair[1].time));
}

#[tokio::test]
async fn open_groups_are_no_cut_points_and_no_sync_samples() {
    let film = package_sample("h264_opengop.mp4").await;
    let video = film.samples("video");
    let (_, segments) = film.segments("video.m3u8");
    assert!(segments.len() <= video.iter().filter(|sample| sample.sync).count());
    // Its index lists three.
    assert_eq!(video.iter().filter(|sample| sample.sync).count(), 2);
    for (index, sync) in video.iter().enumerate().filter(|(_, sample)| sample.sync) {
        assert!(video[index..].iter().all(|later| later.presented >= sync.presented));
    }
}

#[tokio::test]
async fn every_segment_of_an_open_group_film_decodes_on_its_own() {
    let picture = "-f lavfi -i testsrc2=s=64x48:r=10:d=12";
    let forced = "-force_key_frames expr:gte(t,n_forced*4.5) -forced-idr 1 -g 10";
    for (codec, options) in [
        ("libx264", "-pix_fmt yuv420p -bf 3 -x264-params open-gop=1:scenecut=0"),
        (
            "libx265",
            "-pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=none:open-gop=1:bframes=3:scenecut=0",
        ),
    ] {
        for ending in ["mp4", "mkv"] {
            let name = format!("open-{codec}.{ending}");
            let path = make_file(&name, &[picture, "-preset veryfast -c:v", codec, options, forced]);
            let film =
                package_with(&MemorySource::new(std::fs::read(path).expect("it was made")), &small_options())
                    .await;
            let (init, segments) = film.segments("video.m3u8");
            assert_eq!(segments.len(), 3, "{name}");
            let mut pictures = 0;
            for (index, segment) in segments.iter().enumerate() {
                let alone = on_disk(&film, &format!("open-{name}")).join(format!("{index}.mp4"));
                std::fs::write(&alone, [&init[..], segment].concat()).expect("it can be written");
                let alone = alone.to_str().expect("it is text");
                let output =
                    run(&["-xerror", "-i", alone, "-fps_mode", "passthrough", "-f", "framehash", "-"]);
                let complaints = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() && complaints.is_empty(), "{name}: {complaints}");
                pictures +=
                    String::from_utf8_lossy(&output.stdout).lines().filter(|l| !l.starts_with('#')).count();
            }
            assert_eq!(pictures, 120, "{name}");
        }
    }
}

fn made(video: bool, timescale: u32, count: usize, duration: u32, group: usize) -> MadeTrack {
    let sample = |index: usize| MadeSample {
        duration,
        shift: 0,
        sync: index.is_multiple_of(group),
        data: vec![index as u8; 5 + index % 7],
    };
    MadeTrack {
        video,
        timescale,
        samples: (0..count).map(sample).collect(),
        chunking: vec![4],
        edits: Vec::new(),
    }
}

#[tokio::test]
async fn whole_groups_before_a_trim_stay_cut_on_both_ends() {
    // Twelve seconds with a key frame each second, of which 5.5 to 8.5 s are shown.
    let mut video = made(true, 25, 300, 1, 25);
    video.edits = vec![(3 * MOVIE_TIMESCALE, 137)];
    let mut audio = made(false, 48_000, 600, 960, 1);
    audio.edits = vec![(3 * MOVIE_TIMESCALE, 264_000)];
    let bytes = make(&[video.clone(), audio], Interleaving::Turns, true);
    let film = package_with(&MemorySource::new(bytes), &small_options()).await;
    let samples = film.samples("video");
    // From the key frame at 5 s to the one at 9 s.
    assert_eq!(samples.len(), 100);
    assert_eq!(samples[0].data, video.samples[125].data);
    assert_eq!(samples[0].presented, 0);
    let audio = film.samples("audio");
    // Sound is cut at the same instants, but for what warms its decoder up.
    let shown_from = media_time(&film, "audio");
    assert!(shown_from <= 48_000 * 150 / 1000, "{shown_from}");
    let length: u32 = audio.iter().map(|sample| sample.duration).sum();
    let seconds = (f64::from(length) - shown_from as f64) / 48_000.0;
    assert!((3.4..3.6).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_picture_that_starts_late_is_held_from_the_start() {
    let mut video = made(true, 25, 100, 1, 25);
    video.edits = vec![(2 * MOVIE_TIMESCALE, -1), (4 * MOVIE_TIMESCALE, 0)];
    let audio = made(false, 48_000, 300, 960, 1);
    let bytes = make(&[video, audio], Interleaving::Turns, false);
    let film = package_with(&MemorySource::new(bytes), &small_options()).await;
    let samples = film.samples("video");
    assert_eq!((samples[0].presented, samples[0].duration, samples[1].presented), (0, 51, 51));
    assert_eq!(film.samples("audio")[0].presented, 0);
}

#[tokio::test]
async fn sound_that_ends_just_after_a_cut_has_no_segment_of_a_moment() {
    for (frames, segments) in [(200, 1), (201, 1), (224, 1), (225, 2)] {
        let bytes = make(&[made(false, 48_000, frames, 960, 1)], Interleaving::Turns, true);
        let film = package_with(&MemorySource::new(bytes), &small_options()).await;
        assert_eq!(film.segments("audio.m3u8").1.len(), segments, "{frames}");
        assert_eq!(film.samples("audio").len(), frames);
    }
}

#[tokio::test]
async fn a_single_picture_is_held_while_sound_goes_on() {
    let (video, audio) = (made(true, 25, 1, 1, 1), made(false, 48_000, 300, 960, 1));
    let bytes = make(&[video, audio], Interleaving::Turns, true);
    let film = package_with(&MemorySource::new(bytes), &small_options()).await;
    let samples = film.samples("video");
    assert_eq!((samples.len(), samples[0].duration), (1, 150));
}

#[tokio::test]
async fn a_film_whose_tracks_all_start_late_starts_at_0() {
    let (mut video, mut audio) = (made(true, 25, 100, 1, 25), made(false, 48_000, 300, 960, 1));
    video.edits = vec![(3_000, -1), (4_000, 0)];
    audio.edits = vec![(3_000, -1), (4_000, 0)];
    let film =
        package_with(&MemorySource::new(make(&[video, audio], Interleaving::Tracks, true)), &small_options())
            .await;
    assert_eq!((film.samples("video")[0].presented, film.samples("audio")[0].presented), (0, 0));
}
