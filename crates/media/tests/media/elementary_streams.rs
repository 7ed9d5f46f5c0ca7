//! What an independent decoder makes of the outputs.

use crate::ffmpeg::{on_disk, packets, run};
use crate::world::{PACKAGED, package_sample, sample_path};

#[tokio::test]
async fn every_film_decodes_whole_without_a_warning() {
    for (name, _) in PACKAGED {
        let directory = on_disk(&package_sample(name).await, name);
        let master = directory.join("master.m3u8");
        let output = run(&["-i", master.to_str().expect("it is text"), "-f", "null", "-"]);
        let warnings = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && warnings.is_empty(), "{name}: {warnings}");
    }
}

#[tokio::test]
async fn elementary_streams_are_copied_bit_for_bit() {
    for (name, has_video) in PACKAGED {
        let directory = on_disk(&package_sample(name).await, &format!("copied-{name}"));
        let tracks = [("0:v:0", "video.mp4"), ("0:a:0", "audio.mp4")];
        for (stream, output) in tracks.into_iter().skip(usize::from(!has_video)) {
            let (source, copied) =
                (packets(&sample_path(name), stream), packets(&directory.join(output), "0:0"));
            // Sound that starts late is led in by silence.
            let lead_in = copied.len() - source.len();
            assert_eq!(lead_in > 0, name.contains("trim_delay") && output == "audio.mp4", "{name}");
            assert!(!source.is_empty() && copied[lead_in..] == source[..], "{name}: {output}");
        }
    }
}
