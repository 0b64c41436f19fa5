//! The minimum of a function of one variable over an interval, without derivatives: golden sections, and a step to the vertex
//! of a parabola where that is trustworthy (Brent, Algorithms for Minimization without Derivatives, 1973, chapter 5).

use crate::error::Result;

/// (3 - √5) / 2: where a golden section cuts.
const GOLDEN: f64 = 0.381_966_011_250_105_1;
const ROUNDS: usize = 200;

/// A point between the two ends at which `f` is locally smallest, to about 1e-8 of its size. `f` may be +inf. The first
/// error of `f` ends the search.
pub(super) fn minimum([mut a, mut b]: [f64; 2], mut f: impl FnMut(f64) -> Result<f64>) -> Result<f64> {
    // The best point, the second best, and what that was before.
    let mut x = a + GOLDEN * (b - a);
    let (mut w, mut v) = (x, x);
    let mut at_x = f(x)?;
    let (mut at_w, mut at_v) = (at_x, at_x);
    // The last step, and the one before it.
    let (mut step, mut before) = (0.0f64, 0.0f64);
    for _ in 0..ROUNDS {
        let middle = 0.5 * (a + b);
        let least = 1e-10 + f64::EPSILON.sqrt() * x.abs();
        if (x - middle).abs() <= 2.0 * least - 0.5 * (b - a) {
            break;
        }
        let vertex = vertex(x, w, v, at_x, at_w, at_v);
        let trusted = before.abs() > least && vertex.is_finite() && vertex.abs() < 0.5 * before.abs();
        if trusted && x + vertex > a && x + vertex < b {
            (before, step) = (step, vertex);
            // Not onto an end that is as good as reached.
            if x + step - a < 2.0 * least || b - (x + step) < 2.0 * least {
                step = libm::copysign(least, middle - x);
            }
        } else {
            before = if x < middle { b - x } else { a - x };
            step = GOLDEN * before;
        }
        let u = if step.abs() >= least { x + step } else { x + libm::copysign(least, step) };
        let at_u = f(u)?;
        if at_u <= at_x {
            if u < x {
                b = x;
            } else {
                a = x;
            }
            ((v, at_v), (w, at_w), (x, at_x)) = ((w, at_w), (x, at_x), (u, at_u));
        } else {
            if u < x {
                a = u;
            } else {
                b = u;
            }
            if at_u <= at_w || w == x {
                ((v, at_v), (w, at_w)) = ((w, at_w), (u, at_u));
            } else if at_u <= at_v || v == x || v == w {
                (v, at_v) = (u, at_u);
            }
        }
    }
    Ok(x)
}

/// How far from x the parabola through the three points has its vertex; NaN or ±inf where they are no parabola.
fn vertex(x: f64, w: f64, v: f64, at_x: f64, at_w: f64, at_v: f64) -> f64 {
    let r = (x - w) * (at_x - at_v);
    let q = (x - v) * (at_x - at_w);
    ((x - w) * r - (x - v) * q) / (2.0 * (q - r))
}

#[cfg(test)]
mod tests {
    use super::minimum;

    #[test]
    fn minima_inside_and_at_the_ends() {
        for (f, at) in [
            ((|x| (x - 0.7) * (x - 0.7)) as fn(f64) -> f64, 0.7),
            (|x| (x + 2.0).abs(), -2.0),
            (|x| x, -5.0),
            (|x| -x, 5.0),
            (|x| if x < 1.0 { f64::INFINITY } else { (x - 3.0).powi(4) }, 3.0),
        ] {
            let found = minimum([-5.0, 5.0], |x| Ok(f(x))).unwrap();
            assert!((found - at).abs() < 1e-2 && (at.abs() == 3.0 || (found - at).abs() < 1e-6), "{found} for {at}");
        }
    }
}
