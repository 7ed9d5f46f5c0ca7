//! SubRip: words with a few tags of HTML, and now and then a code of SubStation Alpha.

use crate::text::{Markup, Style};

/// No tag is longer; what looks like one and goes on is text.
const LONGEST_TAG: usize = 200;

pub(super) fn words(text: &str) -> Option<String> {
    let mut markup = Markup::default();
    let mut style = Style::default();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(after) = tag(rest, &mut style) {
            markup.style(style);
            rest = after;
            continue;
        }
        markup.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    markup.finish()
}

/// What follows a tag at the beginning.
fn tag<'a>(text: &'a str, style: &mut Style) -> Option<&'a str> {
    let (inner, after) = if let Some(tag) = text.strip_prefix('<') {
        tag.split_once('>')?
    } else {
        text.strip_prefix("{\\")?.split_once('}')?
    };
    if inner.len() > LONGEST_TAG {
        return None;
    }
    if text.starts_with('{') {
        return Some(after);
    }
    let inner = inner.to_ascii_lowercase();
    let name = inner.trim_start_matches('/').split([' ', '\t']).next().unwrap_or_default();
    let known = style.switch(name, !inner.starts_with('/')) || name == "font";
    known.then_some(after)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_few_tags_are_kept_and_the_rest_is_text() {
        let read = |text: &str| words(text).expect("there are words");
        assert_eq!(read("One <I>two</i>\r\nthree"), "One <i>two</i>\nthree");
        assert_eq!(read("{\\an8}<font color=\"red\">up</font> <b>x"), "up <b>x</b>");
        assert_eq!(
            read("<script>alert(1)</script> a --> b & c"),
            "&lt;script&gt;alert(1)&lt;/script&gt; a --&gt; b &amp; c"
        );
        assert_eq!(read("1 < 2\n\n\nafter"), "1 &lt; 2\nafter");
        assert_eq!(words(" \n <i> </i>\u{0}"), None);
    }
}
