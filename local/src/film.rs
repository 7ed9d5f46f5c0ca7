//! Films to try things with: a moving test picture and a tone, made by the static ffmpeg of the Python environment.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::project::Project;
use crate::step::Step;

/// What a film is like.
#[derive(Clone, Copy, Debug)]
pub struct Film {
    /// Name of its file, without the ending.
    pub name: &'static str,
    /// How long it plays.
    pub duration_s: u32,
    /// A constant bit rate, for a file of a certain size. Without one, the picture decides.
    pub video_kbit_per_s: Option<u32>,
}

/// The film of the demo world.
pub const DEMO_FILM: Film = Film { name: "Demo film", duration_s: 30, video_kbit_per_s: None };
/// Enough to see that it plays.
pub const SHORT_FILM: Film = Film { name: "Short film", duration_s: 6, video_kbit_per_s: None };
/// About 50 MB, so that there is time to interrupt its upload.
pub const LARGE_FILM: Film = Film { name: "Large film", duration_s: 60, video_kbit_per_s: Some(6500) };

/// Makes a film (720p, H.264 and AAC in MP4, with subtitles), or finds the one made before.
///
/// # Errors
/// When ffmpeg is missing or fails.
pub async fn make(project: &Project, film: &Film) -> Result<PathBuf> {
    let file = project.kept().join(format!("films/{}.mp4", film.name));
    if file.exists() {
        return Ok(file);
    }
    let step = Step::start("film", film.name);
    let folder = file.parent().context("the film lies in no folder")?;
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join("unfinished.mp4");
    let Film { duration_s, .. } = film;
    let mut command = ffmpeg_command(project).await?;
    let subtitles = folder.join("unfinished.srt");
    std::fs::write(&subtitles, says_seconds(*duration_s))?;
    command.args(["-hide_banner", "-y", "-nostats"]);
    command.args(["-f", "lavfi", "-i", &format!("testsrc2=size=1280x720:rate=30:duration={duration_s}")]);
    let tone = format!("sine=frequency=220:beep_factor=4:sample_rate=48000:duration={duration_s}");
    command.args(["-f", "lavfi", "-i", &tone]);
    command.arg("-i").arg(&subtitles).args(["-c:s", "mov_text", "-metadata:s:s:0", "language=eng"]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-pix_fmt", "yuv420p"]);
    match film.video_kbit_per_s {
        None => command.args(["-crf", "26"]),
        Some(rate) => {
            let rate = format!("{rate}k");
            command.args(["-b:v", &rate, "-minrate", &rate, "-maxrate", &rate, "-bufsize", &rate]);
            command.args(["-x264-params", "nal-hrd=cbr"])
        }
    };
    command.args(["-c:a", "aac", "-b:a", "96k", "-ac", "2"]).arg(&unfinished);
    step.run(project, &mut command).await?;
    std::fs::rename(&unfinished, &file)?;
    std::fs::remove_file(&subtitles)?;
    step.done();
    Ok(file)
}

/// Subtitles that say at each second which it is.
fn says_seconds(duration_s: u32) -> String {
    let clock = |second: u32| format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let cue = |second: u32| {
        let clock = clock(second);
        format!("{}\n{clock},000 --> {clock},900\nSecond <i>{second}</i>\n\n", second + 1)
    };
    (0..duration_s).map(cue).collect()
}

/// A command of that ffmpeg.
///
/// # Errors
/// When the environment has none.
pub async fn ffmpeg_command(project: &Project) -> Result<Command> {
    let mut command = Command::new(ffmpeg(project).await?);
    // Linked statically, it crashes when it loads this machine's character sets, which it does for the name of the service in
    // any transport stream. Without them it takes the name as it is.
    command.env("GCONV_PATH", "/nonexistent");
    Ok(command)
}

/// The static ffmpeg of the Python environment.
///
/// # Errors
/// When the environment has none.
pub async fn ffmpeg(project: &Project) -> Result<PathBuf> {
    let ask = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
    let answer = Command::new(project.python()).args(["-c", ask]).output().await?;
    if !answer.status.success() {
        bail!("there is no ffmpeg: {}", String::from_utf8_lossy(&answer.stderr));
    }
    Ok(PathBuf::from(String::from_utf8(answer.stdout)?.trim()))
}
