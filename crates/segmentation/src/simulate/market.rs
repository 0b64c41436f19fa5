//! The market that all accounts share: one hourly path per underlying, leveraged tokens on top, expiry dates.

use super::calendar::{fridays, Friday, DAY, HOUR};
use super::crash::Crash;
use super::random::{scatter, Random, Stream};

/// An asset with a market: price on 2024-01-01 (rounded), yearly volatility, popularity, and what is listed on it.
pub(super) struct Underlying {
    pub name: &'static str,
    start: f64,
    pub volatility: f64,
    /// Log weight in an account's choice of favourites.
    pub popularity: f64,
    pub futures: bool,
    pub options: bool,
    pub tokens: bool,
}

const fn listed(name: &'static str, start: f64, volatility: f64, popularity: f64, kinds: u8) -> Underlying {
    Underlying { name, start, volatility, popularity, futures: kinds >= 2, options: kinds >= 3, tokens: kinds >= 1 }
}

pub(super) const COUNT: usize = 12;
pub(super) const UNDERLYINGS: [Underlying; COUNT] = [
    listed("BTC", 42_500.0, 0.55, 2.4, 3),
    listed("ETH", 2_300.0, 0.65, 2.1, 3),
    listed("SOL", 105.0, 0.95, 1.5, 3),
    listed("BNB", 310.0, 0.60, 1.1, 3),
    listed("XRP", 0.62, 0.75, 0.9, 2),
    listed("DOGE", 0.09, 0.95, 0.8, 2),
    listed("ADA", 0.60, 0.85, 0.6, 1),
    listed("AVAX", 39.0, 0.95, 0.5, 1),
    listed("LINK", 15.0, 0.85, 0.4, 1),
    listed("LTC", 73.0, 0.70, 0.2, 1),
    listed("DOT", 8.2, 0.85, 0.1, 0),
    listed("MATIC", 0.97, 0.90, 0.0, 0),
];

/// Share of the variance that is common to all underlyings.
const COMMON: f64 = 0.55;
/// Yearly speed at which log prices return to their start, so that ten years stay within sane prices.
const REVERSION: f64 = 0.7;
const HOURS_A_YEAR: f64 = 365.0 * 24.0;
/// About one jump in a hundred days, with a size of eight hourly deviations.
const JUMP_CHANCE: f64 = 1.0 / 2_400.0;
const JUMP_SIZE: f64 = 8.0;

/// Quotes go on after the last trade.
const SPARE_HOURS: usize = 2;
/// Between full hours the price jitters around the straight line: size at half past, for a volatility of 1, and how
/// far apart its turns are.
const JITTER: f64 = 0.000_4;
const TURN: i64 = 20_000_000;
/// Leverage of the two tokens.
pub(super) const FACTORS: [f64; 2] = [3.0, -3.0];
/// How long before its expiry an option can have been listed, and how far from the prices of that time its strikes go.
const LISTED_DAYS: i64 = 70;
const STRIKES: [f64; 2] = [0.4, 2.2];

/// One leveraged token.
#[derive(Default)]
struct Token {
    /// Its value at every full hour.
    values: Vec<f64>,
    /// Hours at which the issuer merged or split it, and by how much its value has been multiplied in all since then.
    merges: Vec<(usize, f64)>,
}

/// Prices at every full hour, from the start to the end of the period.
struct Path {
    spot: Vec<f64>,
    /// The tokens with leverage +3 and -3; empty if not listed.
    tokens: [Token; 2],
    /// Lowest and highest price of an option's strikes, by expiry; empty if none are listed.
    strikes: Vec<[f64; 2]>,
}

pub(super) struct Market {
    paths: Vec<Path>,
    pub fridays: Vec<Friday>,
    pub crash: Option<Crash>,
    pub days: u32,
    pub seed: u64,
}

impl Market {
    pub fn new(seed: u64, days: u32, crash_day: Option<u32>) -> Self {
        let steps = days as usize * 24 + SPARE_HOURS;
        let shocks = |stream: u64| {
            let mut random = Random::new(seed, Stream::Market(stream));
            (0..steps).map(move |_| {
                let jump = if random.uniform() < JUMP_CHANCE { JUMP_SIZE * random.normal() } else { 0.0 };
                random.normal() + jump
            })
        };
        let crash = crash_day.map(|day| Crash::new(seed, day));
        let fridays = fridays(days);
        let paths = (0..COUNT).map(|u| {
            // The common shocks are drawn again for each: cheaper than keeping them, and the stream is the same.
            let joint =
                shocks(0).zip(shocks(u as u64 + 1)).map(|(all, own)| COMMON.sqrt() * all + (1.0 - COMMON).sqrt() * own);
            path(u, joint, crash.as_ref(), &fridays)
        });
        Market { paths: paths.collect(), fridays, crash, days, seed }
    }

