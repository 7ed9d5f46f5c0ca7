//! The ladder of films that play as they are.

use crate::world::{Film, check_renditions};

#[tokio::test]
async fn a_film_gets_the_rungs_that_it_is_as_large_as_and_its_sound_is_shared() {
    let film = Film::make(
        "film.mp4",
        "-f lavfi -i testsrc2=s=1280x720:r=30000/1001:d=48 -f lavfi -i sine=f=440:r=48000:d=48 \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -bf 2 -b:v 3M -c:a aac -ac 2 @",
    )
    .await;
    assert!(film.movie.encoding().is_none());
    assert!(encode::plan(&film.movie, false).expect("it plans").is_none());
    let plan = film.plan(true);
    assert_eq!(plan.outputs(), ["video-360p.mp4", "video-720p.mp4"]);
    assert_eq!(plan.jobs(), 2);
    let manifests = film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let text = |name: &str| {
        let found = manifests.iter().find(|manifest| manifest.name == name).expect("it is there");
        String::from_utf8(found.body.to_vec()).expect("it is text")
    };
    let playlist = m3u8_rs::parse_master_playlist_res(text("master.m3u8").as_bytes()).expect("it parses");
    let shown = |stream: &&m3u8_rs::VariantStream| !stream.is_i_frame;
    let streams: Vec<_> = playlist.variants.iter().filter(shown).collect();
    assert_eq!(streams.len(), 3);
    assert!(streams.iter().all(|stream| stream.audio.as_deref() == Some("audio")));
    assert_eq!(playlist.variants.len() - streams.len(), 3, "each has its key frames");
    assert_eq!(playlist.alternatives.len(), 1);
    let mpd = dash_mpd_core::parse(&text("manifest.mpd")).expect("it parses");
    let sets = &mpd.periods[0].adaptations;
    assert_eq!(sets.iter().map(|set| set.representations.len()).collect::<Vec<_>>(), [3, 1]);
    assert_eq!(sets[0].subsegmentAlignment, Some(true));
    let last: Vec<&str> = manifests.iter().rev().take(2).map(|manifest| &*manifest.name).collect();
    assert_eq!(last, ["manifest.mpd", "master.m3u8"], "what players start from comes last");
}
