//! See `imgmgrd_fuzz::settings`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::settings(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::settings(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
