//! Where the databases are: `database_config.json` and, on a multi-ASIC switch, `database_global.json`.
//!
//! Their form is fixed by SONiC's multi-database design (sonic-net/SONiC `doc/database/multi_database_instances.md` and
//! `multi_namespace_db_instances.md`); section 2 of DESIGN.md says what of it matters here.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::domain::{Namespace, printable};

/// Real files have some kilobytes; what is larger is something else.
const MOST_BYTES: u64 = 1024 * 1024;
/// SONiC's largest chassis have a few dozen ASICs.
const MOST_NAMESPACES: usize = 256;

/// The databases of each namespace, the host's always among them.
pub type Namespaces = BTreeMap<Namespace, NamespaceDatabases>;

/// One namespace's databases, as far as the agent needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceDatabases {
    /// CONFIG_DB.
    pub config: DatabaseAddress,
    /// STATE_DB.
    pub state: DatabaseAddress,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseAddress {
    /// The Redis server that holds it.
    pub server: Server,
    /// Its number there.
    pub id: u16,
    /// What stands between a table's name and a row's key.
    pub separator: String,
}

/// A Redis server: a unix socket, a TCP address, or both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// The unix socket, which is preferred.
    pub socket: Option<PathBuf>,
    /// Host and port, the fallback.
    pub tcp: Option<(String, u16)>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.socket, &self.tcp) {
            (Some(socket), _) => f.write_str(&printable_path(socket)),
            (None, Some((host, port))) => write!(f, "{host}:{port}"),
            (None, None) => f.write_str("nowhere"),
        }
    }
}

/// A path that a file names, for people: whole, and nothing in it turns a terminal.
pub(super) fn printable_path(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(char::escape_debug).collect()
}

/// Why the databases cannot be found. The text names the file, what is wrong with it, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; {}", printable_path(file), remedy(source))]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error(
        "{} is no database configuration: {problem}; restart the database service, which writes it anew",
        printable_path(file)
    )]
    Malformed {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "the database service writes it when it starts (systemctl status database), or set redis.database_config"
        }
        io::ErrorKind::PermissionDenied => "run this as root",
        _ => "see whether the path is right (redis.database_config, redis.database_global)",
    }
}

