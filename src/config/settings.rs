//! Where the process finds things: defaults < `/etc/sonic/imgmgrd.toml` < environment < command line.
//!
//! In three stages: each source as it is, all merged by the `config` crate, and the merged texts made into types.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueHint;
use config::{Config, Environment, File, FileFormat};
use serde::Deserialize;

use crate::config::files;
use crate::docker::{EngineHost, InvalidHost};
use crate::domain::printable;

/// The file that is read unless `--config` names another.
pub const DEFAULT_FILE: &str = "/etc/sonic/imgmgrd.toml";
/// What the names of this process's environment variables begin with.
const PREFIX: &str = "IMGMGRD";
/// What stands between the prefix, a section and a key. Keys hold single underscores.
const SEPARATOR: &str = "__";

/// The largest settings file that is read: all there is to set takes less than a KiB, and TOML that is nested as deeply as
/// can be takes a hundred times its size to be read.
const LARGEST: u64 = 64 << 10;

/// Every key and its default; none where the default depends on the environment.
const KEYS: [(&str, Option<&str>); 7] = [
    ("redis.database_config", Some("/var/run/redis/sonic-db/database_config.json")),
    ("redis.database_global", Some("/var/run/redis/sonic-db/database_global.json")),
    ("engine.host", None),
    ("paths.state_dir", Some("/var/lib/imgmgrd")),
    ("paths.image_names", Some("/usr/share/sonic/templates/ctr_image_names.json")),
    ("paths.remote_ctr_config", Some("/etc/sonic/remote_ctr.config.json")),
    ("paths.packages", Some("/var/lib/sonic-package-manager/packages.json")),
];

/// The heading of the settings in `--help`.
pub(crate) const SETTINGS: &str = "Settings";

/// The settings that the command line overrides.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = SETTINGS)]
pub struct Overrides {
    /// Settings file [default: /etc/sonic/imgmgrd.toml, which may be missing]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<String>,
    /// Where SONiC says where its databases are [default: /var/run/redis/sonic-db/database_config.json] [env:
    /// IMGMGRD__REDIS__DATABASE_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub database_config: Option<String>,
    /// The same for the ASICs of a multi-ASIC switch [default: /var/run/redis/sonic-db/database_global.json] [env:
    /// IMGMGRD__REDIS__DATABASE_GLOBAL]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub database_global: Option<String>,
    /// Docker engine, as unix://PATH or tcp://HOST:PORT [default: DOCKER_HOST, else unix:///var/run/docker.sock] [env:
    /// IMGMGRD__ENGINE__HOST]
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Other)]
    pub engine_host: Option<String>,
    /// Where the agent keeps what it remembers [default: /var/lib/imgmgrd] [env: IMGMGRD__PATHS__STATE_DIR]
    #[arg(long, global = true, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub state_dir: Option<String>,
    /// Which image a feature is made of [default: /usr/share/sonic/templates/ctr_image_names.json] [env:
    /// IMGMGRD__PATHS__IMAGE_NAMES]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub image_names: Option<String>,
    /// Defaults for the policy [default: /etc/sonic/remote_ctr.config.json] [env: IMGMGRD__PATHS__REMOTE_CTR_CONFIG]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub remote_ctr_config: Option<String>,
    /// What sonic-package-manager installed [default: /var/lib/sonic-package-manager/packages.json] [env:
    /// IMGMGRD__PATHS__PACKAGES]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub packages: Option<String>,
}

impl Overrides {
    /// The overridden keys.
    fn values(&self) -> [(&'static str, Option<&String>); 7] {
        [
            ("redis.database_config", self.database_config.as_ref()),
            ("redis.database_global", self.database_global.as_ref()),
            ("engine.host", self.engine_host.as_ref()),
            ("paths.state_dir", self.state_dir.as_ref()),
            ("paths.image_names", self.image_names.as_ref()),
            ("paths.remote_ctr_config", self.remote_ctr_config.as_ref()),
            ("paths.packages", self.packages.as_ref()),
        ]
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that `--config` names does not exist.
    #[error("{}: does not exist; name another settings file, or leave --config out", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// The file's content is not what it should be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, naming the key.
        problem: String,
    },
    /// An environment variable is none of ours or cannot be read.
    #[error("environment variable {name}: {problem}")]
    Variable {
        /// Its name, printable.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A value is not what its key should hold.
    #[error("setting {key}: {problem}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The sources do not go together.
    #[error("settings: {0}")]
    Merge(#[from] config::ConfigError),
}

/// Where the process finds things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `redis.*`
    pub redis: RedisSettings,
    /// `engine.*`
    pub engine: EngineSettings,
    /// `paths.*`
    pub paths: PathSettings,
}

/// Where the databases are described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// `database_config.json` of the host.
    pub database_config: PathBuf,
    /// `database_global.json`, which only a multi-ASIC switch has.
    pub database_global: PathBuf,
}

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// Its address.
    pub host: EngineHost,
}

/// Files and directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSettings {
    /// What the agent remembers.
    pub state_dir: PathBuf,
    /// `ctr_image_names.json`.
    pub image_names: PathBuf,
    /// `remote_ctr.config.json`.
    pub remote_ctr_config: PathBuf,
    /// `packages.json`.
    pub packages: PathBuf,
}

