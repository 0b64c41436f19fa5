//! The sections that the dense form of a profile is written in: their tags, and which of them a subtraction makes unknown.

use crate::error::Result;
use crate::profile::codec::{malformed, Reader};

/// Sections of the dense form, in the order in which they are written. A later version adds tags; it never gives one a
/// new meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    End = 0,
    Sums = 1,
    Instruments = 2,
    Underlyings = 3,
    Orders = 4,
    Counterparties = 5,
    Days = 6,
    TokenDays = 7,
    ByUnderlying = 8,
    ByVenue = 9,
    ByCollateral = 10,
    Sizes = 11,
    Leverage = 12,
    Decay = 13,
    Daily = 14,
    Folded = 15,
    /// Only between parallel workers: the events not yet folded.
    Collected = 16,
}
/// The tags by their numbers.
pub(super) const TAGS: [Tag; 17] = [
    Tag::End,
    Tag::Sums,
    Tag::Instruments,
    Tag::Underlyings,
    Tag::Orders,
    Tag::Counterparties,
    Tag::Days,
    Tag::TokenDays,
    Tag::ByUnderlying,
    Tag::ByVenue,
    Tag::ByCollateral,
    Tag::Sizes,
    Tag::Leverage,
    Tag::Decay,
    Tag::Daily,
    Tag::Folded,
    Tag::Collected,
];

/// Sections that a subtraction has made unknown, one bit a tag.
pub type Lost = u32;

/// Bit of a section in [`Lost`].
pub const fn bit(tag: Tag) -> Lost {
    1 << tag as u8
}

/// Sections that are not a group: what was added to them cannot be taken away.
pub(super) const NO_GROUP: Lost = bit(Tag::Instruments)
    | bit(Tag::Underlyings)
    | bit(Tag::Orders)
    | bit(Tag::Counterparties)
    | bit(Tag::Days)
    | bit(Tag::TokenDays)
    | bit(Tag::Folded);

/// Which bits a dense profile may have lost.
pub const LOSABLE: Lost = NO_GROUP
    | bit(Tag::ByUnderlying)
    | bit(Tag::ByVenue)
    | bit(Tag::ByCollateral)
    | bit(Tag::Sizes)
    | bit(Tag::Leverage)
    | bit(Tag::Decay)
    | bit(Tag::Daily);

/// The next section's tag; `None` at the end. Sections stand in order, and all but the lost ones are there.
pub(super) fn next_section(seen: &mut Lost, lost: Lost, r: &mut Reader) -> Result<Option<Tag>> {
    let number = r.u8()?;
    let Some(&tag) = TAGS.get(usize::from(number)) else {
        return Err(malformed(&format!("section {number} is unknown")));
    };
    if tag == Tag::End {
        let log = bit(Tag::Folded) | bit(Tag::Collected);
        let log_known = if lost & bit(Tag::Folded) != 0 { *seen & log == 0 } else { (*seen & log).count_ones() == 1 };
        let others = (bit(Tag::Folded) - 2) & !lost;
        if *seen & !log != others || !log_known {
            return Err(malformed("a section is missing"));
        }
        return Ok(None);
    }
    if *seen >= bit(tag) {
        return Err(malformed(&format!("section {number} is there twice or out of order")));
    }
    *seen |= bit(tag);
    Ok(Some(tag))
}
