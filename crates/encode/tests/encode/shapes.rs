//! Films of all shapes: what is encoded has the same pictures at the same times.

use std::path::PathBuf;

use crate::world::{Film, check_renditions, decoded, run};

const SOUND: &str = "-f lavfi -i sine=f=440:r=48000:d=9";
const AAC: &str = "-c:a aac -ac 2";

async fn ladder(name: &str, arguments: &str) -> (Film, Vec<String>) {
    let film = Film::make(name, &format!("{arguments} @")).await;
    let plan = film.plan(true);
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let sizes = plan.renditions.iter().map(|r| format!("{} {}x{}", r.name, r.width, r.height));
    let sizes = sizes.collect();
    (film, sizes)
}

fn pictures(size: &str, rate: &str, more: &str) -> String {
    format!(
        "-f lavfi -i testsrc2=s={size}:r={rate}:d=9 {SOUND} -c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 2 -g 50 \
         {AAC} {more}"
    )
}

#[tokio::test]
async fn odd_rates_keep_their_ticks() {
    for (name, rate) in
        [("film.mp4", "24000/1001"), ("old.mov", "15"), ("fast.mp4", "60000/1001"), ("odd.mkv", "17")]
    {
        let (_, sizes) = ladder(name, &pictures("640x360", rate, "")).await;
        assert_eq!(sizes, ["360p 640x360"]);
    }
}

#[tokio::test]
async fn a_rate_that_varies_is_kept_picture_by_picture() {
    let vary = "-vf select='not(mod(floor(n/24),2))+not(mod(n,3))' -fps_mode vfr";
    let (_, sizes) = ladder("vfr.mp4", &pictures("640x360", "24", vary)).await;
    assert_eq!(sizes, ["360p 640x360"]);
}

#[tokio::test]
async fn pixels_that_are_not_square_become_square() {
    let (_, sizes) = ladder("anamorphic.mp4", &pictures("720x576", "25", "-vf setsar=64/45")).await;
    assert_eq!(sizes, ["360p 640x360"]);
}

#[tokio::test]
async fn a_portrait_is_measured_by_its_short_side() {
    let (_, sizes) = ladder("portrait.mp4", &pictures("720x1280", "30", "")).await;
    assert_eq!(sizes, ["360p 360x640", "720p 720x1280"]);
}

#[tokio::test]
async fn a_wide_film_has_even_sides() {
    let (_, sizes) = ladder("wide.mp4", &pictures("1000x418", "25", "")).await;
    assert_eq!(sizes, ["360p 862x360"]);
}

#[tokio::test]
async fn a_turned_film_is_turned_the_same_way_in_all_renditions() {
    let upright = Film::make("upright.mp4", &format!("{} @", pictures("640x360", "25", ""))).await;
    let upright_path = upright.folder.path().join("upright.mp4");
    let turned: PathBuf = upright.folder.path().join("turned.mp4");
    run("-display_rotation 90 -i @ -c copy @", &[&upright_path, &turned]);
    let film = Film::open(upright.folder, turned).await;
    let plan = film.plan(true);
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let degrees = film.movie.probe().tracks[0].rotation;
    assert!(matches!(degrees, Some(90 | 270)));
    for name in ["video.mp4", "video-360p.mp4"] {
        let file = media::FileSource::open(film.out().join(name)).expect("it is there");
        let probe = media::open(&file).await.expect("it opens").probe();
        assert_eq!(probe.tracks[0].rotation, degrees, "{name}");
        assert_eq!(probe.shown_size(), Some((360, 640)), "{name}");
    }
}

#[tokio::test]
async fn a_trimmed_film_and_its_renditions_show_the_same() {
    let whole = Film::make("whole.mp4", &format!("{} @", pictures("640x360", "25", ""))).await;
    let trimmed: PathBuf = whole.folder.path().join("trimmed.mp4");
    run("-ss 1.0 -i @ -c copy @", &[&whole.folder.path().join("whole.mp4"), &trimmed]);
    let film = Film::open(whole.folder, trimmed).await;
    let plan = film.plan(true);
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let copied = decoded(&film.out().join("video.mp4"), "0:v:0");
    assert_eq!(decoded(&film.out().join("video-360p.mp4"), "0:v:0").len(), copied.len());
}

