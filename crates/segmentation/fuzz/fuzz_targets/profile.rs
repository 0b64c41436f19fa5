#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| segmentation_fuzz::profile::check(data));
