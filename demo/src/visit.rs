//! `--stay`: a shell on the switch, in which a person plays Kubernetes and tries the commands.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, io};

use clap::{Parser, ValueEnum};
use imgmgrd_test_support::rows::Namespace;
use imgmgrd_test_support::{CONFIG_DB, Switch};

use crate::narrator::Who;
use crate::requests::{Requests, finish};
use crate::stage::{Feature, Stage};
use crate::stop::Stop;
use crate::story::{FEATURES, FOURTH, INSTALLED, Pod, SECOND, SNMP, TELEMETRY, THIRD, publish_version, take_over};

/// The commands of the shell. They are files of this repository and stay when the switch is gone, so that then, too,
/// nothing falls back to the machine's own Redis or engine.
const COMMANDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/commands");

/// How often it is looked whether somebody asks for something.
const MOMENT: Duration = Duration::from_millis(20);

/// How long the outcome of a deployment is told.
const FOLLOWED: Duration = Duration::from_secs(20);

/// What can be asked for from the shell.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_subcommand = true)]
enum Request {
    /// Play an upgrade: the kubelet pulls a version and runs it, and it takes the feature over
    Deploy {
        /// One of the switch's features
        feature: String,
        /// Any version; the registry gets it if it has not
        version: String,
        /// The version crashes two seconds after its start
        #[arg(long)]
        bad: bool,
    },
    /// Stop the agent, start it, or show what it has logged
    Agent {
        /// What to do
        action: AgentAction,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AgentAction {
    /// End it as systemd does
    Stop,
    /// Start it
    Start,
    /// The newest lines of its log
    Log,
}

/// Why a request is not carried out, or the demo ends.
enum Refusal {
    /// The person is told, and may ask again.
    No(String),
    /// The demo ends.
    End(Stop),
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Interrupted => Self::End(Stop::Interrupted),
            Stop::Wrong(why) => Self::No(why),
        }
    }
}

/// Opens the shell, and does what it asks for until it ends.
pub(crate) fn host(stage: &mut Stage<'_>, binary: &Path, pods: Vec<Pod>) -> Result<(), Stop> {
    let failed = |error: io::Error| Stop::wrong(format!("cannot open a shell on the switch: {error}"));
    let folder = stage.switch.path().to_owned();
    let requests = Requests::listen(&folder.join("demo.sock")).map_err(failed)?;
    let environment = environment(stage.switch, binary).map_err(failed)?;
    let activate = folder.join("activate");
    let exports: String = environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    fs::write(&activate, format!("{exports}export PATH='{COMMANDS}':\"$PATH\"\nPS1='switch# '\n")).map_err(failed)?;

    stage.scene("8. The switch is yours, until you leave its shell (exit, or Ctrl-D)");
    let narrator = stage.narrator;
    for (command, does) in [
        ("deploy", "deploy snmp 20240510.5 plays an upgrade, with --bad one that crashes"),
        ("agent", "agent stop, agent start, agent log"),
        ("imgmgrd", "imgmgrd status, images, plan, history, rollback telemetry, doctor, ..."),
        ("show, config", "SONiC's own: show feature image, config feature image --help"),
        ("docker", "the switch's engine: docker images, docker ps"),
        ("redis-cli", "its databases: redis-cli -n 6 hgetall 'FEATURE|telemetry'"),
    ] {
        narrator.entry(command, does);
    }
    narrator.note("Another terminal has all of this, too, after:");
    narrator.print(&format!("  . {}\n", activate.display()));

    let shell = shell(&activate, &environment).map_err(failed)?;
    Visit { stage, pods: pods.into_iter().map(|pod| (pod.feature.name, pod)).collect(), published: published() }
        .receive(shell, &requests)
}

/// Where the commands find the switch; `commands/switch.sh` reads it.
fn environment(switch: &Switch, binary: &Path) -> io::Result<Vec<(String, String)>> {
    let mut variables = switch.environment();
    for (name, value) in [
        ("DEMO_PID", std::process::id().to_string()),
        ("DEMO_PROGRAM", std::env::current_exe()?.display().to_string()),
        ("DEMO_SOCKET", switch.file("demo.sock").display().to_string()),
        ("DEMO_AGENT", binary.display().to_string()),
        ("DEMO_REDIS", switch.redis(Namespace::Host).socket().display().to_string()),
        ("DOCKER_HOST", switch.engine().host()),
    ] {
        variables.push((name.to_owned(), value));
    }
    Ok(variables)
}

/// A shell that has the commands: for a person, or for a script on its standard input.
fn shell(activate: &Path, environment: &[(String, String)]) -> io::Result<Child> {
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--rcfile"]).arg(activate).envs(environment.iter().cloned());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{COMMANDS}:{path}")).spawn()
}

