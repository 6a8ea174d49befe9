//! See `imgmgrd_fuzz::control`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::control(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::control(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
