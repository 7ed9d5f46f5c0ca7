//! Passwords, read from the terminal without showing them.

use std::io::{BufRead, IsTerminal, Write, stdin};

use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a password on the terminal, or reads a line of standard input that is none.
///
/// # Errors
/// When there is nothing to read from.
pub async fn ask(question: &str) -> Result<String> {
    let hidden = Hidden::start(question);
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for: when somebody presses Ctrl-C instead, it never ends.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = stdin().lock().read_line(&mut line).map(|_| line);
        // Nobody listens any more after Ctrl-C.
        let _unheard = answer.send(read);
    });
    let line = answered.await.context("reading the password")?.context("reading the password")?;
    drop(hidden);
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// While it lives, the terminal does not show what is typed.
struct Hidden {
    shown: Option<Termios>,
}

impl Hidden {
    fn start(question: &str) -> Self {
        if !stdin().is_terminal() {
            return Self { shown: None };
        }
        let mut error_output = std::io::stderr();
        let _unseen = write!(error_output, "{question}").and_then(|()| error_output.flush());
        let shown = tcgetattr(stdin()).ok();
        if let Some(shown) = &shown {
            let mut hidden = shown.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            // A terminal that can't hide what is typed still takes a password.
            let _shown = tcsetattr(stdin(), OptionalActions::Flush, &hidden);
        }
        Self { shown }
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Some(shown) = &self.shown {
            let _gone = tcsetattr(stdin(), OptionalActions::Now, shown);
            eprintln!();
        }
    }
}