/// What the story has put into the registry: whether it is bad, by feature and version.
fn published() -> BTreeMap<(&'static str, String), bool> {
    let good = [INSTALLED, SECOND, THIRD, FOURTH].map(|version| ((TELEMETRY.name, version.to_owned()), false));
    let of_snmp = [(SECOND, false), (THIRD, true)].map(|(version, bad)| ((SNMP.name, version.to_owned()), bad));
    good.into_iter().chain(of_snmp).collect()
}

/// The switch while the shell is open.
struct Visit<'s, 'a> {
    stage: &'s mut Stage<'a>,
    pods: BTreeMap<&'static str, Pod>,
    published: BTreeMap<(&'static str, String), bool>,
}

impl Visit<'_, '_> {
    /// Does what is asked for until the shell ends.
    fn receive(mut self, mut shell: Child, requests: &Requests) -> Result<(), Stop> {
        let ended = loop {
            if let Err(interrupted) = self.stage.check() {
                break Err(interrupted);
            }
            match shell.try_wait() {
                Ok(None) => {}
                Ok(Some(_)) => break Ok(()),
                Err(error) => break Err(Stop::wrong(format!("its shell: {error}"))),
            }
            if let Some((words, stream)) = requests.next() {
                if let Err(stop) = self.answer(&words, &stream) {
                    break Err(stop);
                }
            }
            std::thread::sleep(MOMENT);
        };
        self.stage.narrator.turn_to(Box::new(io::stdout()));
        if ended.is_err() {
            // A shell at its prompt ignores SIGTERM.
            shell.kill().ok();
            shell.wait().ok();
        }
        // Somebody who stopped the agent, or killed it, has not broken anything.
        self.stage.has_agent();
        ended
    }

    /// Carries one request out, telling whoever asked.
    fn answer(&mut self, words: &[String], stream: &UnixStream) -> Result<(), Stop> {
        let listener = stream.try_clone().map_err(|error| Stop::wrong(format!("a connection: {error}")))?;
        let narrator = self.stage.narrator;
        narrator.turn_to(Box::new(listener));
        self.stage.skip_log();
        let request = Request::try_parse_from(words);
        let outcome = match request {
            Ok(Request::Deploy { feature, version, bad }) => self.deploy(&feature, &version, bad),
            Ok(Request::Agent { action }) => self.agent(action),
            Err(usage) => {
                narrator.print(&usage.to_string());
                narrator.turn_to(Box::new(io::sink()));
                finish(stream, if usage.use_stderr() { 2 } else { 0 });
                return Ok(());
            }
        };
        let code = match outcome {
            Ok(()) => 0,
            Err(Refusal::No(why)) => {
                narrator.note(&why);
                1
            }
            Err(Refusal::End(stop)) => return Err(stop),
        };
        // A line that is open is ended.
        narrator.turn_to(Box::new(io::sink()));
        finish(stream, code);
        Ok(())
    }

    fn agent(&mut self, action: AgentAction) -> Result<(), Refusal> {
        let runs = self.stage.has_agent();
        match action {
            AgentAction::Stop if runs => {
                self.stage.says(Who::Switch, "systemctl stop imgmgrd");
                Ok(self.stage.end()?)
            }
            AgentAction::Start if !runs => {
                self.stage.says(Who::Switch, "systemctl start imgmgrd");
                self.stage.start_agent();
                Ok(self.stage.pause(Duration::from_secs(1))?)
            }
            AgentAction::Log if runs => {
                let log = self.stage.agent_log();
                let lines: Vec<&str> = log.lines().collect();
                let newest = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
                self.stage.narrator.print(&newest.iter().map(|line| format!("{line}\n")).collect::<String>());
                Ok(())
            }
            AgentAction::Start => Err(Refusal::No("agent: it runs already".to_owned())),
            AgentAction::Stop | AgentAction::Log => {
                Err(Refusal::No("agent: it does not run; `agent start` starts it".to_owned()))
            }
        }
    }

