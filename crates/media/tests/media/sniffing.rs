use media::{Container, sniff};

#[test]
fn a_file_is_what_its_bytes_say() {
    let mut transport = vec![0; 188 * 3];
    transport.iter_mut().step_by(188).for_each(|byte| *byte = 0x47);
    let cases: [(&[u8], Option<Container>); 16] = [
        (b"\0\0\0\x20ftypisom", Some(Container::Mp4)),
        (b"\0\0\0\x20ftypM4A ", Some(Container::Mp4)),
        (b"\0\0\0\x14ftypqt  ", Some(Container::QuickTime)),
        (b"\0\0\x10\0moov\0\0\0\x6cmvhd", Some(Container::QuickTime)),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", Some(Container::WebM)),
        (b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska", Some(Container::Matroska)),
        (b"RIFF\0\0\0\0AVI LIST", Some(Container::Avi)),
        (b"RIFF\0\0\0\0WAVEfmt ", Some(Container::Wav)),
        (b"OggS\0\x02", Some(Container::Ogg)),
        (b"FLV\x01\x05", Some(Container::Flv)),
        (b"ID3\x04\0", Some(Container::Mp3)),
        (&transport, Some(Container::MpegTs)),
        (b"", None),
        (b"hello, this is a text file that calls itself film.mp4", None),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"%PDF-1.7", None),
    ];
    for (head, expected) in cases {
        assert_eq!(sniff(head), expected, "{:?}", String::from_utf8_lossy(head));
    }
}
