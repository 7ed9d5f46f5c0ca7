use std::process::Command;
use std::time::{Duration, Instant};

use media::{MediaError, open};

use crate::world::{MemorySource, sample_path};

const HOSTILE: [(&str, &str); 5] = [
    ("corrupt_stco_out_of_range.mp4", "points past its end"),
    ("corrupt_stsz_count_bomb.mp4", "shorter than it says"),
    ("corrupt_stts_run_bomb.mp4", "disagree"),
    ("truncated_mdat_faststart.mp4", "cut off"),
    ("truncated_no_moov.mp4", "cut off"),
];

#[tokio::test]
async fn hostile_files_are_refused_at_once_with_a_reason() {
    for (name, expected) in HOSTILE {
        let source = MemorySource::sample(name);
        let started = Instant::now();
        let error = open(&source).await.expect_err("it is damaged");
        assert!(started.elapsed() < Duration::from_millis(50), "{name} took {:?}", started.elapsed());
        assert!(matches!(&error, MediaError::Bad { reason } if reason.contains(expected)), "{name}: {error}");
    }
}

#[test]
fn hostile_files_cost_less_than_16_megabytes() {
    for (name, expected) in HOSTILE {
        // The kernel refuses more: an allocation that a file talks the program into would abort it.
        let script = "ulimit -d 16384 && exec \"$0\" probe \"$1\"";
        let binary = env!("CARGO_BIN_EXE_matinee-media");
        let output =
            Command::new("sh").args(["-c", script, binary]).arg(sample_path(name)).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(expected), "{name}: {error}");
    }
}

#[tokio::test]
async fn files_that_are_no_films_are_bad_not_broken() {
    for bytes in
        [&b""[..], b"x", b"a text file named film.mp4", b"\0\0\0\x08ftyp", b"\0\0\0\x08moov\0\0\0\x08mvhd"]
    {
        let error = open(&MemorySource::new(bytes)).await.expect_err("it is no film");
        assert!(error.reason().is_some_and(|reason| reason.ends_with('.')), "{error:?}");
    }
}
