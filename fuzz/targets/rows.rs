//! See `imgmgrd_fuzz::rows`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::rows(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::rows(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