    /// Price of the underlying `at` microseconds after the start: linear between full hours, and a jitter on it.
    pub fn spot(&self, underlying: usize, at: i64) -> f64 {
        let path = &self.paths[underlying].spot;
        let hour = ((at / HOUR) as usize).min(path.len() - 2);
        let part = (at - hour as i64 * HOUR) as f64 / HOUR as f64;
        let (turn, within) = (at / TURN, (at % TURN) as f64 / TURN as f64);
        let node = |turn: i64| scatter(self.seed, underlying as u64, turn as u64);
        let jitter = node(turn) * (1.0 - within) + node(turn + 1) * within;
        let size = JITTER * UNDERLYINGS[underlying].volatility * 4.0 * part * (1.0 - part);
        (path[hour] + part * (path[hour + 1] - path[hour])) * (1.0 + size * jitter)
    }

    /// Value of the leveraged token of an underlying that lists them: its leverage on the hour's move.
    pub fn token(&self, underlying: usize, long: bool, at: i64) -> f64 {
        let path = &self.paths[underlying];
        let values = &path.tokens[usize::from(!long)].values;
        let hour = ((at / HOUR) as usize).min(values.len() - 1);
        let change = self.spot(underlying, at) / path.spot[hour] - 1.0;
        values[hour] * grown(FACTORS[usize::from(!long)], change)
    }

    /// By how much mergers and splits have multiplied a token's value until `at`: who held one then holds one divided
    /// by this now.
    pub fn merged(&self, underlying: usize, long: bool, at: i64) -> f64 {
        let merges = &self.paths[underlying].tokens[usize::from(!long)].merges;
        let hour = (at / HOUR) as usize;
        merges.iter().rev().find(|m| m.0 <= hour).map_or(1.0, |m| m.1)
    }

    /// Return over the day before `at` in units of its standard deviation, in [-3, 3]; 0 at the very start.
    pub fn trend(&self, underlying: usize, at: i64) -> f64 {
        let change = self.spot(underlying, at) / self.spot(underlying, (at - DAY).max(0)) - 1.0;
        let day = UNDERLYINGS[underlying].volatility / 365f64.sqrt();
        (change / day).clamp(-3.0, 3.0)
    }

    /// Factor of implied volatilities after a crash.
    pub fn stress(&self, at: i64) -> f64 {
        self.crash.as_ref().map_or(1.0, |crash| crash.stress(at))
    }

    /// Lowest and highest strike price listed for an expiry, crash or not.
    pub fn strikes(&self, underlying: usize, expiry: usize) -> [f64; 2] {
        self.paths[underlying].strikes[expiry]
    }
}

/// What leverage makes of a change; never less than a twentieth, as an issuer rebalances within the hour.
fn grown(leverage: f64, change: f64) -> f64 {
    (1.0 + leverage * change).max(0.05)
}

fn path(underlying: usize, shocks: impl Iterator<Item = f64>, crash: Option<&Crash>, fridays: &[Friday]) -> Path {
    let asset = &UNDERLYINGS[underlying];
    let sd = asset.volatility / HOURS_A_YEAR.sqrt();
    let mut log = 0.0;
    let mut logs = vec![log];
    for shock in shocks {
        log += -REVERSION / HOURS_A_YEAR * log - 0.5 * sd * sd + sd * shock;
        logs.push(log);
    }
    // The strikes are those of the market without a crash, so that the list of instruments does not depend on it.
    let strikes = if asset.options { fridays.iter().map(|f| strikes(asset, &logs, f)).collect() } else { Vec::new() };
    if let Some(crash) = crash {
        let (before, low) = (logs[crash.start], logs[crash.low().min(logs.len() - 1)]);
        for (hour, log) in logs.iter_mut().enumerate() {
            let drift = if hour <= crash.low() { *log - before } else { low - before };
            *log += crash.at(underlying, hour, drift);
        }
    }
    let spot: Vec<f64> = logs.iter().map(|log| asset.start * libm::exp(*log)).collect();
    let tokens = if asset.tokens { FACTORS.map(|factor| token(factor, &spot)) } else { Default::default() };
    Path { spot, tokens, strikes }
}

fn token(factor: f64, spot: &[f64]) -> Token {
    let (mut value, mut merged) = (10.0, 1.0);
    let mut token = Token { values: vec![value], merges: Vec::new() };
    for (hour, step) in spot.windows(2).enumerate() {
        value *= grown(factor, step[1] / step[0] - 1.0);
        // Issuers split and merge tokens whose value has left the range people trade.
        let by = if value < 0.1 {
            100.0
        } else if value > 1_000.0 {
            0.01
        } else {
            1.0
        };
        if by != 1.0 {
            value *= by;
            merged *= by;
            token.merges.push((hour + 1, merged));
        }
        token.values.push(value);
    }
    token
}

fn strikes(asset: &Underlying, logs: &[f64], expiry: &Friday) -> [f64; 2] {
    let last = logs.len() - 1;
    let from = ((expiry.day - LISTED_DAYS).max(0) as usize * 24).min(last);
    let to = (expiry.day as usize * 24 + 8).min(last);
    let listed = &logs[from..=to];
    let low = listed.iter().copied().fold(f64::INFINITY, f64::min);
    let high = listed.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [asset.start * libm::exp(low) * STRIKES[0], asset.start * libm::exp(high) * STRIKES[1]]
}
