//! WebVTT that comes in a file: read to words, and written anew.

use crate::text::{Markup, Style, Written};

/// Settings that say where a cue stands.
const SETTINGS: [&str; 5] = ["vertical", "line", "position", "size", "align"];
/// No tag and no entity is longer; what looks like one and goes on is text.
const LONGEST_TAG: usize = 200;
const LONGEST_ENTITY: usize = 10;

/// The words of a cue. Of tags, those of italics, bold and underline are kept.
pub(super) fn words(text: &str) -> Option<String> {
    let mut markup = Markup::default();
    let mut style = Style::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter == '<'
            && let Some((tag, after)) = rest[1..].split_once('>')
            && tag.len() <= LONGEST_TAG
        {
            let name = tag.trim_start_matches('/').split(['.', ' ', '\t', '\n']).next().unwrap_or_default();
            style.switch(name, !tag.starts_with('/'));
            markup.style(style);
            rest = after;
        } else if let Some((entity, after)) = entity(rest) {
            markup.push(entity);
            rest = after;
        } else {
            markup.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    markup.finish()
}

/// A cue of WebM: its name, its settings, and its words.
pub(super) fn block(text: &str) -> Option<Written> {
    let mut lines = text.splitn(3, '\n');
    let (_, given, text) = (lines.next()?, lines.next()?, lines.next()?);
    Some(Written { settings: settings(given), words: words(text)? })
}

/// The settings that are known and well-formed.
pub(super) fn settings(given: &str) -> String {
    let is_fit = |setting: &&str| {
        let Some((name, value)) = setting.split_once(':') else { return false };
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || ".,%-".contains(letter);
        // Three signs make the arrow between times.
        SETTINGS.contains(&name) && !value.is_empty() && value.len() <= 40 && value.chars().all(is_plain)
    };
    given.split_ascii_whitespace().filter(is_fit).collect::<Vec<_>>().join(" ")
}

/// A character that is written as a name at the beginning, and what follows.
fn entity(text: &str) -> Option<(char, &str)> {
    let (name, after) = text.strip_prefix('&')?.split_once(';')?;
    if name.len() > LONGEST_ENTITY {
        return None;
    }
    let letter = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "nbsp" => '\u{a0}',
        "lrm" => '\u{200e}',
        "rlm" => '\u{200f}',
        "quot" => '"',
        "apos" => '\'',
        name => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    Some((letter, after))
}

#[cfg(test)]
mod tests {
    use super::{block, settings, words};

    #[test]
    fn nothing_but_known_tags_is_markup_afterwards() {
        let read = |text: &str| words(text).expect("there are words");
        assert_eq!(read("<v Ann>Hi <i.loud>you</i></v>"), "Hi <i>you</i>");
        assert_eq!(
            read("a &lt;b&gt; &amp; &#60;c&#x3e; &bogus; &"),
            "a &lt;b&gt; &amp; &lt;c&gt; &amp;bogus; &amp;"
        );
        assert_eq!(read("x <00:00:01.000><c>y</c>\n\nz -->"), "x y\nz --&gt;");
        assert_eq!(words("<i></i>\n"), None);
    }

    #[test]
    fn settings_are_kept_where_they_are_well_formed() {
        assert_eq!(settings("line:0 align:start evil:1 position:<b>"), "line:0 align:start");
        let cue = block("id\nline:90%\nWords\nand more").expect("it is a cue");
        assert_eq!((cue.settings.as_str(), cue.words.as_str()), ("line:90%", "Words\nand more"));
        assert_eq!(block("Words"), None);
    }
}
