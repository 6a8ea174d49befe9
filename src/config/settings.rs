//! Where the process finds things: defaults < `/etc/sonic/imgmgrd.toml` < environment < command line.
//!
//! In three stages: each source as it is, all merged by the `config` crate, and the merged texts made into types.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueHint, value_parser};
use config::builder::DefaultState;
use config::{Config, ConfigBuilder, Environment, File, FileFormat};
use serde::Deserialize;

use crate::config::files;
use crate::docker::{EngineHost, InvalidHost};
use crate::domain::printable;

/// The file that is read unless `--config` names another.
pub const DEFAULT_FILE: &str = "/etc/sonic/imgmgrd.toml";
/// The flag that names another.
const CONFIG: &str = "config";
/// What the names of this process's environment variables begin with.
const PREFIX: &str = "IMGMGRD";
/// What stands between the prefix, a section and a key. Keys hold single underscores.
const SEPARATOR: &str = "__";

/// The largest settings file that is read: all there is to set takes less than a KiB, and TOML that is nested as deeply as
/// can be takes a hundred times its size to be read.
const LARGEST: u64 = 64 << 10;

/// The engine's address: the one setting that is no path.
const HOST: &str = "engine.host";

/// The heading of the settings in `--help`.
pub(crate) const SETTINGS: &str = "Settings";

/// Where the process finds things.
///
/// Each setting is stated here and nowhere else: its field is the key of the settings file, its id is the whole key, from
/// which the environment variable's name is made, and its flag, default and help are clap's.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `redis.*`
    #[command(flatten)]
    pub redis: RedisSettings,
    /// `engine.*`
    #[command(flatten)]
    pub engine: EngineSettings,
    /// `paths.*`
    #[command(flatten)]
    pub paths: PathSettings,
}

/// Where the databases are described.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub struct RedisSettings {
    /// Where SONiC says where its databases are
    #[arg(id = "redis.database_config", long = "database-config", value_name = "FILE")]
    #[arg(default_value = "/var/run/redis/sonic-db/database_config.json")]
    pub database_config: PathBuf,
    /// The same for the ASICs of a multi-ASIC switch
    #[arg(id = "redis.database_global", long = "database-global", value_name = "FILE")]
    #[arg(default_value = "/var/run/redis/sonic-db/database_global.json")]
    pub database_global: PathBuf,
}

/// Where the engine is.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub struct EngineSettings {
    /// Docker engine, as unix://PATH or tcp://HOST:PORT; DOCKER_HOST where that is set
    #[arg(id = HOST, long = "engine-host", value_name = "URL", value_hint = ValueHint::Other)]
    #[arg(default_value = EngineHost::DEFAULT)]
    pub host: EngineHost,
}

/// Files and directories.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub struct PathSettings {
    /// Where the agent keeps what it remembers
    #[arg(id = "paths.state_dir", long = "state-dir", value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    #[arg(default_value = "/var/lib/imgmgrd")]
    pub state_dir: PathBuf,
    /// Which image a feature is made of
    #[arg(id = "paths.image_names", long = "image-names", value_name = "FILE")]
    #[arg(default_value = "/usr/share/sonic/templates/ctr_image_names.json")]
    pub image_names: PathBuf,
    /// Defaults for the policy
    #[arg(id = "paths.remote_ctr_config", long = "remote-ctr-config", value_name = "FILE")]
    #[arg(default_value = "/etc/sonic/remote_ctr.config.json")]
    pub remote_ctr_config: PathBuf,
    /// What sonic-package-manager installed
    #[arg(id = "paths.packages", long = "packages", value_name = "FILE")]
    #[arg(default_value = "/var/lib/sonic-package-manager/packages.json")]
    pub packages: PathBuf,
}

/// Every setting as clap knows it, by its key.
fn arguments() -> Vec<Arg> {
    Settings::augment_args(Command::new("")).get_arguments().cloned().collect()
}

/// What the command line says of the settings.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// The settings that it overrides: key and value.
    pub values: Vec<(String, String)>,
}

