//! Names of instruments as venues write them, and what must not be read into a name.

use proptest::prelude::*;
use segmentation::profile::instrument::{parse, Format, Instrument, Kind, Reason};
use segmentation::profile::leveraged::propose;

const DAY: i64 = 86_400_000_000;
const EIGHT: i64 = 8 * DAY / 24;
/// 2024-12-27 08:00 UTC, in microseconds since 2000-01-01.
const DEC27: i64 = 9_127 * DAY + EIGHT;

fn pair(kind: impl Into<Option<Kind>>, underlying: &str, quote: &str, inverse: bool) -> Instrument {
    Instrument {
        kind: kind.into(),
        underlying: underlying.into(),
        quote: quote.into(),
        inverse,
        expiry: None,
        strike: None,
        is_call: None,
    }
}

fn spot(underlying: &str, quote: &str) -> Instrument {
    pair(Kind::Spot, underlying, quote, false)
}

fn perpetual(underlying: &str, quote: &str, inverse: bool) -> Instrument {
    pair(Kind::Perpetual, underlying, quote, inverse)
}

fn future(underlying: &str, quote: &str, inverse: bool, expiry: i64) -> Instrument {
    Instrument { expiry: Some(expiry), ..pair(Kind::Future, underlying, quote, inverse) }
}

fn option(underlying: &str, quote: &str, inverse: bool, expiry: i64, strike: f64, is_call: bool) -> Instrument {
    Instrument {
        expiry: Some(expiry),
        strike: Some(strike),
        is_call: Some(is_call),
        ..pair(Kind::Option, underlying, quote, inverse)
    }
}

/// The venue's format and auto say the same, the other venues nothing else.
#[track_caller]
fn reads(name: &str, format: Format, expected: Instrument) {
    assert_eq!(parse(name, format).as_ref(), Ok(&expected), "{name}");
    for other in Format::ALL {
        if let Ok(read) = parse(name, other) {
            assert_eq!(read, expected, "{name} as {}", other.name());
        }
    }
    assert_eq!(parse(name, Format::Auto).as_ref(), Ok(&expected), "{name}");
    assert_eq!(parse(&name.to_lowercase(), format), Ok(expected), "{name} in small letters");
}

#[test]
fn deribit() {
    let mar29 = 8_854 * DAY + EIGHT;
    let jun30 = 8_947 * DAY + EIGHT;
    reads("BTC-PERPETUAL", Format::Deribit, perpetual("BTC", "USD", true));
    reads("ETH-29MAR24", Format::Deribit, future("ETH", "USD", true, mar29));
    reads("BTC-27DEC24-100000-C", Format::Deribit, option("BTC", "USD", true, DEC27, 1e5, true));
    reads("SOL_USDC-PERPETUAL", Format::Deribit, perpetual("SOL", "USDC", false));
    reads("BTC_USDC-27DEC24", Format::Deribit, future("BTC", "USDC", false, DEC27));
    reads("BTC_USDC-27DEC24-100000-P", Format::Deribit, option("BTC", "USDC", false, DEC27, 1e5, false));
    reads("XRP_USDC-30JUN24-0d625-C", Format::Deribit, option("XRP", "USDC", false, jun30, 0.625, true));
    reads("BTC_USDC", Format::Deribit, spot("BTC", "USDC"));
    reads("ETH_BTC", Format::Deribit, spot("ETH", "BTC"));
    reads("BTC-5JAN24", Format::Deribit, future("BTC", "USD", true, 8_770 * DAY + EIGHT));
    reads("BTC-29FEB24", Format::Deribit, future("BTC", "USD", true, 8_825 * DAY + EIGHT));
}

