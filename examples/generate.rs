//! Writes what is generated from the source, JSON Schemas, man pages and completions: `make generate`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let schemas = imgmgrd::schema::documents().into_iter();
    let schemas = schemas.map(|(path, schema)| (format!("schema/{path}"), format!("{schema:#}\n")));
    for (path, text) in schemas.chain(imgmgrd::manual::documents()?) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    Ok(())
}
