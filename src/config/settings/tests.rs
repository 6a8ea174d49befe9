use super::*;

const NOWHERE: &str = "/nonexistent/imgmgrd.toml";

fn load(overrides: &Overrides, file: &Path, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::from_sources(overrides, file, environment.iter().map(|(name, value)| (name.into(), value.into())))
}

fn keys_known() -> Vec<String> {
    arguments().iter().map(|setting| setting.get_id().to_string()).collect()
}

fn overrides(values: &[(&str, &str)]) -> Overrides {
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Overrides { config: None, values }
}

fn toml(content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("imgmgrd.toml");
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

#[test]
fn the_defaults_are_sonics() {
    let settings = load(&Overrides::default(), Path::new(NOWHERE), &[("PATH", "/bin")]).unwrap();
    assert_eq!(settings.redis.database_config, Path::new("/var/run/redis/sonic-db/database_config.json"));
    assert_eq!(settings.redis.database_global, Path::new("/var/run/redis/sonic-db/database_global.json"));
    assert_eq!(settings.engine.host, EngineHost::Unix("/var/run/docker.sock".into()));
    assert_eq!(settings.paths.state_dir, Path::new("/var/lib/imgmgrd"));
    assert_eq!(settings.paths.image_names, Path::new("/usr/share/sonic/templates/ctr_image_names.json"));
    assert_eq!(settings.paths.remote_ctr_config, Path::new("/etc/sonic/remote_ctr.config.json"));
    assert_eq!(settings.paths.packages, Path::new("/var/lib/sonic-package-manager/packages.json"));
}

#[test]
fn the_file_of_the_package_has_every_key_with_its_default() {
    let content = include_str!("../../../debian/imgmgrd.toml");
    let (_directory, file) = toml(content);
    let defaults = load(&Overrides::default(), Path::new(NOWHERE), &[]).unwrap();
    assert_eq!(load(&Overrides::default(), &file, &[]).unwrap(), defaults);
    // A key is commented out, and nothing else is written like one.
    let keys: Vec<&str> =
        content.lines().filter_map(|line| line.strip_prefix('#')?.split_once(" = ")?.0.into()).collect();
    let known: Vec<String> = keys_known().iter().filter_map(|key| Some(key.split_once('.')?.1.to_owned())).collect();
    assert_eq!(keys, known);
    let uncommented: String = content
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let (_directory, file) = toml(&uncommented);
    let elsewhere = [("DOCKER_HOST", "tcp://127.0.0.1:1")];
    assert_eq!(load(&Overrides::default(), &file, &elsewhere).unwrap(), defaults);
}

#[test]
fn the_nearer_source_wins() {
    let (_directory, file) = toml("[paths]\nstate_dir = \"/file\"\npackages = \"/file\"\nimage_names = \"/file\"\n");
    let overrides = overrides(&[("paths.packages", "/line")]);
    let environment = [("IMGMGRD__PATHS__PACKAGES", "/env"), ("IMGMGRD__PATHS__IMAGE_NAMES", "/env")];
    let settings = load(&overrides, &file, &environment).unwrap();
    assert_eq!(settings.paths.state_dir, Path::new("/file"));
    assert_eq!(settings.paths.image_names, Path::new("/env"));
    assert_eq!(settings.paths.packages, Path::new("/line"));
}

#[test]
fn every_key_has_a_variable_and_a_flag() {
    let environment: Vec<_> = keys_known().iter().map(|key| (variable_of(key), "unix:///env".to_owned())).collect();
    let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let from_environment = load(&Overrides::default(), Path::new(NOWHERE), &environment).unwrap();
    let flags = arguments().into_iter().map(|setting| format!("--{}=unix:///env", setting.get_long().unwrap()));
    let command = Overrides::augment_args(Command::new("imgmgrd"));
    let matches = command.try_get_matches_from(["imgmgrd".to_owned()].into_iter().chain(flags)).unwrap();
    let from_line = load(&Overrides::from_arg_matches(&matches).unwrap(), Path::new(NOWHERE), &[]).unwrap();
    assert_eq!(from_environment, from_line);
    let shown = format!("{from_line:?}");
    assert!(!shown.contains("sonic") && !shown.contains("imgmgrd"), "{shown}");
}

#[test]
fn a_flag_that_is_not_given_overrides_nothing() {
    let command = Overrides::augment_args(Command::new("imgmgrd"));
    let matches = command.try_get_matches_from(["imgmgrd", "--packages", "/line"]).unwrap();
    let overrides = Overrides::from_arg_matches(&matches).unwrap();
    assert_eq!(overrides.values, [("paths.packages".to_owned(), "/line".to_owned())]);
}

#[test]
fn the_help_names_every_default_and_variable() {
    let mut command = Overrides::augment_args(Command::new("imgmgrd")).term_width(0);
    let help = command.render_long_help().to_string();
    for setting in arguments() {
        assert!(help.contains(&variable_of(setting.get_id().as_str())), "{help}");
        assert!(help.contains(setting.get_default_values()[0].to_str().unwrap()), "{help}");
    }
}

#[test]
fn docker_host_is_the_default_of_the_engine() {
    let host = |environment: &[(&str, &str)]| {
        load(&Overrides::default(), Path::new(NOWHERE), environment).map(|settings| settings.engine.host.to_string())
    };
    assert_eq!(host(&[("DOCKER_HOST", "tcp://[::1]:2375/")]).unwrap(), "tcp://[::1]:2375");
    assert_eq!(host(&[("DOCKER_HOST", "")]).unwrap(), EngineHost::DEFAULT);
    let both = [("DOCKER_HOST", "unix:///a"), ("IMGMGRD__ENGINE__HOST", "unix:///b")];
    assert_eq!(host(&both).unwrap(), "unix:///b");
    for bad in [
        "ssh://x",
        "unix://",
        "unix://x",
        "tcp://",
        "/var/run/docker.sock",
        "tcp://a b",
        "tcp://a/b",
        "tcp://a",
        "npipe://x",
    ] {
        let error = host(&[("DOCKER_HOST", bad)]).unwrap_err().to_string();
        assert!(error.starts_with("setting engine.host: \"") && error.contains("unix:///PATH"), "{error}");
    }
}

#[test]
fn an_address_that_is_none_is_judged_where_it_counts() {
    let (_directory, file) = toml("[engine]\nhost = \"ssh://file\"\n");
    let error = load(&Overrides::default(), &file, &[]).unwrap_err().to_string();
    assert!(error.starts_with("setting engine.host: \"ssh://file\""), "{error}");
    let good = load(&overrides(&[("engine.host", "unix:///line")]), &file, &[]).unwrap();
    assert_eq!(good.engine.host.to_string(), "unix:///line");
    // What the environment says is not the file's fault.
    let (_directory, file) = toml("[paths]\nstate_dir = \"/file\"\n");
    let elsewhere = ("DOCKER_HOST", "ssh://there");
    let error = load(&Overrides::default(), &file, &[elsewhere]).unwrap_err().to_string();
    assert!(error.starts_with("setting engine.host: \"ssh://there\""), "{error}");
    let good = load(&Overrides::default(), &file, &[elsewhere, ("IMGMGRD__ENGINE__HOST", "unix:///env")]).unwrap();
    assert_eq!(good.engine.host.to_string(), "unix:///env");
}

#[test]
fn a_file_that_is_named_has_to_exist() {
    let overrides = Overrides { config: Some("/nonexistent/x.toml".into()), ..Overrides::default() };
    let error = load(&overrides, Path::new(NOWHERE), &[]).unwrap_err().to_string();
    assert_eq!(error, "/nonexistent/x.toml: does not exist; name another settings file, or leave --config out");
    let (_directory, file) = toml("[paths]\nstate_dir = \"/named\"\n");
    let overrides = Overrides { config: Some(file.clone()), ..Overrides::default() };
    let settings = load(&overrides, Path::new(NOWHERE), &[]).unwrap();
    assert_eq!(settings.paths.state_dir, Path::new("/named"));
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    for (content, parts) in [
        ("[paths]\nstatedir = \"/x\"\n", &["statedir", "state_dir"][..]),
        ("[pahts]\nstate_dir = \"/x\"\n", &["pahts", "paths"]),
        ("state_dir = \"/x\"\n", &["state_dir"]),
        ("[paths]\nstate_dir = [1]\n", &["state_dir"]),
        ("paths = 7\n", &["paths", "expected a section"]),
        ("[paths\n", &["1"]),
    ] {
        let (_directory, file) = toml(content);
        let error = load(&Overrides::default(), &file, &[]).unwrap_err().to_string();
        assert!(error.starts_with(file.to_str().unwrap()), "{error}");
        assert!(parts.iter().all(|part| error.contains(part)), "{content:?}: {error}");
    }
    let (_directory, file) = toml("");
    std::fs::write(&file, b"\xff").unwrap();
    assert!(load(&Overrides::default(), &file, &[]).is_err());
    let (_directory, file) = toml("[paths]\nstate_dir = \"\"\n");
    let error = load(&Overrides::default(), &file, &[]).unwrap_err().to_string();
    assert_eq!(error, "setting paths.state_dir: is empty; give a value or leave it out");
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    for name in ["IMGMGRD__PATHS__STATEDIR", "IMGMGRD__", "IMGMGRD__paths__state_dir", "IMGMGRD__CONFIG"] {
        let error = load(&Overrides::default(), Path::new(NOWHERE), &[(name, "x")]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("environment variable {name}: is none")), "{error}");
    }
    assert!(load(&Overrides::default(), Path::new(NOWHERE), &[("IMGMGRD_FAILPOINTS", "x")]).is_ok());
    use std::os::unix::ffi::OsStringExt;
    let environment = [("IMGMGRD__PATHS__STATE_DIR".into(), OsString::from_vec(vec![0xff]))];
    let error = Settings::from_sources(&Overrides::default(), Path::new(NOWHERE), environment).unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
}
