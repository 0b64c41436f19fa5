//! One error type for the crate; the extension maps [`Kind`] to an SQLSTATE and nothing else.

/// What went wrong, in the terms of PostgreSQL's error classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An argument outside its allowed values (22023).
    InvalidParameter,
    /// A number outside the range a type can hold (22003).
    OutOfRange,
    /// Text that does not parse as the type (22P02).
    InvalidText,
    /// Binary input or stored bytes that do not decode (22P03).
    InvalidBinary,
    /// Stored bytes that were valid once and are not now, or are of an unknown version (XX001).
    Corrupted,
    /// A limit of the program (54000).
    LimitExceeded,
    /// The data cannot answer the question asked, such as more segments than distinct rows (55000).
    NotReady,
    /// Sensible, but not for this algorithm (0A000).
    Unsupported,
    /// The caller asked to stop (57014).
    Cancelled,
}

/// An error with a message (lower case, naming value and limit) and, where there is one, the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), hint: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidParameter, message)
    }

    pub fn not_ready(message: impl Into<String>) -> Self {
        Self::new(Kind::NotReady, message)
    }

    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "canceling statement due to user request")
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
