//! See `imgmgrd_fuzz::engine`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::engine(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::engine(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
