//! Profiles in the course of days: positions go on from one to the next.

use super::{bytes, one_pass, row, Row};
use allocator_api2::alloc::Global;
use proptest::prelude::*;
use segmentation::profile::days::day_of;
use segmentation::profile::features::values;
use segmentation::profile::stored::{has_trades, is_sparse};
use segmentation::profile::{State, FEATURES};

fn read(bytes: &[u8]) -> State {
    State::read(bytes, Global).unwrap()
}

/// The profile of some trades, as it is made before it is known what was open before them.
fn with_events(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    one_pass(rows).write_with_events(&mut out);
    out
}

fn following(before: Option<&[u8]>, profile: &[u8]) -> Vec<u8> {
    let mut state = read(profile);
    if let Some(before) = before {
        state.follow(&mut read(before));
    }
    bytes(&mut state)
}

/// Profiles of groups of trades, each after the one before it.
fn course<'a>(groups: impl Iterator<Item = &'a [Row]>) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for rows in groups {
        all.push(following(all.last().map(Vec::as_slice), &with_events(rows)));
    }
    all
}

fn rolled_up(profiles: &[Vec<u8>], turn: usize) -> Vec<u8> {
    let mut state = State::new(Global);
    for i in 0..profiles.len() {
        state.absorb(&profiles[(i * 7 + turn) % profiles.len()]).unwrap();
    }
    bytes(&mut state)
}

/// As many days as no multiple of 7, so that [`rolled_up`] reads each once.
fn days(rows: &mut [Row], instruments: u16, span: i64) -> Vec<&[Row]> {
    for row in rows.iter_mut() {
        row.instrument %= instruments;
        row.at /= span;
    }
    rows.sort_by_key(|row| row.at);
    let mut days: Vec<&[Row]> = rows.chunk_by(|a, b| day_of(a.at) == day_of(b.at)).collect();
    while days.len().is_multiple_of(7) && !days.is_empty() {
        days.pop();
    }
    days
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn days_in_their_course_are_one_pass(
        mut rows in prop::collection::vec(row(), 1..60),
        span in 1i64..30,
        turn in 0usize..50,
        from in any::<prop::sample::Index>(),
    ) {
        let days = days(&mut rows, 3, span);
        if days.is_empty() {
            return Ok(());
        }
        let profiles = course(days.iter().copied());
        let rows = days.concat();
        prop_assert_eq!(rolled_up(&profiles, turn), bytes(&mut one_pass(&rows)));
        // A look-back begins with what was open.
        let from = from.index(days.len());
        if !(days.len() - from).is_multiple_of(7) {
            let (before, within) = (days[..from].concat(), days[from..].concat());
            let before = (from > 0).then(|| with_events(&before));
            prop_assert_eq!(rolled_up(&profiles[from..], turn), following(before.as_deref(), &with_events(&within)));
        }
        // Once more, as after a change: the same.
        let again = profiles.iter().scan(None, |before: &mut Option<&Vec<u8>>, profile| {
            let again = following(before.map(Vec::as_slice), profile);
            *before = Some(profile);
            Some(again)
        });
        prop_assert_eq!(again.collect::<Vec<_>>(), profiles);
    }

    /// Many positions, and many lots: what is known is what one pass says.
    #[test]
    fn what_is_too_much_to_carry_is_unknown(mut rows in prop::collection::vec(row(), 100..400), span in 20i64..90) {
        let days = days(&mut rows, 100, span);
        if days.is_empty() {
            return Ok(());
        }
        let whole = values(&mut one_pass(&days.concat()), None, None);
        let rolled = rolled_up(&course(days.iter().copied()), 0);
        prop_assert!(rolled.len() < 12 * 1024);
        for ((f, want), got) in FEATURES.iter().zip(whole).zip(values(&mut read(&rolled), None, None)) {
            prop_assert!(got == want || (f.class == 'O' && got.reason == Some("open_position")), "{}: {:?}", f.name, got);
        }
    }

    /// A trade that comes late, into a day of few: all days after it are put after one another again.
    #[test]
    fn days_are_put_after_one_another_again(
        mut rows in prop::collection::vec(row(), 2..24),
        late in any::<prop::sample::Index>(),
    ) {
        rows.iter_mut().for_each(|row| row.extras = 0);
        let days = days(&mut rows, 2, 5);
        if days.is_empty() {
            return Ok(());
        }
        let all = days.concat();
        let late = late.index(all.len());
        let day = days.iter().position(|rows| day_of(rows[0].at) == day_of(all[late].at)).unwrap();
        let without: Vec<Vec<Row>> = days.iter().map(|rows| rows.iter().filter(|r| r.at != all[late].at).cloned().collect()).collect();
        let mut profiles: Vec<Vec<u8>> = course(without.iter().map(Vec::as_slice).filter(|rows| !rows.is_empty()));
        let late: Vec<Row> = all.iter().filter(|r| r.at == all[late].at).cloned().collect();
        if without[day].is_empty() {
            profiles.insert(day, with_events(&late));
        } else {
            let mut both = read(&profiles[day]);
            both.absorb(&with_events(&late)).unwrap();
            profiles[day] = bytes(&mut both);
        }
        for i in day.max(1)..profiles.len() {
            profiles[i] = following(Some(&profiles[i - 1].clone()), &profiles[i]);
        }
        prop_assert_eq!(profiles, course(days.iter().copied()));
    }
}

#[test]
fn a_profile_tells_whether_it_has_trades() {
    let some = Row {
        at: 5,
        quantity: 1.0,
        price: 1.0,
        sell: Some(true),
        maker: None,
        fee: None,
        instrument: 1,
        kind: 0,
        extras: 0,
        x: 0.5,
    };
    for (n, has) in [(0, false), (1, true), (40, true), (400, true)] {
        let rows = vec![some.clone(); n];
        assert_eq!(
            (has_trades(&with_events(&rows)).unwrap(), has_trades(&bytes(&mut one_pass(&rows))).unwrap()),
            (has, has)
        );
        let after = following(Some(&bytes(&mut one_pass(std::slice::from_ref(&some)))), &with_events(&rows));
        assert_eq!(has_trades(&after).unwrap(), has);
        assert_eq!((is_sparse(&with_events(&rows)).unwrap(), is_sparse(&after).unwrap()), (n < 40, n < 40));
    }
    assert!(has_trades(&[]).is_err() && has_trades(&[9, 9]).is_err());
}

#[test]
fn taking_away_leaves_the_beginning_unknown() {
    let row = |day: i64, sell: bool| Row {
        at: day * 86_400_000_000,
        quantity: 2.0,
        price: 10.0,
        sell: Some(sell),
        maker: None,
        fee: None,
        instrument: 1,
        kind: 0,
        extras: 0,
        x: 0.0,
    };
    let rows = [row(0, false), row(1, false), row(2, true)];
    let profiles = course(rows.chunks(1));
    let open = |profile: &[u8]| {
        let at = segmentation::profile::features::index_of("open_share").unwrap();
        values(&mut read(profile), None, None)[at]
    };
    assert_eq!(open(&rolled_up(&profiles, 0)).value, Some(0.5));
    let mut rest = read(&rolled_up(&profiles, 0));
    rest.subtract(&profiles[0]).unwrap();
    assert_eq!(open(&bytes(&mut rest)).value, Some(0.0), "no profile here says what was open");
    let mut rest = read(&rolled_up(&profiles[1..], 0));
    rest.subtract(&profiles[1]).unwrap();
    assert_eq!(open(&bytes(&mut rest)).reason, Some("open_position"));
}
