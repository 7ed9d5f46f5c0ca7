//! Every sample film goes through the whole service.

use anyhow::{Context as _, Result};
use tests::{Film, World, sample};

/// What becomes of a film.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Adaptive,
    Progressive,
    Failed,
}

#[tokio::test]
async fn every_sample_ends_as_it_should() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let fates = [
        ("h264_aac_faststart.mp4", Fate::Adaptive),
        ("h264_aac_moovend.mp4", Fate::Adaptive),
        ("h264_aac_co64.mp4", Fate::Adaptive),
        ("h264_aac_ctts_v1_negative.mp4", Fate::Adaptive),
        ("h264_aac_editlists_trim_delay.mp4", Fate::Adaptive),
        ("h264_aac_fragmented_nosidx.mp4", Fate::Adaptive),
        ("h264_aac_vfr.mp4", Fate::Adaptive),
        ("h264_opengop.mp4", Fate::Adaptive),
        ("hevc_hvc1_aac.mp4", Fate::Adaptive),
        ("hevc_hev1_aac.mp4", Fate::Adaptive),
        ("vp9_opus.mp4", Fate::Adaptive),
        ("av1_opus.mp4", Fate::Adaptive),
        ("audio_only.m4a", Fate::Adaptive),
        ("h264_aac.mkv", Fate::Adaptive),
        ("vp9_opus_live_nocues.webm", Fate::Adaptive),
        ("h264_pcm_rotate90.mov", Fate::Adaptive),
        ("truncated_no_moov.mp4", Fate::Failed),
        ("truncated_mdat_faststart.mp4", Fate::Failed),
        ("corrupt_stco_out_of_range.mp4", Fate::Failed),
        ("corrupt_stsz_count_bomb.mp4", Fate::Failed),
        ("corrupt_stts_run_bomb.mp4", Fate::Failed),
    ];
    let mut wrong = Vec::new();
    for (name, expected) in fates {
        let film = sample(name)?;
        let settled = publisher.settled(&publisher.upload(&film).await?).await?;
        let fate = match settled["state"].as_str() {
            Some("ready") => {
                let id = settled["video_id"].as_str().context("a video")?;
                match publisher.get(&format!("/videos/{id}")).await?.json["streaming"].as_str() {
                    Some("adaptive") => Fate::Adaptive,
                    _ => Fate::Progressive,
                }
            }
            _ => Fate::Failed,
        };
        if fate == Fate::Failed && settled["reason"].as_str().is_none_or(|reason| reason.len() < 20) {
            wrong.push(format!("{name} failed without a reason"));
        }
        if fate != expected {
            wrong.push(format!("{name} ended as {fate:?}, not {expected:?}: {settled}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn what_is_no_video_is_refused_whatever_its_name_and_removed() -> Result<()> {
    let world = World::get().await;
    let publisher = world.person("publisher").await?;
    let text = "This is a text file.\n".repeat(1000);
    for film in [Film::of("film.mp4", text), Film::of("one-byte.mp4", [7]), Film::of("zeros.mov", [0; 4096])]
    {
        let upload = publisher.upload(&film).await?;
        let settled = publisher.settled(&upload).await?;
        assert_eq!(settled["state"], "failed", "{settled}");
        assert!(settled["reason"].as_str().is_some_and(|reason| reason.contains("video")), "{settled}");
        assert!(settled.get("video_id").is_none());
        let Some(stack) = world.stack() else { continue };
        let s3 = stack.endpoint().s3();
        let key = format!("media/{}/original", settled["id"].as_str().unwrap_or_default());
        tests::eventually("the object's removal", async || {
            let head = s3.head_object().bucket(&stack.outputs()["UploadBucket"]).key(&key).send().await;
            Ok(head.is_err().then_some(()))
        })
        .await?;
        // Its owner takes the failed upload off the list.
        let id = settled["id"].as_str().unwrap_or_default();
        assert_eq!(publisher.delete(&format!("/uploads/{id}")).await?.status, 204);
        assert_eq!(publisher.get(&format!("/uploads/{id}")).await?.status, 404);
    }
    Ok(())
}