    /// Plays an upgrade, and tells what becomes of it.
    fn deploy(&mut self, name: &str, version: &str, is_bad: bool) -> Result<(), Refusal> {
        let Some(feature) = FEATURES.into_iter().find(|feature| feature.name == name) else {
            let names = FEATURES.map(|feature| feature.name).join(", ");
            return Err(Refusal::No(format!("deploy: no feature {name:?} is on this switch; there are: {names}")));
        };
        if !is_tag(version) {
            let what = "letters, digits, _ . and -, at most 128, the first one no . or -";
            return Err(Refusal::No(format!("deploy: {version:?} is no version: it is a tag, of {what}")));
        }
        let switch = self.stage.switch;
        for socket in [switch.engine().socket(), switch.redis(Namespace::Host).socket()] {
            if UnixStream::connect(socket).is_err() {
                let why = "is gone. Leave this shell; make demo ARGS=--stay starts another switch";
                return Err(Refusal::No(format!("deploy: the switch's server at {} {why}", socket.display())));
            }
        }
        let known = (feature.name, version.to_owned());
        match self.published.get(&known) {
            Some(was) if *was != is_bad => {
                let kind = if *was { "crashes" } else { "does not crash" };
                let why =
                    format!("deploy: {version} of {name} is in the registry already and {kind}: take another version");
                return Err(Refusal::No(why));
            }
            Some(_) => {}
            None => {
                publish_version(self.stage.switch, feature, version, is_bad);
                self.published.insert(known, is_bad);
            }
        }
        self.play(feature, version, is_bad)
    }

    fn play(&mut self, feature: Feature, version: &str, is_bad: bool) -> Result<(), Refusal> {
        let stage = &mut *self.stage;
        let switch = stage.switch;
        let has_agent = stage.has_agent();
        let rows = switch.feature(feature.name);
        let owner = switch.rows().get(CONFIG_DB, &format!("FEATURE|{}", feature.name));
        if owner.is_none_or(|row| row.get("set_owner").is_none_or(|owner| owner != "kube")) {
            stage.says(Who::Switch, &format!("config feature owner {} kube", feature.name));
            rows.set_owner("kube");
        }
        if let Some(old) = self.pods.remove(feature.name) {
            // Somebody may have removed its container by hand.
            if switch.engine().container(&old.container.id).is_some() {
                stage.remove(feature, &old.container, &old.version);
            }
            let row = rows.feature_row().unwrap_or_default();
            if row.get("current_owner").is_some_and(|owner| owner == "kube") {
                rows.goes_away();
            }
        }
        let row = rows.feature_row().unwrap_or_default();
        let field = |name: &str| row.get(name).map(String::as_str);
        let is_dry_run = (field("current_owner"), field("container_version")) == (Some("local"), Some(version));
        let container = stage.deploy(feature, version)?;
        let id = container.id.clone();
        if is_dry_run {
            stage.says(Who::Switch, "the container sees its own version running locally, and idles: a dry run");
        } else {
            take_over(stage, feature, &container, version);
        }
        self.pods.insert(feature.name, Pod { feature, version: version.to_owned(), container });
        if !has_agent {
            stage.narrator.aside("the agent does not run: nothing comes of it until `agent start`");
        } else if !is_dry_run {
            follow(stage, feature, id.get(..12).unwrap_or(&id))?;
        }
        if is_bad {
            stage.wait("the bad version to crash", |stage| !stage.switch.engine().is_running(&id))?;
            stage.says(Who::Switch, &format!("the service of {} goes down", feature.name));
            rows.goes_away();
            if stage.has_agent() {
                stage.pause(Duration::from_millis(500))?;
            }
        }
        Ok(())
    }
}

/// Tells what the agent does until the takeover is stable or failed, or that it will take longer.
fn follow(stage: &mut Stage<'_>, feature: Feature, container: &str) -> Result<(), Stop> {
    let begun = Instant::now();
    let (mut is_seen, mut counted) = (false, None);
    let mut is_late = false;
    stage.wait("the takeover to be stable or failed", |stage| {
        let rows = stage.switch.feature(feature.name);
        is_seen |= rows.published("container_id") == container;
        let stability = rows.stability();
        let left = (stability == "observing").then(|| stage.seconds_left(feature)).flatten();
        if left.is_some() && left != counted {
            counted = left;
            let left = left.unwrap_or_default();
            is_late = begun.elapsed() + Duration::from_secs(left) > FOLLOWED;
            stage.narrator.counts(&format!("{} is observed", feature.name), &left.to_string());
        }
        is_late |= begun.elapsed() > FOLLOWED;
        let is_decided = is_seen && !["observing", "waiting"].contains(&stability.as_str());
        is_decided || is_late || stage.narrator.is_lost()
    })?;
    if is_late {
        stage.narrator.aside("this takes longer: imgmgrd status shows it");
    } else {
        // Clean-up comes after the promotion.
        stage.pause(Duration::from_millis(700))?;
        stage.narrator.aside(&format!("{} is {}", feature.name, stage.stability(feature)));
    }
    Ok(())
}

/// Whether a registry takes it as a tag.
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}
