//! Makes MP4 files of any shape, byte by byte, for the properties: what goes in is known exactly.

/// One sample of a made track.
#[derive(Debug, Clone)]
pub struct MadeSample {
    pub duration: u32,
    pub shift: i32,
    pub sync: bool,
    pub data: Vec<u8>,
}

/// One track of a made film.
#[derive(Debug, Clone)]
pub struct MadeTrack {
    pub video: bool,
    pub timescale: u32,
    pub samples: Vec<MadeSample>,
    /// Samples in each chunk; the last repeats.
    pub chunking: Vec<usize>,
    /// Length in the movie's timescale and media time of each edit.
    pub edits: Vec<(u32, i32)>,
}

pub const MOVIE_TIMESCALE: u32 = 1000;

/// The order of the media in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interleaving {
    /// A chunk of each track in turn.
    Turns,
    /// One track after the other.
    Tracks,
    /// The chunks of each track from the last to the first.
    Backwards,
}

fn atom(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// A film with its index before the media, or after.
pub fn make(tracks: &[MadeTrack], interleaving: Interleaving, index_first: bool) -> Vec<u8> {
    let ftyp = atom(b"ftyp", &[b"isom", &words(&[0]), b"isom"]);
    let index_bytes = index(tracks, &place(tracks, interleaving, 0).0).len();
    let media_at = ftyp.len() + 8 + if index_first { index_bytes } else { 0 };
    let (chunks, media) = place(tracks, interleaving, media_at);
    let (index, media) = (index(tracks, &chunks), atom(b"mdat", &[&media]));
    if index_first { [ftyp, index, media].concat() } else { [ftyp, media, index].concat() }
}

/// For each track the sizes in samples and positions of its chunks, and all media bytes.
type Chunks = Vec<Vec<(usize, u32)>>;

fn place(tracks: &[MadeTrack], interleaving: Interleaving, media_at: usize) -> (Chunks, Vec<u8>) {
    let mut chunks: Chunks = Vec::new();
    for track in tracks {
        let (mut left, mut sizes, mut cut) =
            (track.samples.len(), Vec::new(), track.chunking.iter().copied());
        let mut size = 1;
        while left > 0 {
            size = cut.next().unwrap_or(size).clamp(1, left);
            sizes.push((size, 0));
            left -= size;
        }
        chunks.push(sizes);
    }
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (track, chunks) in chunks.iter().enumerate() {
        order.extend((0..chunks.len()).map(|chunk| (track, chunk)));
    }
    match interleaving {
        Interleaving::Turns => order.sort_by_key(|&(track, chunk)| (chunk, track)),
        Interleaving::Tracks => {}
        Interleaving::Backwards => order.reverse(),
    }
    let mut media = Vec::new();
    for (track, chunk) in order {
        let first: usize = chunks[track][..chunk].iter().map(|(size, _)| size).sum();
        let samples = first..first + chunks[track][chunk].0;
        chunks[track][chunk].1 = (media_at + media.len()) as u32;
        tracks[track].samples[samples].iter().for_each(|sample| media.extend_from_slice(&sample.data));
    }
    (chunks, media)
}

const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

fn index(tracks: &[MadeTrack], chunks: &Chunks) -> Vec<u8> {
    let mut mvhd = words(&[0, 0, 0, MOVIE_TIMESCALE, 0, 0x1_0000, 0x100_0000, 0, 0]);
    mvhd.extend(words(&UNITY));
    mvhd.extend(words(&[0, 0, 0, 0, 0, 0, tracks.len() as u32 + 1]));
    let traks: Vec<u8> = tracks
        .iter()
        .zip(chunks)
        .enumerate()
        .flat_map(|(i, (track, chunks))| trak(i as u32 + 1, track, chunks))
        .collect();
    atom(b"moov", &[&atom(b"mvhd", &[&mvhd]), &traks])
}

fn trak(id: u32, track: &MadeTrack, chunks: &[(usize, u32)]) -> Vec<u8> {
    let mut tkhd = words(&[3, 0, 0, id, 0, 0, 0, 0, 0, 0]);
    tkhd.extend(words(&UNITY));
    tkhd.extend(if track.video { words(&[64 << 16, 48 << 16]) } else { words(&[0, 0]) });
    let edits: Vec<u8> =
        track.edits.iter().flat_map(|&(length, time)| words(&[length, time as u32, 0x1_0000])).collect();
    let edts = if edits.is_empty() {
        Vec::new()
    } else {
        atom(b"edts", &[&atom(b"elst", &[&words(&[0, track.edits.len() as u32]), &edits])])
    };
    let mdhd = atom(b"mdhd", &[&words(&[0, 0, 0, track.timescale, 0, 0x15c7_0000])]);
    let handler: &[u8] = if track.video { b"vide" } else { b"soun" };
    let hdlr = atom(b"hdlr", &[&words(&[0, 0]), handler, &words(&[0, 0, 0]), b"\0"]);
    let minf = atom(b"minf", &[&stbl(track, chunks)]);
    atom(b"trak", &[&atom(b"tkhd", &[&tkhd]), &edts, &atom(b"mdia", &[&mdhd, &hdlr, &minf])])
}

fn stbl(track: &MadeTrack, chunks: &[(usize, u32)]) -> Vec<u8> {
    let table = |kind: &[u8; 4], entries: Vec<u32>, words_each: usize| {
        atom(kind, &[&words(&[0, (entries.len() / words_each) as u32]), &words(&entries)])
    };
    let samples = &track.samples;
    let entry = if track.video { vp9_entry() } else { opus_entry() };
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.data.len() as u32).collect();
    let runs = chunks.iter().enumerate().flat_map(|(i, &(size, _))| [i as u32 + 1, size as u32, 1]).collect();
    let syncs = samples.iter().enumerate().filter(|(_, s)| s.sync).map(|(i, _)| i as u32 + 1).collect();
    atom(
        b"stbl",
        &[
            &atom(b"stsd", &[&words(&[0, 1]), &entry]),
            &table(b"stts", samples.iter().flat_map(|s| [1, s.duration]).collect(), 2),
            &table(b"ctts", samples.iter().flat_map(|s| [1, s.shift as u32]).collect(), 2),
            &table(b"stss", syncs, 1),
            &table(b"stsc", runs, 3),
            &atom(b"stsz", &[&words(&[0, 0, sizes.len() as u32]), &words(&sizes)]),
            &table(b"stco", chunks.iter().map(|&(_, position)| position).collect(), 1),
        ],
    )
}

fn vp9_entry() -> Vec<u8> {
    let config = atom(b"vpcC", &[&words(&[0x0100_0000]), &[0, 10, 0x82, 1, 1, 1, 0, 0]]);
    let fields =
        [words(&[0, 1, 0, 0, 0, 0, 64 << 16 | 48, 0x48_0000, 0x48_0000, 0]), vec![0, 1], vec![0; 32]]
            .concat();
    atom(b"vp09", &[&fields, &[0, 24, 0xff, 0xff], &config])
}

fn opus_entry() -> Vec<u8> {
    let config = atom(b"dOps", &[&[0, 2, 1, 56, 0, 0, 0xbb, 0x80, 0, 0, 0]]);
    atom(b"Opus", &[&words(&[0, 1, 0, 0, 2 << 16 | 16, 0, 48_000 << 16]), &config])
}
