use std::sync::atomic::Ordering;

use media::{MediaError, Options, package};

use crate::world::{MemorySource, MemoryStore, package_with, plan_of, small_options};

#[tokio::test]
async fn parts_overlap_up_to_the_limit_and_may_overtake_each_other() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    let expected = package_with(&source, &small_options()).await.files;
    for most in [1, 4] {
        let options = Options { parts_in_flight: most, ..small_options() };
        let store = MemoryStore { part_bytes: options.part_bytes, slow: true, ..MemoryStore::default() };
        let plan = plan_of(&source).await;
        package(&source, &plan, &store, &options).await.expect("it packages");
        assert_eq!(store.most_in_flight.load(Ordering::SeqCst), most);
        assert!(*store.objects.lock().expect("no test panics with it") == expected);
    }
}

#[tokio::test]
async fn a_part_that_fails_fails_the_packaging_wherever_it_is() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    let plan = plan_of(&source).await;
    let options = small_options();
    let parts: u64 =
        plan.outputs().iter().map(|output| output.size_bytes.div_ceil(options.part_bytes as u64)).sum();
    for fails_at in 0..parts as usize {
        let store = MemoryStore {
            part_bytes: options.part_bytes,
            fails_at: Some(fails_at),
            ..MemoryStore::default()
        };
        let error = package(&source, &plan, &store, &options).await.expect_err("a part failed");
        assert!(matches!(error, MediaError::Io(_)) && error.reason().is_none());
        assert!(
            store.objects.lock().expect("no test panics with it").is_empty(),
            "an incomplete output is visible"
        );
    }
}

#[tokio::test]
async fn a_small_film_is_one_part_for_each_output() {
    let source = MemorySource::sample("h264_aac_faststart.mp4");
    let plan = plan_of(&source).await;
    let options = Options::default();
    let store = MemoryStore { part_bytes: options.part_bytes, ..MemoryStore::default() };
    package(&source, &plan, &store, &options).await.expect("it packages");
    assert_eq!(store.parts.load(Ordering::SeqCst), plan.outputs().len());
}
