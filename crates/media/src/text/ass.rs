//! SubStation Alpha, as Matroska has it: fields with commas between them, of which the last are the
//! words. Where they stand and what they look like is left out.

use crate::text::{Markup, Style};

/// Fields before the words: order, layer, style, name, three margins, effect.
const FIELDS: usize = 8;

pub(super) fn words(block: &str) -> Option<String> {
    let mut rest = block.splitn(FIELDS + 1, ',').nth(FIELDS)?;
    let mut markup = Markup::default();
    let mut style = Style::default();
    // What follows are the outlines of a drawing, not words.
    let mut draws = false;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let code = after.chars().next().filter(|_| letter == '\\');
        if letter == '{'
            && let Some((codes, after)) = after.split_once('}')
        {
            codes.split('\\').for_each(|code| apply(code.trim(), &mut style, &mut draws));
            markup.style(style);
            rest = after;
        } else if let Some(code @ ('N' | 'n' | 'h')) = code {
            markup.push(match code {
                'N' => '\n',
                'n' => ' ',
                _ => '\u{a0}',
            });
            rest = &after[1..];
        } else {
            if !draws {
                markup.push(letter);
            }
            rest = after;
        }
    }
    markup.finish()
}

fn apply(code: &str, style: &mut Style, draws: &mut bool) {
    let letters = code.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(code.len());
    let (name, value) = code.split_at(letters);
    let Ok(value) = value.parse::<u32>() else {
        if name == "r" {
            *style = Style::default();
        }
        return;
    };
    match name {
        "p" => *draws = value > 0,
        // Bold may be told as a weight.
        "b" => style.bold = value == 1 || value >= 600,
        name => drop(style.switch(name, value == 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_words_are_what_is_left() {
        let read = |text: &str| words(&format!("3,0,Default,,0,0,0,,{text}"));
        assert_eq!(read("Well, {\\i1}yes{\\i0}\\Nand no").as_deref(), Some("Well, <i>yes</i>\nand no"));
        assert_eq!(read("{\\pos(10,20)\\b1}A{\\r}B\\hC").as_deref(), Some("<b>A</b>B\u{a0}C"));
        assert_eq!(read("{\\p1}m 0 0 l 10 10{\\p0}"), None);
        assert_eq!(read("a <b> & {c").as_deref(), Some("a &lt;b&gt; &amp; {c"));
        assert_eq!(words("1,2,3"), None);
    }
}
