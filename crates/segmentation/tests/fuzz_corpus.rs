//! The corpus of the fuzz targets, through the checks that they make: no libFuzzer, no other compiler. `scripts/fuzz`
//! looks for new inputs.

use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../fuzz/src/model.rs"]
mod model;
#[path = "../fuzz/src/profile.rs"]
mod profile;

/// Far above what any input takes, and far below what a loop over a length that was read would.
const LONGEST: Duration = Duration::from_secs(5);

fn replay(target: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= least, "only {} inputs", paths.len());
    for path in paths {
        println!("{}", path.display());
        let started = Instant::now();
        check(&std::fs::read(&path).unwrap());
        assert!(started.elapsed() < LONGEST, "{} took {:?}", path.display(), started.elapsed());
    }
}

/// The seeds are models that decode: a corpus of another format would check nothing but its refusal.
#[test]
fn seeds_are_models_of_this_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/model");
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("seed-") {
            let json = std::fs::read_to_string(entry.path()).unwrap();
            let model = segmentation::model::Model::from_json(&json);
            assert!(model.is_ok(), "{:?}: {}; run scripts/fuzz seeds", entry.path(), model.unwrap_err());
        }
    }
}

/// And so are those of profiles.
#[test]
fn seeds_are_profiles_of_this_format() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/profile");
    for name in [
        "seed-dense",
        "seed-dense-all",
        "seed-dense-carried",
        "seed-dense-all-carried-moving",
        "seed-sparse",
        "seed-sparse-all",
        "seed-sparse-carried",
        "seed-snapshots",
        "seed-subtracted",
    ] {
        let read = segmentation::profile::State::read(
            &std::fs::read(folder.join(name)).unwrap(),
            allocator_api2::alloc::Global,
        );
        assert!(read.is_ok(), "{name}: {}; run scripts/fuzz seeds", read.err().unwrap());
    }
}

#[test]
fn models() {
    replay("model", 8, model::check);
}

#[test]
fn profiles() {
    replay("profile", 12, profile::check);
}
