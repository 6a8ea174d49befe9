//! See `imgmgrd_fuzz::marks`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::marks(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::marks(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
