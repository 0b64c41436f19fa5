//! How many bytes a profile takes.

use super::{bytes, Row};
use allocator_api2::alloc::Global;
use segmentation::profile::days::DAY;
use segmentation::profile::snapshot::{Field, Snapshot};
use segmentation::profile::State;

#[test]
fn the_size_table_of_the_documentation() {
    // As in docs/features.md: all columns, or fills with quantity, price, side, fee, maker flag, instrument and kind, five instruments,
    // one a minute.
    let make = |n: u64, extras: u16| {
        let mut s = State::new(Global);
        for i in 0..n {
            let r = Row {
                at: i as i64 * 60_000_000,
                quantity: 1.0 + (i % 97) as f64,
                price: 30_000.0 + i as f64,
                sell: Some(i % 3 == 0),
                maker: Some(i % 2 == 0),
                fee: Some(0.1 * (i % 11) as f64),
                instrument: (i % 5) as u16,
                kind: (i % 2) as usize * 2 + usize::from(extras != 0 && i % 3 == 0),
                extras,
                x: (i % 1009) as f64 / 1009.0,
            };
            s.add_trade(&r.bytes()).unwrap();
        }
        bytes(&mut s).len()
    };
    for (what, extras) in [("few columns", 0), ("all columns", 0xFFFF)] {
        let sizes: Vec<usize> = [1, 10, 32, 1_000, 1_000_000].into_iter().map(|n| make(n, extras)).collect();
        println!("profile sizes, {what}, for 1, 10, 32, 1,000 and 1,000,000 trades: {sizes:?} bytes");
        // Of the last two some 170 bytes are the five positions that are open, and 90 to 280 the ages of what was closed.
        let limits = if extras == 0 { [64, 256, 640, 1100, 2400] } else { [128, 1700, 1850, 2800, 4352] };
        assert!(sizes.iter().zip(limits).all(|(&size, limit)| size < limit), "{sizes:?}");
    }
}

#[test]
fn the_worst_profile_stays_under_12_kilobytes() {
    let mut s = State::new(Global);
    for i in 0..200_000i64 {
        let r = Row {
            at: if i == 199_999 { 3_000_200 } else { (i * 7_919_993) % 3_000_000 } * DAY,
            // From 1e-9 USD to nearly the limit, so that the sketch of sizes is full.
            quantity: 10f64.powi((i % 29) as i32 - 19) * (1.0 + (i % 97) as f64 / 97.0),
            price: 4e10,
            sell: (i < 199_999).then_some(i % 3 == 0),
            maker: Some(i % 2 == 0),
            fee: Some(1e19),
            instrument: i as u16,
            kind: (i % 6) as usize,
            // One in five names its underlying and gives its notional: the others have an instrument each, and any size.
            extras: if i % 5 == 0 { 0xFFFF } else { 0x7FFF },
            x: (1 + i % 1009) as f64 / 1010.0,
        };
        s.add_trade(&r.bytes()).unwrap();
    }
    for i in 0..20_000i64 {
        let mut snapshot = Snapshot { taken_at: Some((i * 7_919) % 4_000 * DAY + i), ..Snapshot::default() };
        for (field, value) in [
            (Field::EquityUsd, 9e19 - i as f64),
            (Field::FlowUsd, 9e10 - 7.0 * i as f64),
            (Field::InitialMarginUsd, 9e19),
            (Field::MaintenanceMarginUsd, 8e19 / (1 + i) as f64),
            (Field::GrossNotionalUsd, 7e19),
            (Field::DeltaUsd, 9e19 / ((1 + i * i) as f64)),
            (Field::GrossDeltaUsd, 9e19),
            (Field::NetDeltaUsd, -5e19),
            (Field::LiquidationDistance, 1e-9),
            (Field::FundingUsd, 9e19),
            (Field::MarketReturn, 7.0 - i as f64 * 1e-4),
            (Field::SecondMarketReturn, -7.0 + i as f64 * 1e-4),
        ] {
            snapshot.set(field, value);
        }
        let mut b = Vec::new();
        snapshot.encode(&mut b);
        s.add_snapshot(&b).unwrap();
    }
    let size = bytes(&mut s).len();
    // All positions have expired. As many as are carried take up to 2,750 bytes more.
    println!("worst profile: {size} bytes, and 2,750 of open positions");
    assert!(size + 2_750 < 12 * 1024, "{size}");
}
