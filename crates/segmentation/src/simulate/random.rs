//! Random numbers that are the same on every platform: ChaCha8 words, our own conversions, `libm` logarithms.

use rand_chacha::rand_core::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is for; kinds of streams never share a number.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    /// One account's behaviour and trades.
    Account(u64),
    /// The order of the archetypes within one block of accounts.
    Block(u64),
    /// The market path of one underlying, or of what they have in common.
    Market(u64),
    /// The one crash.
    Crash,
}

/// A stream of uniform and normal variates, determined by the seed and its [`Stream`].
pub(super) struct Random {
    words: ChaCha8Rng,
    spare: Option<f64>,
}

impl Random {
    pub fn new(seed: u64, stream: Stream) -> Self {
        let (domain, number) = match stream {
            Stream::Account(number) => (1, number),
            Stream::Block(number) => (2, number),
            Stream::Market(number) => (3, number),
            Stream::Crash => (4, 0),
        };
        // The key is laid out here and not by `seed_from_u64`, whose mixing another release may change.
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8] = domain;
        key[16..24].copy_from_slice(b"simulate");
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream(number);
        Random { words, spare: None }
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn uniform(&mut self) -> f64 {
        (self.words.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n (`n` far below 2^32, where the bias of the product is out of sight); 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.words.next_u64()) * n as u128) >> 64) as usize
    }

    /// Standard normal (Marsaglia's polar method; every second value is kept from the pair before).
    pub fn normal(&mut self) -> f64 {
        if let Some(value) = self.spare.take() {
            return value;
        }
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square > 0.0 {
                let factor = (-2.0 * libm::log(square) / square).sqrt();
                self.spare = Some(y * factor);
                return x * factor;
            }
        }
    }

    /// The first index whose cumulative weight exceeds a uniform share of the total.
    pub fn pick(&mut self, cumulative: &[f64]) -> usize {
        let Some(&total) = cumulative.last() else { return 0 };
        let at = self.uniform() * total;
        cumulative.iter().position(|&upto| upto > at).unwrap_or(cumulative.len() - 1)
    }
}

/// Standard normal, a function of the three numbers alone (Box and Muller's method on two of [`scatter`]).
pub(super) fn scattered_normal(seed: u64, series: u64, index: u64) -> f64 {
    let at = index.wrapping_mul(2);
    // In (0, 1], where the logarithm is finite.
    let radius = 0.5 * (1.0 - scatter(seed, series, at));
    let angle = std::f64::consts::PI * scatter(seed, series, at.wrapping_add(1));
    (-2.0 * libm::log(radius)).sqrt() * libm::cos(angle)
}

/// Uniform in [-1, 1), a function of the three numbers alone (two rounds of the splitmix64 finaliser).
pub(super) fn scatter(seed: u64, series: u64, index: u64) -> f64 {
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let x = mix(mix(seed ^ series.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(index));
    (x >> 11) as f64 * (2.0 / (1u64 << 53) as f64) - 1.0
}