/// `database_config.json`. Entries for other databases are ignored: they may be anything.
#[derive(Deserialize)]
struct DatabaseFile {
    #[serde(rename = "INSTANCES")]
    instances: BTreeMap<String, serde_json::Value>,
    #[serde(rename = "DATABASES")]
    databases: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct InstanceEntry {
    hostname: Option<String>,
    port: Option<u16>,
    unix_socket_path: Option<String>,
}

#[derive(Deserialize)]
struct DatabaseEntry {
    id: u16,
    #[serde(default = "default_separator")]
    separator: String,
    instance: String,
}

fn default_separator() -> String {
    "|".to_owned()
}

/// `database_global.json`.
#[derive(Deserialize)]
struct GlobalFile {
    #[serde(rename = "INCLUDES")]
    includes: Vec<Include>,
}

#[derive(Deserialize)]
struct Include {
    include: String,
    #[serde(default)]
    namespace: String,
    /// Set for the databases of a SmartSwitch's DPUs, which are no namespaces of this switch (sonic-swss-common's tests
    /// have such an entry: `"container_name": "dpu0"`).
    #[serde(default)]
    container_name: String,
}

/// Reads where the databases of all namespaces are.
///
/// `global` may name a file that does not exist: the switch has one ASIC. The host's databases are those of `config`; the
/// entry for the host in `global` names the same file, and is read only where `config` does not exist.
///
/// # Errors
/// If a file is unreadable, malformed, or names no CONFIG_DB or STATE_DB.
pub fn read(config: &Path, global: &Path) -> Result<Namespaces, ConfigError> {
    let mut namespaces = Namespaces::new();
    let host = read_namespace(config);
    let includes = match read_json::<GlobalFile>(global) {
        Ok(file) => file.includes,
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if includes.len() > MOST_NAMESPACES {
        return Err(malformed(global, format!("it has more than {MOST_NAMESPACES} INCLUDES")));
    }
    if let Ok(host) = &host {
        namespaces.insert(Namespace::Host, host.clone());
    }
    for include in includes.iter().filter(|include| include.container_name.is_empty()) {
        let namespace: Namespace =
            include.namespace.parse().map_err(|error| malformed(global, format!("in INCLUDES, {error}")))?;
        if namespace == Namespace::Host && host.is_ok() {
            continue;
        }
        if include.include.contains(char::is_control) {
            let name = printable(&include.include);
            return Err(malformed(global, format!("in INCLUDES, \"{name}\" is no name of a file")));
        }
        let path = global.parent().unwrap_or(Path::new("")).join(&include.include);
        if namespaces.insert(namespace, read_namespace(&path)?).is_some() {
            return Err(malformed(global, format!("INCLUDES names \"{namespace}\" twice")));
        }
    }
    if !namespaces.contains_key(&Namespace::Host) {
        host?;
    }
    Ok(namespaces)
}

/// Reads one `database_config.json`.
fn read_namespace(path: &Path) -> Result<NamespaceDatabases, ConfigError> {
    let file: DatabaseFile = read_json(path)?;
    let find = |name| address(&file, name).map_err(|problem| malformed(path, problem));
    Ok(NamespaceDatabases { config: find("CONFIG_DB")?, state: find("STATE_DB")? })
}

fn address(file: &DatabaseFile, name: &str) -> Result<DatabaseAddress, String> {
    let entry = file.databases.get(name).ok_or_else(|| format!("DATABASES has no {name}"))?;
    let entry: DatabaseEntry =
        DatabaseEntry::deserialize(entry).map_err(|error| format!("{name}: {}", printable(&error.to_string())))?;
    if entry.separator.is_empty() {
        return Err(format!("{name} has an empty separator"));
    }
    let instance_name = printable(&entry.instance);
    let instance = file
        .instances
        .get(&entry.instance)
        .ok_or_else(|| format!("{name} is in instance \"{instance_name}\", which INSTANCES does not have"))?;
    let instance = InstanceEntry::deserialize(instance)
        .map_err(|error| format!("instance \"{instance_name}\": {}", printable(&error.to_string())))?;
    let socket = instance.unix_socket_path.filter(|path| !path.is_empty()).map(PathBuf::from);
    let host = instance.hostname.filter(|host| !host.is_empty()).unwrap_or_else(|| "127.0.0.1".to_owned());
    let tcp = instance.port.filter(|port| *port != 0).map(|port| (host, port));
    if socket.is_none() && tcp.is_none() {
        return Err(format!("instance \"{instance_name}\" has neither unix_socket_path nor port"));
    }
    Ok(DatabaseAddress { server: Server { socket, tcp }, id: entry.id, separator: entry.separator })
}

fn malformed(file: &Path, problem: String) -> ConfigError {
    ConfigError::Malformed { file: file.to_owned(), problem }
}

/// Reads a JSON file of bounded size.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: path.to_owned(), source };
    // Checked before it is opened: opening a FIFO would wait for a writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(malformed(path, "it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MOST_BYTES) {
        return Err(malformed(path, "it is larger than 1 MiB".to_owned()));
    }
    serde_json::from_slice(&bytes).map_err(|error| malformed(path, printable(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{
        "INSTANCES": {
            "redis": {"hostname": "127.0.0.1", "port": 6379, "unix_socket_path": "/var/run/redis/redis.sock",
                      "persistence_for_warm_boot": "yes"},
            "redis_bmp": {"port": "not a number"}
        },
        "DATABASES": {
            "APPL_DB": {"id": 0, "separator": ":", "instance": "redis"},
            "CONFIG_DB": {"id": 4, "separator": "|", "instance": "redis"},
            "STATE_DB": {"id": 6, "separator": "|", "instance": "redis"},
            "BMP_STATE_DB": {"id": "twenty", "instance": "redis_bmp"}
        },
        "VERSION": "1.0"
    }"#;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn write(folder: &tempfile::TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn a_path_that_turns_a_terminal_is_escaped() {
        let folder = folder();
        let config = write(&folder, "database_config.json", CONFIG);
        let included = r#"{"INCLUDES": [{"namespace": "asic0", "include": "a\u202eb\n.json"}]}"#;
        let error = read(&config, &write(&folder, "database_global.json", included)).unwrap_err().to_string();
        assert!(error.contains("a\\u{202e}b\\n.json") && !error.contains(['\u{202e}', '\n']), "{error:?}");
        let server = Server { socket: Some("/run/\u{202e}.sock".into()), tcp: None };
        assert_eq!(server.to_string(), "/run/\\u{202e}.sock");
    }

    #[test]
    fn one_asic_has_no_global_file() {
        let folder = folder();
        let config = write(&folder, "database_config.json", CONFIG);
        let namespaces = read(&config, &folder.path().join("none.json")).unwrap();
        assert_eq!(namespaces.len(), 1);
        let host = &namespaces[&Namespace::Host];
        assert_eq!((host.config.id, host.state.id, host.state.separator.as_str()), (4, 6, "|"));
        assert_eq!(host.config.server.socket.as_deref(), Some(Path::new("/var/run/redis/redis.sock")));
        assert_eq!(host.config.server.tcp, Some(("127.0.0.1".to_owned(), 6379)));
        assert_eq!(host.config.server, host.state.server);
    }

    #[test]
    fn includes_are_relative_to_the_global_file_and_dpus_are_no_namespaces() {
        let folder = folder();
        let host = write(&folder, "redis/sonic-db/database_config.json", CONFIG);
        write(&folder, "redis0/sonic-db/database_config.json", CONFIG.replace("/redis/", "/redis0/"));
        let global = write(
            &folder,
            "redis/sonic-db/database_global.json",
            r#"{"INCLUDES": [
                {"include": "../../redis/sonic-db/database_config.json"},
                {"namespace": "asic0", "include": "../../redis0/sonic-db/database_config.json"},
                {"container_name": "dpu0", "include": "../../redisdpu0/sonic-db/database_config.json"}
            ], "VERSION": "1.0"}"#,
        );
        let namespaces = read(&host, &global).unwrap();
        assert_eq!(namespaces.keys().copied().collect::<Vec<_>>(), [Namespace::Host, Namespace::Asic(0)]);
        let socket = namespaces[&Namespace::Asic(0)].state.server.socket.clone().unwrap();
        assert_eq!(socket, Path::new("/var/run/redis0/redis.sock"));
        // Where the file of its own is missing, the global file still says where the host's databases are.
        assert_eq!(read(&folder.path().join("none.json"), &global).unwrap(), namespaces);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_file_and_the_mend() {
        let folder = folder();
        let none = folder.path().join("none.json");
        let error = read(&none, &none).unwrap_err().to_string();
        assert!(error.contains("none.json") && error.contains("systemctl status database"), "{error}");
        for (content, problem) in [
            (String::new(), "EOF"),
            ("{\"INSTANCES\": 5}".to_owned(), "invalid type"),
            (CONFIG.replace("STATE_DB\": {\"id\": 6", "OTHER_DB\": {\"id\": 6"), "no STATE_DB"),
            (CONFIG.replace("\"id\": 4", "\"id\": -4"), "CONFIG_DB: invalid value"),
            (CONFIG.replace("\"separator\": \"|\"", "\"separator\": \"\""), "empty separator"),
            (CONFIG.replace("\"redis\": {", "\"other\": {"), "INSTANCES does not have"),
            (format!("{{\"INSTANCES\": {{\"a\": {}", "[".repeat(100_000)), "recursion limit"),
            (" ".repeat(1024 * 1024 + 1), "larger than 1 MiB"),
        ] {
            let path = write(&folder, "database_config.json", content);
            let error = read(&path, &none).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains("database_config.json"), "{problem}: {error}");
        }
        let config = write(&folder, "database_config.json", CONFIG);
        for (content, problem) in [
            (r#"{"INCLUDES": [{"include": "x", "namespace": "a\nb"}]}"#, "not a valid namespace"),
            (
                r#"{"INCLUDES": [{"include": "database_config.json", "namespace": "asic0"},
                                 {"include": "database_config.json", "namespace": "asic0"}]}"#,
                "twice",
            ),
            (r#"{"INCLUDES": [{"include": ".", "namespace": "asic0"}]}"#, "no regular file"),
            (r#"{"INCLUDES": [{"include": "a\u001bb", "namespace": "asic0"}]}"#, "\"a\\u{1b}b\" is no name of a file"),
        ] {
            let global = write(&folder, "database_global.json", content);
            let error = read(&config, &global).unwrap_err().to_string();
            assert!(error.contains(problem), "{problem}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let folder = folder();
            let path = write(&folder, "x.json", bytes);
            proptest::prop_assert!(read(&path, &path).is_err());
        }
    }
}
