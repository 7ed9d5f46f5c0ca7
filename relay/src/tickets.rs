//! Who may watch. On the second thread, because a signature costs as much time as ten writes to viewers, and a look-up far more.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use live::tickets::VerifyingKeys;
use live::{LiveStore, ViewerId};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::state::State;

/// How often the keys are read. A key isn't signed with before every relay has read it.
const REFRESH: Duration = Duration::from_secs(60);

/// How often they are read while there are none: the relay can admit nobody.
const REFRESH_WITHOUT: Duration = Duration::from_secs(1);

/// How long it is known that a viewer is registered, and that one isn't.
const REGISTERED: Duration = Duration::from_secs(300);
const UNREGISTERED: Duration = Duration::from_secs(5);

/// So many answers are remembered.
const REMEMBERED: usize = 50_000;

/// So many viewers are looked up at a time.
const LOOK_UPS: usize = 64;

/// Whether somebody may watch, asked by the media thread.
pub(crate) struct Question {
    pub viewer: ViewerId,
    pub ticket: Option<Box<str>>,
    pub answer: oneshot::Sender<bool>,
}

/// Answers such questions.
pub(crate) struct Tickets {
    store: LiveStore,
    clock: Arc<Clock>,
    state: Arc<State>,
    required: bool,
    /// The last that could be read.
    keys: Mutex<VerifyingKeys>,
    registered: Mutex<HashMap<ViewerId, (bool, Instant)>>,
    look_ups: Semaphore,
}

impl Tickets {
    /// Without keys yet. With `required` a good ticket gives the right, otherwise being registered does.
    pub fn new(store: LiveStore, clock: Arc<Clock>, state: Arc<State>, required: bool) -> Self {
        state.can_admit.store(!required, Relaxed);
        let (keys, registered) = (Mutex::default(), Mutex::default());
        Self { store, clock, state, required, keys, registered, look_ups: Semaphore::new(LOOK_UPS) }
    }

    /// Keeps the keys fresh, for ever.
    pub async fn refresh(&self) {
        if !self.required {
            return pending().await;
        }
        let mut failing = false;
        loop {
            match self.store.verify_keys().await {
                Ok(keys) => {
                    if std::mem::take(&mut failing) {
                        info!(keys = keys.len(), "ticket keys can be read again");
                    }
                    self.state.can_admit.store(!keys.is_empty(), Relaxed);
                    *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = keys;
                }
                Err(error) => {
                    self.state.metrics.ticket_key_failures.inc();
                    if !std::mem::replace(&mut failing, true) {
                        warn!("ticket keys not read, the known ones stay: {error:#}");
                    }
                }
            }
            sleep(if self.state.can_admit.load(Relaxed) { REFRESH } else { REFRESH_WITHOUT }).await;
        }
    }

    /// Answers for ever.
    pub async fn answer(self: Arc<Self>, mut questions: mpsc::Receiver<Question>) {
        while let Some(Question { viewer, ticket, answer }) = questions.recv().await {
            if self.required {
                let good = ticket.is_some_and(|ticket| self.is_good(&ticket, &viewer));
                // Who asked may have gone meanwhile.
                let _ = answer.send(good);
            } else {
                let tickets = Arc::clone(&self);
                tokio::spawn(async move { answer.send(tickets.is_registered(viewer).await) });
            }
        }
    }

    fn is_good(&self, ticket: &str, viewer: &ViewerId) -> bool {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.verify(ticket, viewer, self.clock.now_ms() / 1_000).is_ok()
    }

    async fn is_registered(&self, viewer: ViewerId) -> bool {
        if let Some((registered, since)) = self.remembered(&viewer)
            && since.elapsed() < if registered { REGISTERED } else { UNREGISTERED }
        {
            return registered;
        }
        let Ok(_permit) = self.look_ups.acquire().await else { return false };
        match self.store.is_registered(&viewer).await {
            Ok(registered) => {
                self.remember(viewer, registered);
                registered
            }
            Err(error) => {
                self.state.metrics.registration_failures.inc();
                warn!("viewer not looked up: {error:#}");
                // Somebody who was registered probably still is.
                self.remembered(&viewer).is_some_and(|(registered, _)| registered)
            }
        }
    }

    fn remembered(&self, viewer: &ViewerId) -> Option<(bool, Instant)> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner).get(viewer).copied()
    }

    fn remember(&self, viewer: ViewerId, registered: bool) {
        let mut remembered = self.registered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            remembered.retain(|_, (registered, since)| *registered && since.elapsed() < REGISTERED);
        }
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert(viewer, (registered, Instant::now()));
    }
}
