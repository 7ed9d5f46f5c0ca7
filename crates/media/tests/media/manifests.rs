use dash_mpd_core::parse as parse_mpd;
use m3u8_rs::{parse_master_playlist_res, parse_media_playlist_res};

use crate::world::{Film, MemorySource, PACKAGED, package_sample, plan_of};

/// Whether the playlists parse and lead to all bytes but those before the first segment.
pub fn check_playlists(name: &str, film: &Film) {
    let master = film.manifest("master.m3u8");
    let master = parse_master_playlist_res(master.as_bytes()).expect("it parses");
    let media = master.variants.iter().filter(|v| !v.is_i_frame).map(|v| v.uri.clone());
    let sounds = master.alternatives.iter().filter_map(|alternative| alternative.uri.clone());
    let mut playlists = 0;
    for uri in media.chain(sounds) {
        let text = film.manifest(&uri);
        let playlist = parse_media_playlist_res(text.as_bytes()).expect("it parses");
        assert!(playlist.end_list);
        let mut position = None;
        for segment in &playlist.segments {
            let range = segment.byte_range.as_ref().expect("there is a range");
            let start = range.offset.expect("there is an offset");
            assert_eq!(*position.get_or_insert(start), start, "{name}: {uri} has a gap");
            assert_eq!(&film.files[&segment.uri][start as usize + 4..start as usize + 8], b"moof");
            position = Some(start + range.length);
            assert!(f64::from(segment.duration).round() as u64 <= playlist.target_duration);
        }
        assert_eq!(position, Some(film.files[&playlist.segments[0].uri].len() as u64));
        playlists += 1;
    }
    assert_eq!(playlists, film.files.len(), "{name}");
}

#[tokio::test]
async fn playlists_name_every_byte_of_every_segment() {
    for (name, _) in PACKAGED {
        check_playlists(name, &package_sample(name).await);
    }
}

#[tokio::test]
async fn the_master_playlist_tells_what_players_choose_by() {
    let film = package_sample("h264_aac_faststart.mp4").await;
    let text = film.manifest("master.m3u8");
    let master = parse_master_playlist_res(text.as_bytes()).expect("it parses");
    let variant = master.variants.iter().find(|variant| !variant.is_i_frame).expect("there is a variant");
    assert!(master.independent_segments);
    assert_eq!(variant.codecs.as_deref(), Some("avc1.64000c,mp4a.40.2"));
    assert_eq!(variant.resolution.map(|size| (size.width, size.height)), Some((320, 180)));
    assert_eq!(variant.frame_rate, Some(24.0));
    assert!(variant.average_bandwidth.is_some_and(|mean| mean <= variant.bandwidth));
    let seconds = 6.0;
    let bytes: usize = film.files.values().map(Vec::len).sum();
    let mean = variant.average_bandwidth.expect("it is there") as f64;
    assert!((mean / (bytes as f64 * 8.0 / seconds) - 1.0).abs() < 0.02, "{mean}");
}

#[tokio::test]
async fn key_frame_ranges_hold_one_whole_key_frame() {
    let film = package_sample("h264_aac_faststart.mp4").await;
    let (_, frames) = film.segments("video-iframes.m3u8");
    let samples = film.samples("video");
    let keys: Vec<_> = samples.iter().filter(|sample| sample.sync).collect();
    // The segment of four seconds has a second key frame in its middle.
    assert_eq!((frames.len(), keys.len()), (2, 3));
    assert!(frames[0].ends_with(&keys[0].data));
    assert!(frames[1].ends_with(&keys[2].data));
}

/// Whether the MPD parses and points at the index of each file.
pub fn check_mpd(film: &Film) {
    let mpd = parse_mpd(&film.manifest("manifest.mpd")).expect("it parses");
    assert_eq!(mpd.profiles.as_deref(), Some("urn:mpeg:dash:profile:isoff-on-demand:2011"));
    let sets = &mpd.periods[0].adaptations;
    let has_video = film.files.contains_key("video.mp4");
    assert_eq!(sets.iter().any(|set| set.contentType.as_deref() == Some("video")), has_video);
    assert_eq!(sets.len(), film.files.len());
    for representation in sets.iter().flat_map(|set| &set.representations) {
        let file = &film.files[&representation.BaseURL[0].base];
        let base = representation.SegmentBase.as_ref().expect("there is a base");
        let range = base.indexRange.as_deref().expect("there is an index");
        let (start, end) = range.split_once('-').expect("it is a range");
        let (start, end): (usize, usize) = (start.parse().expect("number"), end.parse().expect("number"));
        assert_eq!(&file[start + 4..start + 8], b"sidx");
        assert_eq!(&file[end + 5..end + 9], b"moof");
        let init = base.Initialization.as_ref().and_then(|init| init.range.clone());
        assert_eq!(init, Some(format!("0-{}", start - 1)));
        let codecs = representation.codecs.as_deref().expect("there are codecs");
        assert!(codecs.contains('.') || ["opus", "fLaC"].contains(&codecs), "{codecs}");
    }
}

#[tokio::test]
async fn the_mpd_points_at_the_index_of_each_file() {
    for (name, has_video) in PACKAGED {
        let film = package_sample(name).await;
        assert_eq!(film.files.contains_key("video.mp4"), has_video);
        check_mpd(&film);
    }
}

#[tokio::test]
async fn manifests_take_three_reads_at_most_and_no_media() {
    for (name, _) in PACKAGED {
        let source = MemorySource::sample(name);
        let plan = plan_of(&source).await;
        assert!(!plan.manifests().is_empty());
        assert!(source.reads() <= 3, "{name} took {}", source.reads());
    }
}
