//! See `imgmgrd_fuzz::image_names`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::image_names(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::image_names(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
