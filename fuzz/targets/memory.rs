//! See `imgmgrd_fuzz::memory`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::memory(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::memory(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
