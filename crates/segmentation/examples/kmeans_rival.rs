//! Times k-means from a given start on a raw file of little-endian f64, for `benches/kmeans_vs_sklearn.py`.
//!
//! `kmeans_rival DATA N D K ITERATIONS INIT [THREADS]`: DATA holds N × D numbers row by row, INIT K × D. Prints the
//! seconds of the fit (packing included, reading excluded), the inertia with 17 digits and the iterations made.

use ndarray::Array2;
use segmentation::cluster::{kmeans, KMeansParams};
use segmentation::Control;
use std::error::Error;
use std::time::Instant;

fn read(path: &str, rows: usize, cols: usize) -> Result<Array2<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    let values = bytes.chunks_exact(8).map(|b| Ok(f64::from_le_bytes(b.try_into()?)));
    Ok(Array2::from_shape_vec((rows, cols), values.collect::<Result<_, Box<dyn Error>>>()?)?)
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
    Ok(())
}
