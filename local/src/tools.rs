//! What a machine must have, and how to get it.

use std::fmt;

use anyhow::{Result, bail};
use tokio::process::Command;

/// A program of the machine.
struct Tool {
    program: &'static str,
    /// The oldest version that works: major and minor.
    at_least: (u32, u32),
    how_to_get_it: &'static str,
}

const PYTHON: Tool = Tool {
    program: "python3",
    at_least: (3, 11),
    how_to_get_it: "https://www.python.org/downloads, or your system's packages",
};
const NODE: Tool = Tool { program: "node", at_least: (20, 19), how_to_get_it: "https://nodejs.org" };
const NPM: Tool =
    Tool { program: "npm", at_least: (9, 0), how_to_get_it: "it comes with Node, https://nodejs.org" };

/// Looks for every tool that is needed.
///
/// # Errors
/// Names all that are missing or too old, with how to get them.
pub async fn check(with_pages: bool) -> Result<()> {
    let tools: &[Tool] = if with_pages { &[PYTHON, NODE, NPM] } else { &[PYTHON] };
    let mut complaints = Vec::new();
    for tool in tools {
        match tool.version().await {
            Some(version) if version >= tool.at_least => {}
            Some((major, minor)) => complaints.push(format!("  {tool}; this machine has {major}.{minor}")),
            None => complaints.push(format!("  {tool}; this machine has none")),
        }
    }
    if complaints.is_empty() {
        return Ok(());
    }
    bail!("Matinee needs what this machine does not have:\n{}", complaints.join("\n"))
}

impl Tool {
    async fn version(&self) -> Option<(u32, u32)> {
        let answer = Command::new(self.program).arg("--version").output().await.ok()?;
        version_in(&String::from_utf8(answer.stdout).ok()?)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.at_least;
        write!(f, "{} {major}.{minor} or later ({})", self.program, self.how_to_get_it)
    }
}

/// Major and minor of a version somewhere in what a program says, as in `Python 3.11.7` or `v20.20.2`.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut numbers = digits.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        assert_eq!(version_in("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(version_in("v20.20.2\n"), Some((20, 20)));
        assert_eq!(version_in("10.8.2"), Some((10, 8)));
        assert_eq!(version_in("command not found"), None);
    }
}
