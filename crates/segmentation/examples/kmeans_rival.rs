//! Times k-means from a given start on a raw file of little-endian f64, for `benches/kmeans_vs_sklearn.py`.
//!
//! `kmeans_rival DATA N D K ITERATIONS INIT [THREADS]`: DATA holds N × D numbers row by row, INIT K × D. Prints the
//! seconds of the fit (packing included, reading excluded), the inertia with 17 digits and the iterations made; then what
//! an iteration reads a second (the bytes of the matrix by the time of an iteration, packing excluded), as a fraction of
//! what the same threads read when they only add up the same bytes.

use ndarray::Array2;
use rayon::prelude::*;
use segmentation::cluster::{kmeans, KMeansParams};
use segmentation::Control;
use std::error::Error;
use std::time::Instant;

fn read(path: &str, rows: usize, cols: usize) -> Result<Array2<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let values = bytes.chunks_exact(8).map(|b| Ok(f64::from_le_bytes(b.try_into()?)));
    Ok(Array2::from_shape_vec((rows, cols), values.collect::<Result<_, Box<dyn Error>>>()?)?)
}

/// Seconds to add up all values, eight sums at a time so that adding does not hold up reading.
fn read_all(values: &[f64]) -> f64 {
    let started = Instant::now();
    let sum: f64 = values
        .par_chunks(1 << 16)
        .map(|chunk| {
            let mut sums = [0.0; 32];
            for values in chunk.chunks_exact(32) {
                sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x);
            }
            sums.iter().sum::<f64>()
        })
        .sum();
    std::hint::black_box(sum);
    started.elapsed().as_secs_f64()
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [data, n, d, k, iterations, init, rest @ ..] = args.as_slice() else {
        return Err("usage: kmeans_rival DATA N D K ITERATIONS INIT [THREADS]".into());
    };
    let (n, d, k) = (n.parse()?, d.parse()?, k.parse()?);
    let threads = rest.first().map_or(Ok(0), |t| t.parse())?;
    let data = read(data, n, d)?;
    let init = Some(read(init, k, d)?);
    let params = KMeansParams { max_iter: iterations.parse()?, tol: 0.0, init, ..KMeansParams::new(k, 0) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let started = Instant::now();
    let fit = pool.install(|| kmeans(data.view(), &params, &Control::new())).map_err(|e| e.to_string())?;
    let seconds = started.elapsed().as_secs_f64();
    println!("seconds={seconds:.6} inertia={:.16e} iterations={}", fit.inertia, fit.iterations);
    if fit.iterations > 1 {
        let started = Instant::now();
        let one = KMeansParams { max_iter: 1, ..params };
        pool.install(|| kmeans(data.view(), &one, &Control::new())).map_err(|e| e.to_string())?;
        let step = (seconds - started.elapsed().as_secs_f64()) / (fit.iterations - 1) as f64;
        let values = data.as_slice().ok_or("the matrix is not contiguous")?;
        let gigabytes = std::mem::size_of_val(values) as f64 / 1e9;
        let stream = (0..9).map(|_| pool.install(|| read_all(values))).fold(f64::INFINITY, f64::min);
        let (reached, most) = (gigabytes / step, gigabytes / stream);
        println!(
            "iteration_ms={:.2} gb_per_s={reached:.1} stream_gb_per_s={most:.1} fraction={:.2}",
            step * 1e3,
            reached / most
        );
    }
    Ok(())
}
