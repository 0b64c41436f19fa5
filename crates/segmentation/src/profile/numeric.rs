//! PostgreSQL's `numeric`, read from its base-10,000 digits: no text in between for numbers of up to 15 digits.
//!
//! Layout (PostgreSQL's numeric.c): a u16 header that is short (sign, scale and weight packed), long (sign and scale,
//! then an i16 weight) or special (NaN, infinities), then i16 digits; the value is sum of digit_i 10000^(weight - i).

const SIGN_MASK: u16 = 0xC000;
const LONG_NEGATIVE: u16 = 0x4000;
const SHORT: u16 = 0x8000;
const SPECIAL: u16 = 0xC000;
const PLUS_INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// Powers of ten that an f64 holds exactly.
const EXACT_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The nearest f64 of a numeric, given the bytes after its length word. Beyond the range of f64: an infinity.
/// Bytes that are no numeric give NaN.
pub fn to_f64(bytes: &[u8]) -> f64 {
    let word = |i: usize| bytes.get(2 * i..2 * i + 2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    let Some(header) = word(0) else { return f64::NAN };
    let (negative, weight, start) = match header & SIGN_MASK {
        SPECIAL => {
            return match header & 0xF000 {
                PLUS_INFINITY => f64::INFINITY,
                MINUS_INFINITY => f64::NEG_INFINITY,
                _ => f64::NAN,
            }
        }
        SHORT => {
            let weight = i32::from(header & 0x3F) - if header & 0x40 != 0 { 64 } else { 0 };
            (header & 0x2000 != 0, weight, 1)
        }
        sign => {
            let Some(weight) = word(1) else { return f64::NAN };
            (sign == LONG_NEGATIVE, i32::from(weight as i16), 2)
        }
    };
    let digits = bytes.get(2 * start..).unwrap_or(&[]).chunks_exact(2).map(|b| u16::from_ne_bytes([b[0], b[1]]));
    let n = digits.len();
    let exponent = 4 * (weight - n as i32 + 1);
    // Clinger's fast path: an integer below 2^53 and an exact power of ten need one correctly rounded operation.
    if n <= 4 {
        let mantissa = digits.clone().fold(0u64, |m, d| m * 10_000 + u64::from(d));
        if mantissa < 1 << 53 && exponent.unsigned_abs() < EXACT_POWERS.len() as u32 {
            let power = EXACT_POWERS[exponent.unsigned_abs() as usize];
            let value = if exponent < 0 { mantissa as f64 / power } else { mantissa as f64 * power };
            return if negative { -value } else { value };
        }
    }
    slow(digits, exponent, negative)
}

/// Correct rounding of any number of digits is the standard library's decimal parser; it sees digits, not the type's
/// text form.
fn slow(digits: impl Iterator<Item = u16>, exponent: i32, negative: bool) -> f64 {
    let mut text = String::with_capacity(64);
    if negative {
        text.push('-');
    }
    text.push('0');
    for d in digits {
        for power in [1000, 100, 10, 1] {
            text.push(char::from(b'0' + (d / power % 10) as u8));
        }
    }
    text.push_str(&format!("e{exponent}"));
    text.parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(negative: bool, weight: i32, digits: &[u16]) -> Vec<u8> {
        let header = SHORT | if negative { 0x2000 } else { 0 } | (weight as u16 & 0x7F);
        std::iter::once(&header).chain(digits).flat_map(|w| w.to_ne_bytes()).collect()
    }

    #[test]
    fn digits_become_the_nearest_double() {
        assert_eq!(to_f64(&short(false, 1, &[1, 2345, 6789])), 12345.6789);
        assert_eq!(to_f64(&short(true, -1, &[1000])), -0.1);
        assert_eq!(to_f64(&short(false, 0, &[])), 0.0);
        assert_eq!(to_f64(&short(false, -1, &[14, 1676, 7973, 5077, 4700])), 0.001416767973507747);
        assert_eq!(to_f64(&short(false, 5, &[1234, 5678, 9012, 3456, 7890, 1234])), 123456789012345678901234.0);
        let long: Vec<u8> = [LONG_NEGATIVE | 3, 100, 42].iter().flat_map(|w: &u16| w.to_ne_bytes()).collect();
        assert_eq!(to_f64(&long), f64::NEG_INFINITY);
        assert!(to_f64(&SPECIAL.to_ne_bytes()).is_nan());
        assert_eq!(to_f64(&PLUS_INFINITY.to_ne_bytes()), f64::INFINITY);
        assert!(to_f64(&[1]).is_nan());
    }
}
