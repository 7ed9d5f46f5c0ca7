//! Text in samples of MP4: 3GPP timed text (3GPP TS 26.245, section 5.17) and WebVTT (ISO/IEC
//! 14496-30, section 7).

use bytes::Bytes;

use crate::boxes::{be_u16, boxes};
use crate::text::webvtt::{settings, words};
use crate::text::{Markup, Style, Written};

/// Styles of one sample. More are none that a person made.
const MOST_STYLES: usize = 1_000;
/// Cues of one sample.
const MOST_CUES: usize = 100;

/// The style that the bits of a face stand for.
pub(super) fn face(bits: u8) -> Style {
    Style { bold: bits & 1 != 0, italic: bits & 2 != 0, underline: bits & 4 != 0 }
}

/// The words of a sample, with the styles that it tells for some of its characters.
pub(super) fn tx3g(sample: &[u8], plain: Style) -> Option<String> {
    let length = usize::from(be_u16(sample, 0));
    let text = sample.get(2..)?;
    let (text, after) = text.split_at_checked(length).unwrap_or((text, &[]));
    let text = match text.strip_prefix(&[0xfe, 0xff]) {
        Some(wide) => {
            let units = wide.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        None => String::from_utf8_lossy(text).into_owned(),
    };
    let styled = styles(after);
    let mut markup = Markup::default();
    for (index, letter) in text.chars().enumerate() {
        let told = styled.iter().find(|(characters, _)| characters.contains(&index));
        markup.style(told.map_or(plain, |(_, style)| *style));
        // A line may end as on old Macintoshes.
        markup.push(if letter == '\r' { '\n' } else { letter });
    }
    markup.finish()
}

/// From the box `styl`: characters, and their style.
fn styles(after: &[u8]) -> Vec<(std::ops::Range<usize>, Style)> {
    let after = Bytes::copy_from_slice(after);
    let Some(found) = boxes(&after).map_while(Result::ok).find(|found| &found.kind == b"styl") else {
        return Vec::new();
    };
    let count = usize::from(be_u16(&found.body, 0)).min(MOST_STYLES);
    let records = found.body.get(2..).unwrap_or_default().chunks_exact(12).take(count);
    records.map(|record| (be_u16(record, 0).into()..be_u16(record, 2).into(), face(record[6]))).collect()
}

/// The cues of a sample of WebVTT.
pub(super) fn wvtt(sample: &[u8]) -> Vec<Written> {
    let sample = Bytes::copy_from_slice(sample);
    let cues = boxes(&sample).map_while(Result::ok).filter(|found| &found.kind == b"vttc").take(MOST_CUES);
    let read = cues.filter_map(|cue| {
        let part = |kind: &[u8; 4]| {
            let found = boxes(&cue.body).map_while(Result::ok).find(|found| found.kind == *kind);
            found.map(|found| String::from_utf8_lossy(&found.body).into_owned())
        };
        let words = words(&part(b"payl")?)?;
        Some(Written { settings: settings(&part(b"sttg").unwrap_or_default()), words })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Style, tx3g, wvtt};
    use crate::boxes::put_box;

    fn sample(text: &[u8], after: &[u8]) -> Vec<u8> {
        [&(text.len() as u16).to_be_bytes()[..], text, after].concat()
    }

    #[test]
    fn timed_text_is_utf_8_or_utf_16_with_styles_by_character() {
        let mut styl = Vec::new();
        put_box(&mut styl, b"styl", |out| {
            out.extend_from_slice(&[0, 1, 0, 4, 0, 7, 0, 1, 2, 18, 255, 255, 255, 255]);
        });
        let plain = Style::default();
        assert_eq!(
            tx3g(&sample("Ähm one\rtwo".as_bytes(), &styl), plain).as_deref(),
            Some("Ähm <i>one</i>\ntwo")
        );
        let wide: Vec<u8> = "\u{feff}é<".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(tx3g(&sample(&wide, &[]), plain).as_deref(), Some("é&lt;"));
        assert_eq!(tx3g(&[0, 0], plain), None);
        let bold = Style { bold: true, ..plain };
        assert_eq!(tx3g(&sample(b"x", &[]), bold).as_deref(), Some("<b>x</b>"));
        // Cut off, and not in any encoding.
        assert_eq!(tx3g(&[0, 200, b'a', 0xff, b'b'], plain).as_deref(), Some("a\u{fffd}b"));
    }

    #[test]
    fn a_sample_of_webvtt_may_have_several_cues() {
        let mut bytes = Vec::new();
        for (setting, text) in [("line:0", "one"), ("", "<b>two</b>")] {
            put_box(&mut bytes, b"vttc", |out| {
                put_box(out, b"sttg", |out| out.extend_from_slice(setting.as_bytes()));
                put_box(out, b"payl", |out| out.extend_from_slice(text.as_bytes()));
            });
        }
        let cues = wvtt(&bytes);
        let read: Vec<(&str, &str)> = cues.iter().map(|c| (c.settings.as_str(), c.words.as_str())).collect();
        assert_eq!(read, [("line:0", "one"), ("", "<b>two</b>")]);
        assert!(wvtt(&[0, 0, 0, 8, b'v', b't', b't', b'e']).is_empty());
    }

    proptest! {
        /// Whatever comes in, what goes out is safe to be put into a WebVTT.
        #[test]
        fn nothing_breaks_out_of_a_cue(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            use crate::text::Form;
            for form in [Form::Tx3g { plain: Style::default() }, Form::Wvtt, Form::Srt, Form::Ass, Form::WebVtt, Form::WebM] {
                check(form, &bytes)?;
            }
        }

        #[test]
        fn no_markup_breaks_out_of_a_cue(text in "[<>&/;ibu\\\\{}N\n:, ->#x3amplt]{0,60}") {
            use crate::text::Form;
            for form in [Form::Srt, Form::WebVtt] {
                check(form, text.as_bytes())?;
            }
            check(Form::Ass, format!("0,0,Default,,0,0,0,,{text}").as_bytes())?;
            check(Form::WebM, format!("\n{text}\n{text}").as_bytes())?;
            check(Form::Tx3g { plain: Style::default() }, &sample(text.as_bytes(), &[]))?;
        }
    }

    fn check(form: crate::text::Form, bytes: &[u8]) -> Result<(), TestCaseError> {
        for cue in form.read(bytes) {
            prop_assert!(!cue.words.contains("-->") && !cue.settings.contains("-->"), "{cue:?}");
            prop_assert!(!cue.words.starts_with('\n') && !cue.words.contains("\n\n"), "{cue:?}");
            prop_assert!(!cue.settings.contains('\n') && !cue.words.trim().is_empty(), "{cue:?}");
            let mut rest = cue.words.as_str();
            while let Some((_, tag)) = rest.split_once('<') {
                let (tag, after) = tag.split_once('>').expect("tags are closed");
                prop_assert!(["i", "b", "u", "/i", "/b", "/u"].contains(&tag), "{tag}");
                rest = after;
            }
            for entity in cue.words.split('&').skip(1) {
                prop_assert!(["amp;", "lt;", "gt;"].iter().any(|name| entity.starts_with(name)), "{entity}");
            }
        }
        Ok(())
    }
}
