//! What the tests of the mergeable parts of a profile share: they hold for each of them.

use crate::error::Result;
use crate::profile::codec::Reader;
use allocator_api2::alloc::Global;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

pub type Bytes = Vec<u8>;
type Checked<T> = std::result::Result<T, TestCaseError>;

/// A part that is written, merged from bytes, and perhaps taken away again.
pub trait Part {
    fn written(&self, out: &mut Bytes);
    fn merge(&mut self, r: &mut Reader) -> Result<()>;
    /// `false` for what cannot be taken away.
    fn take(&mut self, _: &mut Reader) -> Result<bool> {
        Ok(false)
    }
}

macro_rules! parts {
    ($($part:ty $(, $subtract:ident)?;)*) => {$(
        impl Part for $part {
            fn written(&self, out: &mut Bytes) {
                self.write(out);
            }
            fn merge(&mut self, r: &mut Reader) -> Result<()> {
                self.absorb(r)
            }
            $(fn take(&mut self, r: &mut Reader) -> Result<bool> {
                self.$subtract(r)
            })?
        }
    )*};
}
parts! {
    crate::profile::allocation::Allocation<Global>, subtract;
    crate::profile::daily::Daily<Global>, subtract;
    crate::profile::days::Days<Global>;
    crate::profile::decay::Decay<Global>, subtract;
    crate::profile::distinct::Distinct<Global>;
    crate::profile::sketch::Sketch<Global>, subtract;
}

pub fn bytes(part: &impl Part) -> Bytes {
    let mut out = Bytes::new();
    part.written(&mut out);
    out
}

/// Everything of `parts`, each read to its last byte, added to `part`.
pub fn merged<P: Part>(mut part: P, parts: &[&[u8]]) -> Result<P> {
    for bytes in parts {
        let mut r = Reader::new(bytes);
        part.merge(&mut r)?;
        r.end()?;
    }
    Ok(part)
}

/// Which two parts to merge next, as often as there are entries.
pub type Merges = Vec<(Index, u32)>;

pub fn merges() -> impl Strategy<Value = Merges> {
    prop::collection::vec((any::<Index>(), any::<u32>()), 0..10)
}

/// Deals `all`, in reverse, to one part more than there are merges, merges them pairwise at random, and wants the bytes of the whole.
/// `make` makes a part of some of them, and of none the empty one.
pub fn any_tree<T: Clone, P: Part>(all: &[T], merges: &Merges, make: impl Fn(&[T]) -> P) -> Checked<()> {
    let mut dealt = vec![Vec::new(); merges.len() + 1];
    let k = dealt.len();
    all.iter().rev().enumerate().for_each(|(i, x)| dealt[(i * 5 + i / 3) % k].push(x.clone()));
    let mut parts: Vec<Bytes> = dealt.iter().map(|some| bytes(&make(some))).collect();
    for (index, order) in merges {
        let a = parts.swap_remove(index.index(parts.len()));
        let b = parts.swap_remove(*order as usize % parts.len());
        parts.push(bytes(&merged(make(&[]), &[&a, &b]).map_err(|e| TestCaseError::fail(e.message))?));
    }
    prop_assert_eq!(&parts[0], &bytes(&make(all)));
    Ok(())
}

/// Takes `b` away from the merge of both: whether what is left is known, which then is `a`.
pub fn taken_away<T, P: Part>(a: &[T], b: &[T], make: impl Fn(&[T]) -> P) -> Checked<bool> {
    let (alone, part) = (bytes(&make(a)), bytes(&make(b)));
    let failed = |e: crate::error::Error| TestCaseError::fail(e.message);
    let mut both = merged(make(&[]), &[&alone, &part]).map_err(failed)?;
    let mut r = Reader::new(&part);
    let known = both.take(&mut r).map_err(failed)?;
    prop_assert!(r.is_empty());
    if known {
        prop_assert_eq!(bytes(&both), alone);
    }
    Ok(known)
}

/// Bytes to overwrite, and bytes of no meaning.
pub type Harm = (Vec<(Index, u8)>, Bytes);

pub fn harm() -> impl Strategy<Value = Harm> {
    (prop::collection::vec((any::<Index>(), any::<u8>()), 0..6), prop::collection::vec(any::<u8>(), 0..60))
}

/// Reads the harmed bytes of `whole`, and noise, into what `make` makes: an error, or a part that passes `check` and is written as it is
/// read. No short form of either is a panic.
pub fn hostile<P: Part>(
    whole: &P,
    harm: &Harm,
    empty: impl Fn() -> P,
    make: impl Fn() -> P,
    check: impl Fn(&P) -> Checked<()>,
) -> Checked<()> {
    let mut forged = bytes(whole);
    for (i, v) in &harm.0 {
        let i = i.index(forged.len());
        forged[i] = *v;
    }
    for hostile in [&forged, &harm.1] {
        let _ = make().take(&mut Reader::new(hostile));
        let mut part = make();
        if part.merge(&mut Reader::new(hostile)).is_ok() {
            check(&part)?;
            let again = merged(empty(), &[&bytes(&part)]).map_err(|e| TestCaseError::fail(e.message))?;
            prop_assert_eq!(bytes(&again), bytes(&part));
        }
        (0..hostile.len().min(20)).for_each(|n| drop(merged(empty(), &[&hostile[..n]])));
    }
    Ok(())
}
