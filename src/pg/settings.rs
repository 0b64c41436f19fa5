//! The extension's settings.

use pgrx::{pg_sys, GucContext, GucFlags, GucRegistry, GucSetting};
use std::ffi::CString;

/// Which segmentation is meant where a call names none. Default: none, which is enough while there is only one.
static DEFAULT_SEGMENTATION: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// Whether long calls say once a second what they are doing. On, because a fit may take minutes.
static PROGRESS: GucSetting<bool> = GucSetting::<bool>::new(true);

pub fn default_segmentation() -> Option<String> {
    DEFAULT_SEGMENTATION.get().map(|s| s.to_string_lossy().into_owned()).filter(|s| !s.is_empty())
}

pub fn progress() -> bool {
    PROGRESS.get()
}

/// `maintenance_work_mem` in bytes: what a fit may take.
pub fn fit_memory() -> usize {
    // SAFETY: reads a setting of the backend, on its thread.
    unsafe { pg_sys::maintenance_work_mem as usize * 1024 }
}

/// Threads of a fit: `max_parallel_maintenance_workers`, at least one, at most one a processor.
pub fn fit_threads() -> usize {
    // SAFETY: as above.
    let wanted = unsafe { pg_sys::max_parallel_maintenance_workers }.max(1) as usize;
    wanted.min(std::thread::available_parallelism().map_or(1, usize::from))
}

pub fn init() {
    GucRegistry::define_string_guc(
        c"pg_segmentation.default_segmentation",
        c"Segmentation meant where a call names none.",
        c"Needed only where there are several.",
        &DEFAULT_SEGMENTATION,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_bool_guc(
        c"pg_segmentation.progress",
        c"Whether a fit says once a second what it is doing.",
        c"The lines are NOTICEs.",
        &PROGRESS,
        GucContext::Userset,
        GucFlags::default(),
    );
    // SAFETY: called once, from _PG_init, with a constant string.
    unsafe {
        #[cfg(any(feature = "pg13", feature = "pg14"))]
        pg_sys::EmitWarningsOnPlaceholders(c"pg_segmentation".as_ptr());
        #[cfg(not(any(feature = "pg13", feature = "pg14")))]
        pg_sys::MarkGUCPrefixReserved(c"pg_segmentation".as_ptr());
    }
}
