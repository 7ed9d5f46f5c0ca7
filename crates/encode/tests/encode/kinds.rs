//! Films that browsers do not play as they are.

use media::Becomes;

use crate::world::{Film, check_renditions, loud_from, starts_bright};

/// Pictures that turn from black to white after a second, and sound that sets in with them.
const CUT: &str = "-f lavfi -i color=black:s=SIZE:r=25:d=3,drawbox=c=white:t=fill:enable='gte(t,1)' \
     -f lavfi -i aevalsrc=exprs='gte(t,1)*sin(2*PI*1000*t)':s=48000:d=3";
/// A frame, and what an encoder of sound blurs.
const IN_SYNC_SECONDS: f64 = 0.04;

struct Case {
    name: &'static str,
    size: &'static str,
    codecs: &'static str,
    picture: Becomes,
    sound: Becomes,
}

async fn check(case: &Case) {
    let Case { name, size, codecs, picture, sound } = *case;
    let film = Film::make(name, &format!("{} {codecs} @", CUT.replace("SIZE", size))).await;
    let probe = film.movie.probe();
    let becomes: Vec<Becomes> = probe.tracks.iter().map(|track| track.becomes).collect();
    assert_eq!(becomes, [picture, sound], "{name} {codecs}");
    let encoded = picture == Becomes::Encoded || sound == Becomes::Encoded;
    let reason = film.movie.encoding().map(|encoding| encoding.reason);
    assert_eq!(reason.is_some(), encoded, "{name} {codecs}: {reason:?}");
    let plan = film.plan(false);
    assert_eq!(plan.sounds.len(), usize::from(sound == Becomes::Encoded));
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let loud = loud_from(&film.out().join("audio.mp4"));
    for output in plan.outputs().iter().filter(|name| name.starts_with("video")) {
        let bright = starts_bright(&film.out().join(output));
        assert!((bright - 1.0).abs() < 0.021, "{name} {codecs}: bright from {bright}");
        assert!(
            (loud - bright).abs() < IN_SYNC_SECONDS,
            "{name} {codecs}: loud from {loud}, bright from {bright}"
        );
    }
    assert!((loud - 1.0).abs() < IN_SYNC_SECONDS, "{name} {codecs}: loud from {loud}");
}

const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

#[tokio::test]
async fn sound_that_browsers_do_not_play_is_encoded_and_the_picture_copied() {
    for (name, sound) in [
        ("pcm16.mov", "-c:a pcm_s16le"),
        ("pcm24.mov", "-c:a pcm_s24le -ac 2"),
        ("pcm16be.mov", "-c:a pcm_s16be -ar 44100 -ac 6"),
        ("float.mov", "-c:a pcm_f32le -ar 96000"),
        ("ac3.mp4", "-c:a ac3 -ac 6"),
        ("eac3.mp4", "-c:a eac3 -ac 2"),
        ("mp2.mp4", "-c:a mp2"),
        ("mp3.mp4", "-c:a libmp3lame"),
        ("alac.mov", "-c:a alac"),
        ("ulaw.mov", "-c:a pcm_mulaw -ar 8000 -ac 1"),
    ] {
        let codecs = format!("{H264} {sound}");
        let codecs: &'static str = codecs.leak();
        check(&Case { name, size: "320x180", codecs, picture: Becomes::Copied, sound: Becomes::Encoded })
            .await;
    }
}

#[tokio::test]
async fn pictures_that_browsers_do_not_play_are_encoded() {
    for (name, size, codecs, sound) in [
        ("mpeg2.mp4", "352x288", "-c:v mpeg2video -b:v 2M -bf 2 -g 12 -c:a ac3", Becomes::Encoded),
        ("mpeg4.mp4", "320x180", "-c:v mpeg4 -bf 2 -b:v 1M -c:a aac", Becomes::Copied),
        ("prores.mov", "640x360", "-c:v prores_ks -profile:v 2 -c:a pcm_s16le", Becomes::Encoded),
        ("mjpeg.mov", "320x240", "-c:v mjpeg -pix_fmt yuvj422p -q:v 4 -c:a pcm_s16le", Becomes::Encoded),
        ("dv.mov", "720x576", "-c:v dvvideo -pix_fmt yuv420p -r 25 -c:a pcm_s16le", Becomes::Encoded),
        (
            "high10.mp4",
            "320x180",
            "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a aac",
            Becomes::Copied,
        ),
        (
            "high422.mp4",
            "320x180",
            "-c:v libx264 -preset ultrafast -pix_fmt yuv422p -c:a aac",
            Becomes::Copied,
        ),
        (
            "dnxhd.mov",
            "1280x720",
            "-c:v dnxhd -profile:v dnxhr_lb -pix_fmt yuv422p -c:a aac",
            Becomes::Copied,
        ),
    ] {
        check(&Case { name, size, codecs, picture: Becomes::Encoded, sound }).await;
    }
}

#[tokio::test]
async fn matroska_is_encoded_where_mp4_has_a_way_to_say_what_it_holds() {
    let copied = H264.to_owned();
    for (name, codecs, picture) in [
        ("ac3.mkv", format!("{copied} -c:a ac3"), Becomes::Copied),
        ("eac3.mkv", format!("{copied} -c:a eac3"), Becomes::Copied),
        ("dts.mkv", format!("{copied} -c:a dca -strict -2"), Becomes::Copied),
        ("mp2.mkv", format!("{copied} -c:a mp2"), Becomes::Copied),
        ("mp3.mkv", format!("{copied} -c:a libmp3lame"), Becomes::Copied),
        ("vorbis.mkv", format!("{copied} -c:a libvorbis"), Becomes::Copied),
        ("alac.mkv", format!("{copied} -c:a alac"), Becomes::Copied),
        ("pcm.mkv", format!("{copied} -c:a pcm_s24le"), Becomes::Copied),
        ("float.mkv", format!("{copied} -c:a pcm_f32le"), Becomes::Copied),
        ("mpeg2.mkv", "-c:v mpeg2video -b:v 2M -bf 2 -c:a ac3".to_owned(), Becomes::Encoded),
        ("mpeg4.mkv", "-c:v mpeg4 -b:v 1M -bf 2 -c:a mp2".to_owned(), Becomes::Encoded),
        ("mjpeg.mkv", "-c:v mjpeg -pix_fmt yuvj420p -c:a mp2".to_owned(), Becomes::Encoded),
        ("ffv1.mkv", "-c:v ffv1 -c:a pcm_s16le".to_owned(), Becomes::Encoded),
    ] {
        let codecs: &'static str = codecs.leak();
        check(&Case { name, size: "320x180", codecs, picture, sound: Becomes::Encoded }).await;
    }
}