#[test]
fn okx() {
    reads("BTC-USD-241227-100000-C", Format::Okx, option("BTC", "USD", true, DEC27, 1e5, true));
    reads("ETH-USD-241227-3500-P", Format::Okx, option("ETH", "USD", true, DEC27, 3_500.0, false));
    reads("BTC-USDT-SWAP", Format::Okx, perpetual("BTC", "USDT", false));
    reads("BTC-USD-SWAP", Format::Okx, perpetual("BTC", "USD", true));
    reads("BTC-USD_UM-SWAP", Format::Okx, perpetual("BTC", "USD", false));
    reads("BTC-USD-241227", Format::Okx, future("BTC", "USD", true, DEC27));
    reads("BTC-USDT-241227", Format::Okx, future("BTC", "USDT", false, DEC27));
    reads("BTC-USDT", Format::Okx, spot("BTC", "USDT"));
    assert_eq!(parse("BTC-EUR-SWAP", Format::Okx), Err(Reason::UnknownQuote));
    assert_eq!(parse("BTC-USDT_BTC-USDT-SWAP", Format::Auto), Err(Reason::Combination));
    assert_eq!(parse("BTC-USDT-SWAP_BTC-USDT-241227", Format::Okx), Err(Reason::Combination));
}

#[test]
fn binance() {
    reads("BTC-241227-100000-C", Format::Binance, option("BTC", "USDT", false, DEC27, 1e5, true));
    reads("XRP-241227-0.525-P", Format::Binance, option("XRP", "USDT", false, DEC27, 0.525, false));
    reads("BTCUSD_PERP", Format::Binance, perpetual("BTC", "USD", true));
    reads("BTCUSDT_241227", Format::Binance, future("BTC", "USDT", false, DEC27));
    reads("BTCUSD_241227", Format::Binance, future("BTC", "USD", true, DEC27));
    reads("BNBUSD_241227", Format::Binance, future("BNB", "USD", true, DEC27));
    for (name, underlying, quote) in [
        ("BTCUSDT", "BTC", "USDT"),
        ("1000SHIBUSDT", "1000SHIB", "USDT"),
        ("USDCUSDT", "USDC", "USDT"),
        ("BTCFDUSD", "BTC", "FDUSD"),
        ("DOTUSD", "DOT", "USD"),
        ("BNBUSD", "BNB", "USD"),
        ("ETHBTC", "ETH", "BTC"),
        ("BTC3LUSDT", "BTC3L", "USDT"),
    ] {
        reads(name, Format::Binance, pair(None, underlying, quote, false));
    }
}

#[test]
fn plain() {
    reads("BTC-USD", Format::Plain, spot("BTC", "USD"));
    reads("BTC/USDT", Format::Plain, spot("BTC", "USDT"));
    reads("ETH_BTC", Format::Plain, spot("ETH", "BTC"));
    reads("BTC3L-USD", Format::Plain, spot("BTC3L", "USD"));
}

