//! The man pages and the completions of the shells, made of the command line itself.
//!
//! They are for the package and for [`crate::cli`]'s `completion`; `make generate` writes them.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory as _};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::CommandLine;
use crate::config::settings::SETTINGS;

/// Commands for administrators, as the man pages count.
const SECTION: &str = "8";

/// What is read and written, for the page of the whole command.
const FILES: [(&str, &str); 6] = [
    ("/etc/sonic/imgmgrd.toml", "Settings; see docs/configuration.md."),
    ("/etc/sonic/remote_ctr.config.json", "Defaults of the policy, as the Python daemon had them."),
    ("/usr/share/sonic/templates/ctr_image_names.json", "Which image a feature is made of."),
    ("/var/lib/sonic-package-manager/packages.json", "What sonic-package-manager installed."),
    ("/var/lib/imgmgrd/", "What the agent remembers, and the history."),
    ("/var/run/redis/sonic-db/database_config.json", "Where SONiC's databases are."),
];

/// Every page and every shell's completions, by its file's path in the repository.
///
/// # Errors
/// None in practice: it writes to memory.
pub fn documents() -> std::io::Result<BTreeMap<String, String>> {
    let command = command();
    let mut documents = completions(&command);
    for of in command.get_subcommands().chain([&command]) {
        let man = Man::new(of.clone()).section(SECTION).source("imgmgrd").manual("SONiC container images");
        documents.insert(format!("man/{}", man.get_filename()), page(&man, of, &command)?);
    }
    Ok(documents)
}

/// The command line without what would fill most of each document: `help`, which repeats every command, and the settings
/// again in each command.
fn command() -> Command {
    let is_setting = |arg: &Arg| arg.get_help_heading() == Some(SETTINGS);
    let command = CommandLine::command().disable_help_subcommand(true);
    let mut command = command.mut_args(|arg| if is_setting(&arg) { arg.global(false) } else { arg });
    command.build();
    command
}

fn completions(command: &Command) -> BTreeMap<String, String> {
    let script = |(shell, file)| {
        let mut script = Vec::new();
        generate(shell, &mut command.clone(), "imgmgrd", &mut script);
        (format!("completions/{file}"), String::from_utf8_lossy(&script).into_owned())
    };
    [(Shell::Bash, "imgmgrd.bash"), (Shell::Zsh, "_imgmgrd"), (Shell::Fish, "imgmgrd.fish")].map(script).into()
}

/// The page of one command: what clap knows of it, then what it does not.
fn page(man: &Man, of: &Command, whole: &Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    let is_whole = of.get_name() == whole.get_name();
    if is_whole {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    let mut rest = Roff::new();
    // "Examples:" and "Exit codes:" of --help, each a section here.
    for help in [of, whole].into_iter().take(if is_whole { 1 } else { 2 }).filter_map(Command::get_after_help) {
        let help = help.to_string();
        let (heading, lines) = help.split_once(":\n").unwrap_or(("Notes", &help));
        section(&mut rest, heading);
        rest.control("nf", []);
        for line in lines.lines() {
            rest.text([roman(line)]);
        }
        rest.control("fi", []);
    }
    if is_whole {
        section(&mut rest, "Files");
        for (file, what) in FILES {
            rest.control("TP", []).text([roman(file)]).text([roman(what)]);
        }
    }
    if !is_whole {
        section(&mut rest, "Settings");
        let whole = whole.get_name();
        rest.text([roman(format!("Where things are is set as for every command: see {whole}({SECTION})."))]);
    }
    section(&mut rest, "See also");
    let others = whole.get_subcommands().chain([whole]).filter(|other| other.get_name() != of.get_name());
    let others = others.map(|other| format!("{}({SECTION})", other.get_display_name().unwrap_or(other.get_name())));
    rest.text([roman(others.collect::<Vec<_>>().join(", "))]);
    page.extend(rest.to_roff().into_bytes());
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn section(page: &mut Roff, heading: &str) {
    page.control("SH", [heading.to_uppercase().as_str()]);
}
