//! A stored profile, as bytes and as text: it is refused, or it has features at any time, merges and comes apart, and is
//! written in the one form that equal profiles have.

use allocator_api2::alloc::Global;
use segmentation::profile::codec::{from_hex, to_hex};
use segmentation::profile::features::values;
use segmentation::profile::section::Tag;
use segmentation::profile::{Market, State};
use segmentation::Kind;

/// Written profiles are small, whatever went in: docs/features.md says 12 kB for the worst.
const LARGEST: usize = 12 * 1024;

pub fn check(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match from_hex(text, "account_profile") {
            Ok(bytes) => {
                assert_eq!(to_hex(&bytes), text.trim().to_ascii_lowercase());
                decoded(&bytes);
            }
            Err(e) => assert_eq!(e.kind, Kind::InvalidText),
        }
    }
    decoded(data);
}

fn written(state: &mut State) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out);
    assert!(out.len() <= LARGEST, "{} bytes", out.len());
    out
}

fn read(bytes: &[u8]) -> State {
    State::read(bytes, Global).unwrap()
}

fn decoded(data: &[u8]) {
    let mut state = match State::read(data, Global) {
        Ok(state) => state,
        Err(e) => {
            assert!(matches!(e.kind, Kind::InvalidBinary | Kind::Corrupted | Kind::OutOfRange), "{:?} {e}", e.kind);
            return;
        }
    };
    let profile = written(&mut state);
    assert_eq!(written(&mut read(&profile)), profile, "written again it is another one");
    assert_eq!(state.rejected(), read(&profile).rejected());
    features(&profile);
    merged(&profile, &mut state);
    taken_apart(&profile);
}

fn features(profile: &[u8]) {
    const DAY: i64 = 86_400_000_000;
    let market = Market::from_json(&serde_json::json!({
        "venue_volume_usd": 1e9, "top_underlyings": [1, -7], "expected_return": 0.1, "volatility": 0.5, "risk_free": 0.02
    }));
    let market = market.unwrap();
    for as_of in [None, Some(0), Some(i64::MIN), Some(i64::MAX), Some(30 * DAY), Some(9_000 * DAY + 1)] {
        let mut state = read(profile);
        let found = values(&mut state, as_of, Some(&market));
        for v in &found {
            assert!(v.value.is_some() != v.reason.is_some());
            assert!(v.value.is_none_or(f64::is_finite));
        }
        // Reading does not change what is read.
        assert_eq!(values(&mut state, as_of, Some(&market)), found);
        assert_eq!(written(&mut state), profile);
    }
    for tag in [Tag::ByUnderlying, Tag::ByVenue, Tag::ByCollateral] {
        assert!(read(profile).allocation(tag).entries.windows(2).all(|w| w[0].0 < w[1].0));
    }
}

/// With itself, and with another one in either order: the same bytes.
fn merged(profile: &[u8], state: &mut State) {
    let other = include_bytes!("../corpus/profile/seed-dense");
    for part in [profile, &other[..]] {
        let (mut left, mut right) = (read(profile), read(part));
        let (l, r) = (left.absorb(part), right.absorb(profile));
        assert_eq!(l.is_ok(), r.is_ok());
        if l.is_ok() {
            let whole = written(&mut left);
            assert_eq!(written(&mut right), whole, "the order of merging shows");
            assert_eq!(written(&mut read(&whole)), whole);
            values(&mut left, Some(0), None);
        }
    }
    // As it travels between workers.
    let mut moving = Vec::new();
    state.write_unfinished(&mut moving);
    assert_eq!(written(&mut read(&moving)), profile, "on the way it became another one");
}

fn taken_apart(profile: &[u8]) {
    let mut twice = read(profile);
    if twice.absorb(profile).is_err() {
        return;
    }
    match twice.subtract(profile) {
        Ok(()) => {
            let rest = written(&mut twice);
            // Of snapshots that went in twice nothing is known once they were taken away, nor of what was open at first.
            let opened = profile[1] & 16 != 0;
            if twice.is_sparse() && twice.lost() == read(profile).lost() && !opened {
                assert_eq!(rest, profile, "twice less once is not once");
            }
            assert_eq!(written(&mut read(&rest)), rest);
            values(&mut twice, Some(0), None);
        }
        Err(e) => assert_eq!(e.kind, Kind::InvalidParameter, "{e}"),
    }
    let mut nothing = State::new(Global);
    if let Err(e) = nothing.subtract(profile) {
        assert_eq!(e.kind, Kind::InvalidParameter, "{e}");
    }
}
