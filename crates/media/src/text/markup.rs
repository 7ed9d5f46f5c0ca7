//! Writes the words of a cue in WebVTT.

use crate::text::Style;

/// Words in the making. Whatever is pushed is text: what WebVTT would read as markup is escaped.
#[derive(Default)]
pub(super) struct Markup {
    out: String,
    wanted: Style,
    open: Style,
    /// A line break that is written when something follows it: a cue ends at an empty line.
    breaks: bool,
    /// Something can be seen.
    visible: bool,
}

impl Markup {
    /// The style of what is pushed from now on.
    pub(super) fn style(&mut self, style: Style) {
        self.wanted = style;
    }

    /// Appends a character.
    pub(super) fn push(&mut self, letter: char) {
        match letter {
            '\n' => self.breaks = true,
            letter if letter.is_control() => {}
            // Before anything else on a line, so that no line looks empty.
            letter if letter.is_ascii_whitespace() && (self.breaks || self.out.is_empty()) => {}
            letter => {
                if self.open != self.wanted {
                    self.close();
                }
                if std::mem::take(&mut self.breaks) && !self.out.is_empty() {
                    self.out.push('\n');
                }
                self.reopen();
                self.visible |= !letter.is_whitespace();
                match letter {
                    '&' => self.out.push_str("&amp;"),
                    '<' => self.out.push_str("&lt;"),
                    '>' => self.out.push_str("&gt;"),
                    letter => self.out.push(letter),
                }
            }
        }
    }

    /// `None` where nothing can be seen.
    pub(super) fn finish(mut self) -> Option<String> {
        self.close();
        self.visible.then_some(self.out)
    }

    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        open.tags().rev().for_each(|tag| self.out.push_str(&format!("</{tag}>")));
    }

    fn reopen(&mut self) {
        if self.open != self.wanted {
            self.wanted.tags().for_each(|tag| self.out.push_str(&format!("<{tag}>")));
            self.open = self.wanted;
        }
    }
}

impl Style {
    fn tags(self) -> impl DoubleEndedIterator<Item = &'static str> {
        let tags = [(self.italic, "i"), (self.bold, "b"), (self.underline, "u")];
        tags.into_iter().filter_map(|(is_on, tag)| is_on.then_some(tag))
    }

    /// Switches what a tag or a code of one letter stands for. `false` for another letter.
    pub(super) fn switch(&mut self, letter: &str, on: bool) -> bool {
        match letter {
            "i" => self.italic = on,
            "b" => self.bold = on,
            "u" => self.underline = on,
            _ => return false,
        }
        true
    }
}