impl Args for Overrides {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(PathBuf));
        let config = config.value_hint(ValueHint::FilePath).display_order(0);
        let config = config.help(format!("Settings file [default: {DEFAULT_FILE}, which may be missing]"));
        let settings = arguments().into_iter().map(|setting| {
            let variable = variable_of(setting.get_id().as_str());
            let help = format!("{} [env: {variable}]", setting.get_help().cloned().unwrap_or_default());
            // What it holds is judged when all sources are merged.
            let setting = setting.help(help).value_parser(value_parser!(String));
            if setting.get_value_hint() == ValueHint::Unknown {
                setting.value_hint(ValueHint::FilePath)
            } else {
                setting
            }
        });
        command.args([config].into_iter().chain(settings).map(|arg| arg.global(true).help_heading(SETTINGS)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Overrides {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_given = |key: &String| matches.value_source(key) == Some(ValueSource::CommandLine);
        let given = arguments().into_iter().map(|setting| setting.get_id().to_string()).filter(is_given);
        let values = given.filter_map(|key| matches.get_one(&key).cloned().map(|value| (key, value))).collect();
        Ok(Self { config: matches.get_one(CONFIG).cloned(), values })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
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
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The sources do not go together.
    #[error("settings: {0}")]
    Merge(#[from] config::ConfigError),
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
        let settings = arguments();
        let environment = environment_of_ours(environment, &settings)?;
        let mut builder = Config::builder();
        for setting in &settings {
            let default = setting.get_default_values().first().and_then(|default| default.to_str());
            builder = builder.set_default(setting.get_id().as_str(), default)?;
        }
        let content = file(&builder, overrides.config.as_deref(), default_file)?;
        if let Some(host) = environment.docker_host {
            builder = builder.set_default(HOST, host)?;
        }
        if let Some(content) = content {
            builder = builder.add_source(File::from_str(&content, FileFormat::Toml));
        }
        builder = builder.add_source(
            Environment::with_prefix(PREFIX)
                .prefix_separator(SEPARATOR)
                .separator(SEPARATOR)
                .source(Some(environment.variables)),
        );
        for (key, value) in &overrides.values {
            builder = builder.set_override(key, value.as_str())?;
        }
        let merged = builder.build()?;
        for setting in settings {
            let key = setting.get_id().to_string();
            check(&key, &merged.get_string(&key)?).map_err(|problem| SettingsError::Value { key, problem })?;
        }
        Ok(merged.try_deserialize()?)
    }
}

/// What a type would not say, or not by the name of the key.
fn check(key: &str, text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        Err("is empty; give a value or leave it out".to_owned())
    } else if text.contains('\0') {
        Err("holds a NUL character, which no path can".to_owned())
    } else if key == HOST {
        text.parse().map(|_: EngineHost| ()).map_err(|error: InvalidHost| error.to_string())
    } else {
        Ok(())
    }
}

/// The settings file's content, checked by itself so that an error can name file and key.
fn file(
    defaults: &ConfigBuilder<DefaultState>,
    named: Option<&Path>,
    default: &Path,
) -> Result<Option<String>, SettingsError> {
    let path = named.unwrap_or(default);
    let invalid = |problem: String| SettingsError::Content { path: path.to_owned(), problem };
    let Some(content) = files::read(path, LARGEST)? else {
        return if named.is_some() { Err(SettingsError::Missing(path.to_owned())) } else { Ok(None) };
    };
    let content = String::from_utf8(content).map_err(|_| invalid("is not UTF-8 text".to_owned()))?;
    let build = |builder: ConfigBuilder<DefaultState>| builder.build().map_err(|error| invalid(error.to_string()));
    let mut builder = defaults.clone().add_source(File::from_str(&content, FileFormat::Toml));
    if build(builder.clone())?.get_string(HOST).is_ok() {
        // Whether it is an address is judged when all is merged: a nearer source may have another.
        builder = builder.set_override(HOST, EngineHost::DEFAULT)?;
    }
    build(builder)?.try_deserialize::<Settings>().map_err(|error| invalid(error.to_string()))?;
    Ok(Some(content))
}

/// What the environment says.
struct Ours {
    /// The variables with our prefix, all of them known.
    variables: config::Map<String, String>,
    /// `DOCKER_HOST`, by which Docker's own command line finds the engine.
    docker_host: Option<String>,
}

fn environment_of_ours(
    all: impl IntoIterator<Item = (OsString, OsString)>,
    settings: &[Arg],
) -> Result<Ours, SettingsError> {
    let known: Vec<String> = settings.iter().map(|setting| variable_of(setting.get_id().as_str())).collect();
    let mut ours = Ours { variables: config::Map::new(), docker_host: None };
    for (name, value) in all {
        let is_ours = name.as_encoded_bytes().starts_with(b"IMGMGRD__");
        if !is_ours && name != "DOCKER_HOST" {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        let refused = |problem: String| SettingsError::Variable { name: printable(&name), problem };
        if is_ours && !known.contains(&name) {
            return Err(refused(format!("is none that imgmgrd knows; it knows {}", known.join(", "))));
        }
        let Ok(value) = value.into_string() else { return Err(refused("its value is not UTF-8 text".to_owned())) };
        if is_ours {
            ours.variables.insert(name, value);
        } else if !value.is_empty() {
            ours.docker_host = Some(value);
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
