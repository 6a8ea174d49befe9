//! Writes the JSON Schemas to `schema/`: `make schema`.

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (path, schema) in imgmgrd::schema::documents() {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&folder))?;
        fs::write(file, serde_json::to_string_pretty(&schema)? + "\n")?;
    }
    Ok(())
}