#[tokio::test]
async fn key_frames_that_need_pictures_from_before_begin_no_piece() {
    let open = "-x264-params open-gop=1:bframes=3:keyint=25:min-keyint=25:scenecut=0";
    let (_, sizes) = ladder("open.mp4", &pictures("640x360", "25", open)).await;
    assert_eq!(sizes, ["360p 640x360"]);
}

#[tokio::test]
async fn woven_fields_are_taken_apart() {
    let film = Film::make(
        "interlaced.mp4",
        "-f lavfi -i testsrc2=s=720x576:r=50:d=5 -f lavfi -i sine=d=5 -vf tinterlace=interleave_top,setfield=tff \
         -c:v libx264 -preset ultrafast -pix_fmt yuv420p -flags +ildct+ilme -x264-params tff=1 -c:a aac @",
    )
    .await;
    let reason = film.movie.encoding().expect("it is encoded").reason;
    assert!(reason.contains("interlaced H.264"), "{reason}");
    let plan = film.plan(false);
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let combed = run(
        "-i @ -vf idet,metadata=print:key=lavfi.idet.multiple.current_frame:file=- -f null -",
        &[&film.out().join("video-360p.mp4")],
    );
    let (woven, all) = (combed.matches("=tff").count(), combed.matches("current_frame=").count());
    assert!(all > 100 && woven * 10 < all, "{woven} of {all} pictures are woven still");
}

#[tokio::test]
async fn key_frames_far_apart_are_no_obstacle() {
    let film = Film::make(
        "rare.mp4",
        "-f lavfi -i testsrc2=s=640x360:r=10:d=60 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 10000 \
         -x264-params scenecut=0 @",
    )
    .await;
    let reason = film.movie.encoding().expect("it is encoded").reason;
    assert!(reason.contains("60 seconds apart"), "{reason}");
    let plan = film.plan(false);
    assert_eq!(plan.jobs(), 1);
    film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let playlist = std::fs::read_to_string(film.out().join("video-360p.m3u8")).expect("it is there");
    assert_eq!(playlist.matches("#EXTINF:4.000000").count(), 15);
}

#[tokio::test]
async fn a_film_of_one_picture_and_a_tiny_one_are_films() {
    for (name, arguments) in [
        ("one.mov", "-f lavfi -i testsrc2=s=640x360 -frames:v 1 -c:v prores_ks @"),
        ("tiny.mov", "-f lavfi -i testsrc2=s=66x50:r=10:d=2 -c:v prores_ks @"),
    ] {
        let film = Film::make(name, arguments).await;
        let plan = film.plan(true);
        film.encode(&plan).await;
        check_renditions(&film, &plan).await;
        assert_eq!(plan.outputs(), [if name == "tiny.mov" { "video-50p.mp4" } else { "video-360p.mp4" }]);
    }
}

#[tokio::test]
async fn hevc_is_copied_and_an_alternative_of_ordinary_brightness_joins_it() {
    let film = Film::make(
        "hdr.mp4",
        "-f lavfi -i testsrc2=s=640x360:r=25:d=5 -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le \
         -x265-params log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -tag:v hvc1 \
         -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc @",
    )
    .await;
    assert!(film.movie.encoding().is_none(), "it plays where it plays at once");
    let plan = film.plan(false);
    assert_eq!(plan.outputs(), ["video-360p.mp4"]);
    let manifests = film.encode(&plan).await;
    check_renditions(&film, &plan).await;
    let master = manifests.iter().find(|manifest| manifest.name == "master.m3u8").expect("it is there");
    let master = String::from_utf8_lossy(&master.body).into_owned();
    let streams: Vec<&str> = master.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")).collect();
    assert!(streams.iter().any(|line| line.contains("hvc1") && line.contains("VIDEO-RANGE=PQ")), "{master}");
    assert!(streams.iter().any(|line| line.contains("avc1") && !line.contains("VIDEO-RANGE=PQ")), "{master}");
    let mpd = manifests.iter().find(|manifest| manifest.name == "manifest.mpd").expect("it is there");
    assert_eq!(String::from_utf8_lossy(&mpd.body).matches("<AdaptationSet").count(), 2);
}
