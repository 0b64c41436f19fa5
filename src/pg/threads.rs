//! Runs a computation on threads of its own while the backend stays able to answer a cancel.
//!
//! Worker threads never touch PostgreSQL. They are started with every signal blocked, so that a signal handler of the
//! backend never runs on one of them. The backend's thread waits, looks at interrupts every few milliseconds, and
//! shows progress; when an interrupt ends the statement, the error unwinds through [`Running`], which stops and joins
//! the workers before PostgreSQL gets to see it.

use crate::pg::error::{debug, notice, Failure, Result};
use crate::pg::settings;
use pgrx::PgSqlErrorCode;
use segmentation::Control;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::mpsc::{channel, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the waiting thread looks at interrupts.
const POLL: Duration = Duration::from_millis(5);
/// At most one NOTICE a second.
const PROGRESS: Duration = Duration::from_secs(1);

/// Blocks every signal for this thread, and so for the threads it starts, until dropped.
struct SignalsBlocked(libc::sigset_t);

impl SignalsBlocked {
    fn new() -> Self {
        // SAFETY: both sets are valid for the length of the calls; blocking signals for the time it takes to start
        // threads delays them, it loses none.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
            SignalsBlocked(before)
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: restores the mask that `new` found.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}

/// A pool at work. Dropping it tells the work to stop and waits until the last thread is gone.
struct Running {
    control: Arc<Control>,
    pool: Option<rayon::ThreadPool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.control.cancel();
        drop(self.pool.take());
        for thread in self.threads.drain(..) {
            // A panic of the work was caught and reported already.
            let _ = thread.join();
        }
    }
}

/// Runs `work` on a private pool of [`settings::fit_threads`] threads. Raises the interrupt that ends the statement,
/// if there is one; the work then has stopped by the time it is raised.
pub fn compute<T: Send + 'static>(
    work: impl FnOnce(&Control) -> segmentation::Result<T> + Send + 'static,
) -> Result<T> {
    let count = settings::fit_threads();
    let control = Arc::new(Control::new());
    let started = Mutex::new(Vec::new());
    let blocked = SignalsBlocked::new();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .spawn_handler(|thread| {
            let handle = std::thread::Builder::new().name("segmentation".into()).spawn(|| thread.run())?;
            started.lock().map_err(|_| std::io::Error::other("a thread failed"))?.push(handle);
            Ok(())
        })
        .build();
    drop(blocked);
    // From here on whatever ends this function joins the threads; a debug message, too, may raise an interrupt.
    let mut running = Running { control, pool: None, threads: started.into_inner().unwrap_or_default() };
    let pool = pool.map_err(|e| {
        Failure::new(PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES, format!("could not start {count} threads: {e}"))
            .hint("lower max_parallel_maintenance_workers")
    })?;
    let (sender, answer) = channel();
    let shared = running.control.clone();
    let pool = running.pool.insert(pool);
    debug(&format!("pg_segmentation: computing on {count} threads"));
    pool.spawn(move || {
        // rayon would abort the process on a panic here, and with it the server.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&shared)));
        let _ = sender.send(outcome);
    });
    let mut last = Instant::now();
    let outcome = loop {
        match answer.recv_timeout(POLL) {
            Ok(outcome) => break outcome,
            Err(RecvTimeoutError::Timeout) => {
                pgrx::check_for_interrupts!();
                if settings::progress() && last.elapsed() >= PROGRESS {
                    last = Instant::now();
                    notice(&running.control.current_phase());
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::new(
                    PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
                    "the computation ended without an answer",
                ))
            }
        }
    };
    drop(running);
    match outcome {
        Ok(result) => Ok(result?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
