//! See `imgmgrd_fuzz::database_global`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::database_global(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::database_global(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
