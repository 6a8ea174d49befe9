//! See `imgmgrd_fuzz::remote_ctr_config`.

#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imgmgrd_fuzz::remote_ctr_config(bytes));

#[cfg(not(fuzzing))]
fn main() {
    imgmgrd_fuzz::remote_ctr_config(&std::fs::read("/dev/stdin").expect("the input can be read"));
}
