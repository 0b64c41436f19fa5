//! Rust collections inside a PostgreSQL memory context.
//!
//! An aggregate state kept on Rust's heap would be invisible to hash aggregation, which decides by the size of the
//! aggregate's context when to spill. Here every byte of it is palloc'd in that context, and goes away with it; no
//! destructor has to run.

use allocator_api2::alloc::{AllocError, Allocator, Layout};
use pgrx::pg_sys;
use std::ptr::NonNull;

/// What palloc aligns to on every platform we build for.
const PALLOC_ALIGN: usize = 8;

/// Allocates in one memory context. Running out of memory raises PostgreSQL's own error.
#[derive(Clone, Copy)]
pub struct PgAlloc(pg_sys::MemoryContext);

impl PgAlloc {
    /// # Safety
    /// `context` must outlive everything allocated through the value.
    pub unsafe fn new(context: pg_sys::MemoryContext) -> Self {
        PgAlloc(context)
    }

    /// The memory context.
    pub fn context(&self) -> pg_sys::MemoryContext {
        self.0
    }

    fn raw(&self, size: usize) -> Result<NonNull<u8>, AllocError> {
        // SAFETY: the context is alive by the promise of `new`; a failure is raised as an ERROR and unwinds.
        let at = unsafe { pg_sys::MemoryContextAllocHuge(self.0, size) };
        NonNull::new(at.cast()).ok_or(AllocError)
    }
}

// SAFETY: blocks come from palloc and stay valid until freed or until the context goes, which by the promise of `new`
// is after the last use; a copy of the allocator names the same context, so either can free what the other gave.
unsafe impl Allocator for PgAlloc {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let (size, align) = (layout.size(), layout.align());
        if size == 0 {
            return Ok(NonNull::slice_from_raw_parts(NonNull::<u64>::dangling().cast(), 0));
        }
        if align <= PALLOC_ALIGN {
            return Ok(NonNull::slice_from_raw_parts(self.raw(size)?, size));
        }
        // Hash tables ask for 16 bytes: take more, and remember the start of the block just before what is handed out.
        let total = size.checked_add(align + size_of::<usize>()).ok_or(AllocError)?;
        let block = self.raw(total)?;
        let start = block.as_ptr() as usize + size_of::<usize>();
        let offset = start.next_multiple_of(align) - block.as_ptr() as usize;
        // SAFETY: offset + size <= total, and there is room for a usize before it; palloc aligns to 8 and offset is a
        // multiple of 8 from there.
        unsafe {
            let at = block.add(offset);
            at.cast::<usize>().sub(1).write(block.as_ptr() as usize);
            Ok(NonNull::slice_from_raw_parts(at, size))
        }
    }

    unsafe fn deallocate(&self, at: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        // SAFETY: `at` came from `allocate` with this layout, so the block starts there or is remembered before it.
        unsafe {
            let block =
                if layout.align() <= PALLOC_ALIGN { at.as_ptr() as usize } else { at.cast::<usize>().sub(1).read() };
            pg_sys::pfree(block as *mut std::ffi::c_void);
        }
    }

    unsafe fn grow(&self, at: NonNull<u8>, old: Layout, new: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() > 0 && old.align() <= PALLOC_ALIGN && new.align() <= PALLOC_ALIGN {
            // SAFETY: a block of ours without a header before it; repalloc keeps its bytes.
            let moved = unsafe { pg_sys::repalloc_huge(at.as_ptr().cast(), new.size()) };
            let moved = NonNull::new(moved.cast()).ok_or(AllocError)?;
            return Ok(NonNull::slice_from_raw_parts(moved, new.size()));
        }
        let fresh = self.allocate(new)?;
        // SAFETY: both blocks hold at least old.size() bytes and do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(at.as_ptr(), fresh.cast().as_ptr(), old.size());
            self.deallocate(at, old);
        }
        Ok(fresh)
    }
}
