//! Acting as another role, and with a safe search path, for the length of a scope.

use pgrx::pg_sys;
use std::ffi::CStr;

/// Acts as a role until dropped. Used for two things only: fixed statements on the extension's own catalogue (as its
/// owner), and the trigger function's writes (as the owner of the segmentation's tables).
pub struct ActAs {
    user: pg_sys::Oid,
    context: i32,
}

impl ActAs {
    pub fn role(role: pg_sys::Oid) -> Self {
        let (mut user, mut context) = (pg_sys::InvalidOid, 0);
        // SAFETY: plain reads and writes of the backend's identity. The flag marks the change as local, so that SET
        // ROLE is refused inside; an error resets the identity with the transaction.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
            pg_sys::SetUserIdAndSecContext(role, context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
        }
        ActAs { user, context }
    }
}

impl Drop for ActAs {
    fn drop(&mut self) {
        // SAFETY: puts back what `role` found.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) }
    }
}

/// A setting of the session that is changed until dropped.
pub struct Setting {
    level: i32,
}

impl Setting {
    fn set(name: &CStr, value: &CStr) -> Self {
        // SAFETY: the pair of calls that SET clauses of functions use; allowed in parallel workers because the action
        // is a save.
        unsafe {
            let level = pg_sys::NewGUCNestLevel();
            pg_sys::set_config_option(
                name.as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_USERSET,
                pg_sys::GucSource::PGC_S_SESSION,
                pg_sys::GucAction::GUC_ACTION_SAVE,
                true,
                0,
                false,
            );
            Setting { level }
        }
    }

    /// Without compiling expressions: a pass over trades with look-ups has hundreds of them, spends its time in functions
    /// that they call, and would wait seconds for the compiler.
    pub fn interpreted() -> Self {
        Self::set(c"jit", c"off")
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        // While an error unwinds, the end of the transaction does this.
        if !std::thread::panicking() {
            // SAFETY: the level is the one opened by `set`, and scopes nest.
            unsafe { pg_sys::AtEOXact_GUC(true, self.level) }
        }
    }
}

/// Sets `search_path` to pg_catalog and pg_temp until dropped, so that no operator or function of another schema can
/// take the place of PostgreSQL's own in the statements that we run.
pub struct SafePath(#[allow(dead_code)] Setting);

impl SafePath {
    pub fn set() -> Self {
        SafePath(Setting::set(c"search_path", c"pg_catalog, pg_temp"))
    }
}

/// The role whose rights count now.
pub fn current_user() -> pg_sys::Oid {
    // SAFETY: reads a variable of the backend.
    unsafe { pg_sys::GetUserId() }
}
