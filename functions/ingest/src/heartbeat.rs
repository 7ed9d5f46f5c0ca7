//! Keeping a lease, or a message, while working on it.

use std::time::Duration;

use anyhow::bail;
use aws_sdk_sqs::Client as Sqs;
use library::{ContentId, Contents, Lease, Renewal};
use tokio::time::Instant;

/// A queue message in this worker's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery<'a> {
    pub(crate) sqs: &'a Sqs,
    pub(crate) queue_url: &'a str,
    /// None in an event that came from no queue.
    pub(crate) receipt_handle: Option<&'a str>,
}

impl Delivery<'_> {
    /// Lets the message come again after so long, unless it is deleted before. It is no error if this fails: then the
    /// message comes when the queue's own setting says.
    pub(crate) async fn return_after(&self, delay: Duration) {
        let Some(receipt_handle) = self.receipt_handle else { return };
        let seconds = i32::try_from(delay.as_secs_f64().ceil() as u64).unwrap_or(i32::MAX).min(43_200);
        let change = self
            .sqs
            .change_message_visibility()
            .queue_url(self.queue_url)
            .receipt_handle(receipt_handle)
            .visibility_timeout(seconds);
        if let Err(error) = change.send().await {
            tracing::warn!(
                error = format!("{:#}", anyhow::Error::new(error)),
                "the message keeps its visibility timeout"
            );
        }
    }
}

/// Nobody lists the content any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

/// Keeps the message hidden for `at_most` at a time: that is how long it is missing when the worker dies. Never returns.
pub(crate) async fn hide(delivery: Delivery<'_>, at_most: Duration) -> std::convert::Infallible {
    loop {
        delivery.return_after(at_most).await;
        tokio::time::sleep(at_most / 3).await;
    }
}

/// Renews the lease, and keeps the message hidden, three times in each lease's duration; both end soon after
/// the worker dies. Never returns while that succeeds, but when nobody lists the content any more: then the work is to
/// stop, and what it made to be removed.
///
/// # Errors
/// The lease was lost, or could not be renewed before it ran out: the worker must stop.
pub(crate) async fn keep(
    contents: &Contents,
    id: ContentId,
    lease: &Lease,
    delivery: Delivery<'_>,
) -> anyhow::Result<Gone> {
    let mut held_until = Instant::now() + lease.duration;
    loop {
        delivery.return_after(lease.duration + lease.duration / 2).await;
        tokio::time::sleep(lease.duration / 3).await;
        let began = Instant::now();
        match contents.renew(id, lease).await {
            Ok(Renewal::Renewed) => held_until = began + lease.duration,
            Ok(Renewal::Lost) => bail!("the lease was lost"),
            Ok(Renewal::Gone) => return Ok(Gone),
            // The work is as good as done, and needs no lease for what follows.
            Ok(Renewal::Past) => std::future::pending().await,
            Err(error) if Instant::now() >= held_until => {
                return Err(error.context("the lease ran out because it could not be renewed"));
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the lease was not renewed"),
        }
    }
}
