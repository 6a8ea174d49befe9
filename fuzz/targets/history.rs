//! See `imgmgrd_fuzz::history`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::history(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::history(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