#[test]
fn what_is_not_read() {
    for (name, reason) in [
        ("", Reason::UnknownFormat),
        ("-", Reason::UnknownFormat),
        ("BTC", Reason::UnknownFormat),
        ("USDT", Reason::UnknownFormat),
        ("BTC-PERPETUAL ", Reason::UnknownFormat),
        (" BTC-PERPETUAL", Reason::UnknownFormat),
        ("BTC-PERPETUAL-1", Reason::UnknownFormat),
        ("BTC-PERP", Reason::UnknownQuote),
        ("BTC-27DEC24-100001", Reason::UnknownQuote),
        ("BTC-27DEC24-100000-X", Reason::UnknownFormat),
        ("BTC-27DEC24-100000-C-1", Reason::UnknownFormat),
        ("BTC-27DEC24-100000-C_1", Reason::UnknownFormat),
        ("BTC-27DEC24-1e5-C", Reason::UnknownFormat),
        ("BTC-27DEC24-+5-C", Reason::UnknownFormat),
        ("BTC-27DEC24-d5-C", Reason::UnknownFormat),
        ("BTC-27DEC24-5d-C", Reason::UnknownFormat),
        ("BTC-27DEC24-0.5-C", Reason::UnknownFormat),
        ("BTC-27DEC24-0-C", Reason::NoStrike),
        ("BTC-27DEC24-0d000-C", Reason::NoStrike),
        ("BTC-31FEB24-50000-C", Reason::NoSuchDate),
        ("BTC-31FEB24-50000-X", Reason::UnknownFormat),
        ("BTC-29FEB23", Reason::NoSuchDate),
        ("BTC-0JAN24", Reason::NoSuchDate),
        ("BTC-31APR24", Reason::NoSuchDate),
        ("BTC-27DEZ24", Reason::UnknownQuote),
        ("BTC-USD-241327", Reason::NoSuchDate),
        ("BTC-USD-240230-1-C", Reason::NoSuchDate),
        ("BTC-USD-2412", Reason::UnknownFormat),
        ("BTC-27DEC24-10000", Reason::UnknownFormat),
        ("BTC-USD-+41227", Reason::UnknownFormat),
        ("BTCUSD_240631", Reason::NoSuchDate),
        ("BTCUSDT_PERP", Reason::UnknownQuote),
        ("BTC-FS-27DEC24_PERP", Reason::Combination),
        ("BTC-FS-31DEC21-PERP", Reason::Combination),
        ("BTC-CS-27DEC24-90000_100000", Reason::Combination),
        ("ETH-PBUT111-27DEC24-3000_3100_3200", Reason::Combination),
        ("BTC_USDC-STRG-27DEC24-90000_100000", Reason::Combination),
        ("BTC-WHAT-EVER", Reason::UnknownFormat),
        ("EURO-STOXX", Reason::UnknownQuote),
        ("BTC-BTC", Reason::UnknownFormat),
        ("ARBUSD", Reason::AmbiguousPair),
        ("STETH", Reason::AmbiguousPair),
        ("WBTC", Reason::AmbiguousPair),
        ("AAPL", Reason::UnknownFormat),
        ("БТЦ-PERPETUAL", Reason::UnknownFormat),
        ("BTC-2ДЕК24", Reason::UnknownFormat),
        ("BTC\0-PERPETUAL", Reason::UnknownFormat),
    ] {
        assert_eq!(parse(name, Format::Auto), Err(reason), "{name}");
    }
    assert_eq!(parse("BTC-27DEC24", Format::Okx), Err(Reason::UnknownQuote));
    assert_eq!(parse("BTC-USDT-SWAP", Format::Deribit), Err(Reason::UnknownFormat));
    assert_eq!(parse(&"A".repeat(101), Format::Auto), Err(Reason::TooLong));
    assert_eq!(parse(&format!("BTC-27DEC24-{}-C", "9".repeat(70)), Format::Auto).unwrap().strike, Some(1e70));
}

#[test]
fn formats_by_name() {
    for format in Format::ALL {
        assert_eq!(Format::by_name(format.name()), Ok(format));
    }
    let error = Format::by_name("kraken").unwrap_err();
    assert_eq!(error.kind, segmentation::Kind::InvalidParameter);
    assert_eq!(error.message, "there is no instrument format \"kraken\"");
    assert_eq!(error.hint.unwrap(), "allowed are deribit, okx, binance, plain, auto");
}

#[test]
fn leveraged_tokens_are_proposed() {
    let names = [
        "BTC3L-USD",
        "eth5s",
        "BTCUPUSDT",
        "ADADOWN",
        "ETHBULL/USD",
        "ETHHEDGE",
        "SOLHALF",
        "BULL",
        "JUPUSDT",
        "SYRUP",
        "BTC-USD",
        "BTC-PERPETUAL",
        "ALL",
        "UP",
        "3L",
        "BTC1L",
        "BTC11S",
        "BTC3L/USDT",
        "DOWN-USD",
        "X2S",
        "",
    ];
    let found: Vec<_> = names.into_iter().filter_map(propose).collect();
    let rows: Vec<_> = found
        .iter()
        .map(|p| (p.symbol.as_str(), p.underlying.as_str(), p.factor, p.pattern, p.doubt.is_some()))
        .collect();
    assert_eq!(
        rows,
        [
            ("BTC3L-USD", "BTC", Some(3.0), "3L", false),
            ("eth5s", "ETH", Some(-5.0), "3S", false),
            ("BTCUPUSDT", "BTC", None, "UP", true),
            ("ADADOWN", "ADA", None, "DOWN", true),
            ("ETHBULL/USD", "ETH", Some(3.0), "BULL", false),
            ("ETHHEDGE", "ETH", Some(-1.0), "HEDGE", false),
            ("SOLHALF", "SOL", Some(0.5), "HALF", false),
            ("BULL", "BTC", Some(3.0), "BULL", true),
            ("JUPUSDT", "J", None, "UP", true),
            ("SYRUP", "SYR", None, "UP", true),
            ("BTC3L/USDT", "BTC", Some(3.0), "3L", false),
            ("X2S", "X", Some(-2.0), "3S", true),
        ]
    );
    let doubt = |symbol: &str| found.iter().find(|p| p.symbol == symbol).unwrap().doubt.clone().unwrap();
    assert_eq!(doubt("JUPUSDT"), "J is not a well-known coin: JUP may be an ordinary coin's name");
    assert_eq!(doubt("BTCUPUSDT"), "the factor is not in the name");
}

