//! The command `matinee-media`, by the examples of its README.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command of the README and what it says of its output.
struct Example {
    command: String,
    expected: String,
}

fn examples() -> Vec<Example> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let mut examples: Vec<Example> = Vec::new();
    let mut in_block = false;
    for line in readme.expect("there is a README").lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            examples.push(Example { command: command.into(), expected: String::new() });
        } else if let Some(example) = examples.last_mut().filter(|_| in_block) {
            example.expected += line;
            example.expected.push('\n');
        }
    }
    examples
}

#[test]
fn the_examples_of_the_readme_say_what_it_says() {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_matinee-media"));
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("readme");
    // Of a run before.
    let _ = std::fs::remove_dir_all(&out);
    let directory = binary.parent().expect("it is in a directory");
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap_or_default());
    let examples = examples();
    assert!(examples.len() >= 8, "{} examples were found", examples.len());
    for Example { command, expected } in examples {
        // What goes wrong is shown among the rest, as on a terminal.
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples"))
            .env("PATH", &path)
            .env("OUT", &out)
            .env("LC_ALL", "C")
            .output();
        let output = output.expect("there is a shell");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "$ {command}");
    }
}

#[test]
fn help_is_no_error_and_goes_to_standard_output() {
    let output = Command::new(env!("CARGO_BIN_EXE_matinee-media")).args(["package", "--help"]).output();
    let output = output.expect("it runs");
    assert!(output.status.success() && output.stderr.is_empty());
    let text = String::from_utf8_lossy(&output.stdout);
    for word in ["probe", "package", "hash", "--digest", "Exit codes"] {
        assert!(text.contains(word), "{text}");
    }
}
