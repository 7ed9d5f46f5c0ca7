//! What the channels show: films without a seam, so that a channel is one film without end.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::film;
use crate::project::Project;
use crate::step::Step;

/// A channel's picture, as ffmpeg's filters make it, and the pitch of its tone.
struct Picture {
    name: &'static str,
    filter: &'static str,
    tone_hz: u32,
    video_kbit_per_s: u32,
}

/// One for each channel, easy to tell apart.
const PICTURES: [Picture; 3] = [
    Picture { name: "clock", filter: "testsrc2=size=960x540:rate=25", tone_hz: 220, video_kbit_per_s: 1800 },
    Picture {
        name: "bars",
        filter: "smptehdbars=size=960x540:rate=25,drawbox=x='mod(t*200,960)':y=250:w=40:h=40:color=white:t=fill",
        tone_hz: 330,
        video_kbit_per_s: 1200,
    },
    Picture {
        name: "mandelbrot",
        filter: "mandelbrot=size=960x540:rate=25:end_scale=0.05:end_pts=480",
        tone_hz: 440,
        video_kbit_per_s: 1700,
    },
];

/// The pictures and the sound end together: 480 pictures of 40 ms are 900 AAC frames of 1,024 samples at 48 kHz, one of which the
/// encoder puts before the first sample.
const DURATION_S: f64 = 19.2;
const SAMPLES: u32 = 899 * 1024;

/// Multiplexing and the sound, and what the pictures' rate may exceed its mean by for a moment.
const OVERHEAD_KBIT_PER_S: u32 = 500;

/// Makes the films, or finds those made before: H.264 (High) with a key picture every second and AAC in transport streams of a constant
/// rate, so that packets come evenly.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub async fn make(project: &Project) -> Result<Vec<PathBuf>> {
    let folder = project.kept().join("films");
    let mut films = Vec::new();
    for picture in &PICTURES {
        let file = folder.join(format!("live-{}.ts", picture.name));
        if !file.exists() {
            let step = Step::start("channel", picture.name);
            std::fs::create_dir_all(&folder)?;
            // Another process may be making it as well; the last one to rename wins, and both are the same.
            let unfinished =
                folder.join(format!("live-{}-{}.unfinished.ts", picture.name, std::process::id()));
            let mut command = film::ffmpeg_command(project).await?;
            command.args(arguments(picture)).arg(&unfinished);
            step.run(project, &mut command).await?;
            std::fs::rename(&unfinished, &file).context("keeping the film")?;
            step.done();
        }
        films.push(file);
    }
    Ok(films)
}

fn arguments(picture: &Picture) -> Vec<String> {
    let Picture { filter, tone_hz, video_kbit_per_s, .. } = picture;
    let tone = format!("sine=frequency={tone_hz}:beep_factor=4:sample_rate=48000,atrim=end_sample={SAMPLES}");
    let rate = format!("{video_kbit_per_s}k");
    let buffer = format!("{}k", video_kbit_per_s / 2);
    let total = format!("{}k", video_kbit_per_s + OVERHEAD_KBIT_PER_S);
    let input = ["-hide_banner", "-y", "-nostats", "-f", "lavfi", "-i", filter, "-f", "lavfi", "-i", &tone];
    let duration = DURATION_S.to_string();
    let video = [
        "-frames:v",
        "480",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-profile:v",
        "high",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "25",
        "-keyint_min",
        "25",
        "-sc_threshold",
        "0",
        "-b:v",
        &rate,
        "-maxrate",
        &rate,
        "-bufsize",
        &buffer,
    ];
    let audio = ["-c:a", "aac", "-b:a", "96k", "-ac", "2"];
    // Tables before every key picture, so that whoever joins needs not wait for them.
    let multiplex = ["-t", &duration, "-muxrate", &total, "-pat_period", "0.2", "-f", "mpegts"];
    let all = [&input[..], &video, &audio, &multiplex].concat();
    all.into_iter().map(str::to_owned).collect()
}
