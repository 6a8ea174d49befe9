//! See `imgmgrd_fuzz::policy`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::policy(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::policy(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