#[test]
fn the_simulators_names() {
    let params = segmentation::simulate::Params { accounts: 200, days: 30, seed: 7, noise: 0.5, crash_day: None };
    for trade in segmentation::simulate::trades(&params).unwrap() {
        let read = parse(&trade.instrument, Format::Auto).unwrap();
        let kind = if trade.kind == "leveraged_token" { "spot" } else { trade.kind };
        assert_eq!(read.kind.unwrap().name(), kind, "{}", trade.instrument);
        assert!(read.underlying.starts_with(trade.underlying));
        let own = if kind == "spot" { Format::Plain } else { Format::Deribit };
        assert_eq!(parse(&trade.instrument, own), Ok(read), "{}", trade.instrument);
        let proposed = propose(&trade.instrument).is_some();
        assert_eq!(proposed, trade.kind == "leveraged_token", "{}", trade.instrument);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(name in "\\PC{0,40}", format in 0..5usize) {
        let _ = parse(&name, Format::ALL[format]);
        propose(&name);
    }

    /// Near misses: the letters that names are made of.
    #[test]
    fn near_misses(
        name in "(BTC|ETH|_|-|/|USD|USDT|USDC|SWAP|PERP|PERPETUAL|FS|27DEC24|241227|31|FEB|C|P|0|d|5|\\.|é){0,9}"
    ) {
        if let Ok(read) = parse(&name, Format::Auto) {
            prop_assert!(!read.underlying.is_empty() && !read.quote.is_empty());
            prop_assert_eq!(read.strike.is_some(), read.kind == Some(Kind::Option));
            prop_assert_eq!(read.is_call.is_some(), read.kind == Some(Kind::Option));
            prop_assert_eq!(read.expiry.is_some(), matches!(read.kind, Some(Kind::Option | Kind::Future)));
            prop_assert!(read.strike.is_none_or(|k| k > 0.0 && k.is_finite()));
        }
        propose(&name);
    }

    /// Every day of the century, written in both ways, is the same instant.
    #[test]
    fn dates(day in 0..36_525i64) {
        let (year, month, date) = civil(day + 10_957);
        let name = &"JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"[3 * month - 3..3 * month];
        let y = year % 100;
        let worded = parse(&format!("BTC-{date}{name}{y:02}"), Format::Deribit).unwrap();
        let numbered = parse(&format!("BTC-USD-{y:02}{month:02}{date:02}"), Format::Okx).unwrap();
        prop_assert_eq!(worded.expiry, Some(day * DAY + EIGHT));
        prop_assert_eq!(worded, numbered);
    }
}

/// Year, month and day of a day since 1970-01-01, counted up one year and month at a time.
fn civil(mut day: i64) -> (i64, usize, i64) {
    let mut year = 1970;
    let is_leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    while day >= 365 + i64::from(is_leap(year)) {
        day -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while day >= lengths[month] {
        day -= lengths[month];
        month += 1;
    }
    (year, month + 1, day + 1)
}
