//! See `imgmgrd_fuzz::packages`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::packages(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::packages(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
