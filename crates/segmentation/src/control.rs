//! How a long computation is told to stop and says how far it is.
//!
//! The computation runs on worker threads, which must not call PostgreSQL. So the backend thread watches for a
//! cancel and sets `stop`; workers look at it between chunks of at most a few milliseconds.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Mutex;

/// Shared between the thread that waits and the threads that compute.
#[derive(Default)]
pub struct Control {
    stop: AtomicBool,
    phase: Mutex<String>,
}

impl Control {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks every worker to give up at its next [`Control::check`].
    pub fn cancel(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// `Err` (kind `Cancelled`) once [`Control::cancel`] was called; call it between chunks of work.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Says what is being done now, such as `k = 4: start 3 of 10`; the waiting thread shows the latest one.
    pub fn phase(&self, text: impl Into<String>) {
        if let Ok(mut phase) = self.phase.lock() {
            *phase = text.into();
        }
    }

    /// The latest phase, empty before the first.
    pub fn current_phase(&self) -> String {
        self.phase.lock().map(|p| p.clone()).unwrap_or_default()
    }
}
