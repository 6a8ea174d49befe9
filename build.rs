//! Tells the linker which functions to put apart.

fn main() {
    println!("cargo::rerun-if-changed=link/seldom.ld");
    // Understood by GNU ld and by lld; nothing but memory depends on it.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        let folder = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bin=imgmgrd=-Wl,-T,{folder}/link/seldom.ld");
    }
}
