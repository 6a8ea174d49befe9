//! imgmgrd
fn main() {}
