//! What the encoder is told. Films are anybody's: it reads nothing but its standard input, as MP4, whose
//! boxes were written here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use media::Feed;

use crate::plan::Rendition;

/// Key frames are asked for a little before they are due, since times are rounded on their way.
const EARLY_SECONDS: f64 = 0.000_2;
/// The same for every encoder everywhere: what x264 writes depends on it.
const X264_THREADS: u32 = 4;
const SOUND_BIT_RATE: &str = "128k";

/// One run for all renditions, so that the pictures are decoded once. `key_frames` are in ticks from
/// the start of the piece; `outputs` has a file for each rendition.
pub(crate) fn pictures(
    picture: &Feed,
    renditions: &[Rendition],
    key_frames: &[u64],
    outputs: &[PathBuf],
) -> Vec<OsString> {
    let mut arguments =
        words("-noautorotate -f mp4 -protocol_whitelist pipe -i pipe:0 -an -sn -dn -map_metadata -1");
    arguments.extend(["-filter_complex".into(), filters(picture, renditions).into()]);
    let forced: Vec<String> = key_frames
        .iter()
        .map(|&ticks| ticks as f64 / f64::from(picture.timescale()) - EARLY_SECONDS)
        .map(|seconds| format!("{:.6}", seconds.max(0.0)))
        .collect();
    let forced = forced.join(",");
    let (frames, seconds) = picture.frame_rate().unwrap_or((30, 1));
    for (index, (rendition, output)) in renditions.iter().zip(outputs).enumerate() {
        arguments.extend(["-map".into(), format!("[v{index}]").into()]);
        // Quality decides, up to the rate of the rung: with a mean rate for each piece, pieces would
        // differ in quality at their seams.
        arguments.extend(words("-c:v libx264 -preset veryfast -profile:v high -crf 23"));
        let rate = rendition.video_bit_rate;
        arguments.extend(words(&format!("-maxrate {rate} -bufsize {}", 2 * rate)));
        // All pieces have to come out with the same parameter sets: level and rate are told, not
        // guessed from what there is in the piece.
        let parameters = format!(
            "keyint=infinite:scenecut=0:open-gop=0:threads={X264_THREADS}:level={}:fps={frames}/{seconds}",
            rendition.level
        );
        arguments.extend(["-x264-params".into(), parameters.into()]);
        arguments.extend([
            "-forced-idr".into(),
            "1".into(),
            "-force_key_frames".into(),
            forced.clone().into(),
        ]);
        // Each picture keeps the time that it has in the source, to the tick.
        arguments.extend(words("-fps_mode passthrough -enc_time_base demux"));
        arguments.extend(words(&format!("-video_track_timescale {}", picture.timescale())));
        arguments.extend(mp4(output));
    }
    arguments
}

/// The whole of a track of sound, from presentation time 0 on: what is missing at the start or
/// between is filled with silence.
pub(crate) fn sound(sound: &Feed, output: &Path) -> Vec<OsString> {
    let mut arguments =
        words("-copyts -f mp4 -protocol_whitelist pipe -i pipe:0 -map 0:a:0 -vn -sn -dn -map_metadata -1");
    arguments.extend(words("-af aresample=async=1:first_pts=0"));
    let rate = if sound.sample_rate() == 44_100 { 44_100 } else { 48_000 };
    let channels = sound.channels().min(2);
    arguments.extend(words(&format!("-c:a aac -b:a {SOUND_BIT_RATE} -ar {rate} -ac {channels}")));
    arguments.extend(mp4(output));
    arguments
}

/// An MP4 that tells nothing of when and by what it was written.
fn mp4(output: &Path) -> Vec<OsString> {
    let mut arguments = words("-fflags +bitexact -flags +bitexact -write_btrt 0 -movflags +faststart -f mp4");
    arguments.push(output.into());
    arguments
}

fn filters(picture: &Feed, renditions: &[Rendition]) -> String {
    let mut common = vec!["null".to_owned()];
    if picture.may_be_interlaced() {
        common.push("bwdif=mode=send_frame:deint=interlaced".into());
    }
    if picture.is_hdr()
        && let Some(largest) = renditions.last()
    {
        // In linear light and floating point, which is costly: once, at the largest size.
        let (width, height) = (largest.width, largest.height);
        common.push(format!("zscale=w={width}:h={height}:t=linear:npl=100,format=gbrpf32le,zscale=p=bt709"));
        common.push("tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p".into());
    }
    let labels = |name: &str| -> String { (0..renditions.len()).map(|i| format!("[{name}{i}]")).collect() };
    let mut text = format!("[0:v:0]{},split={}{}", common.join(","), renditions.len(), labels("s"));
    for (index, Rendition { width, height, .. }) in renditions.iter().enumerate() {
        text.push_str(&format!(
            ";[s{index}]scale={width}:{height}:flags=bicubic:out_range=tv,format=yuv420p,setsar=1[v{index}]"
        ));
    }
    text
}

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}