/// One source, as it is: any key may be missing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters: the values are taken from the merged settings")]
struct Raw {
    redis: Option<RawRedis>,
    engine: Option<RawEngine>,
    paths: Option<RawPaths>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
#[expect(dead_code, reason = "as for `Raw`")]
struct RawRedis {
    database_config: Option<String>,
    database_global: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
#[expect(dead_code, reason = "as for `Raw`")]
struct RawEngine {
    host: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
#[expect(dead_code, reason = "as for `Raw`")]
struct RawPaths {
    state_dir: Option<String>,
    image_names: Option<String>,
    remote_ctr_config: Option<String>,
    packages: Option<String>,
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// If a file, a variable or a value is not what it should be; the error names it and says what to do.
    pub fn load(overrides: &Overrides) -> Result<Self, SettingsError> {
        Self::from_sources(overrides, Path::new(DEFAULT_FILE), std::env::vars_os())
    }

    /// As [`Settings::load`], with the default file and the environment as arguments.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_sources(
        overrides: &Overrides,
        default_file: &Path,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingsError> {
        let environment = environment_of_ours(environment)?;
        let mut builder = Config::builder();
        for (key, default) in KEYS {
            builder = builder.set_default(key, default.unwrap_or(&environment.engine_default))?;
        }
        if let Some(content) = file(overrides.config.as_deref(), default_file)? {
            builder = builder.add_source(File::from_str(&content, FileFormat::Toml));
        }
        builder = builder.add_source(
            Environment::with_prefix(PREFIX)
                .prefix_separator(SEPARATOR)
                .separator(SEPARATOR)
                .source(Some(environment.variables)),
        );
        for (key, value) in overrides.values() {
            builder = builder.set_override_option(key, value.map(String::as_str))?;
        }
        Self::validated(&builder.build()?)
    }

    /// The merged texts as types.
    fn validated(merged: &Config) -> Result<Self, SettingsError> {
        let text = |key: &'static str| match merged.get_string(key) {
            Ok(text) if text.trim().is_empty() => {
                Err(SettingsError::Value { key, problem: "is empty; give a value or leave it out".to_owned() })
            }
            Ok(text) if text.contains('\0') => {
                Err(SettingsError::Value { key, problem: "holds a NUL character, which no path can".to_owned() })
            }
            other => other.map_err(SettingsError::from),
        };
        let path = |key| text(key).map(PathBuf::from);
        let host = text("engine.host")?
            .parse()
            .map_err(|error: InvalidHost| SettingsError::Value { key: "engine.host", problem: error.to_string() })?;
        Ok(Self {
            redis: RedisSettings {
                database_config: path("redis.database_config")?,
                database_global: path("redis.database_global")?,
            },
            engine: EngineSettings { host },
            paths: PathSettings {
                state_dir: path("paths.state_dir")?,
                image_names: path("paths.image_names")?,
                remote_ctr_config: path("paths.remote_ctr_config")?,
                packages: path("paths.packages")?,
            },
        })
    }
}

/// The settings file's content, checked by itself so that an error can name file and key.
fn file(named: Option<&str>, default: &Path) -> Result<Option<String>, SettingsError> {
    let path = named.map_or(default, Path::new);
    let invalid = |problem: String| SettingsError::Content { path: path.to_owned(), problem };
    let Some(content) = files::read(path, LARGEST)? else {
        return if named.is_some() { Err(SettingsError::Missing(path.to_owned())) } else { Ok(None) };
    };
    let content = String::from_utf8(content).map_err(|_| invalid("is not UTF-8 text".to_owned()))?;
    Config::builder()
        .add_source(File::from_str(&content, FileFormat::Toml))
        .build()
        .and_then(Config::try_deserialize::<Raw>)
        .map_err(|error| invalid(error.to_string()))?;
    Ok(Some(content))
}

/// What the environment says.
struct Ours {
    /// The variables with our prefix, all of them known.
    variables: config::Map<String, String>,
    /// `DOCKER_HOST`, by which Docker's own command line finds the engine, else the local socket.
    engine_default: String,
}

fn environment_of_ours(all: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Ours, SettingsError> {
    let known = |name: &str| KEYS.iter().any(|(key, _)| variable_of(key) == name);
    let mut ours = Ours { variables: config::Map::new(), engine_default: EngineHost::DEFAULT.to_owned() };
    for (name, value) in all {
        let is_ours = name.as_encoded_bytes().starts_with(b"IMGMGRD__");
        if !is_ours && name != "DOCKER_HOST" {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        let refused = |problem: String| SettingsError::Variable { name: printable(&name), problem };
        if is_ours && !known(&name) {
            let names: Vec<_> = KEYS.iter().map(|(key, _)| variable_of(key)).collect();
            return Err(refused(format!("is none that imgmgrd knows; it knows {}", names.join(", "))));
        }
        let Ok(value) = value.into_string() else { return Err(refused("its value is not UTF-8 text".to_owned())) };
        if is_ours {
            ours.variables.insert(name, value);
        } else if !value.is_empty() {
            ours.engine_default = value;
        }
    }
    Ok(ours)
}

/// The environment variable of a key.
fn variable_of(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
