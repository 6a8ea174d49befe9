//! See `imgmgrd_fuzz::reference`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::reference(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::reference(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
