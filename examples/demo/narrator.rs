//! Tells the story on the terminal: who did what, and when.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Who does something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who {
    /// SONiC's scripts, systemd, and the person at the switch.
    Switch,
    /// The kubelet, and Kubernetes behind it.
    Kubelet,
    /// The agent, in the words of its own log.
    Agent,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Kubelet => "kubelet",
            Self::Agent => "imgmgrd",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Switch => "\x1b[33m",
            Self::Kubelet => "\x1b[34m",
            Self::Agent => "\x1b[32m",
        }
    }
}

/// What is printed, line by line.
#[derive(Debug)]
pub(crate) struct Narrator {
    started: Instant,
    has_colour: bool,
    /// A countdown is being printed, and its line is still open.
    is_counting: Cell<bool>,
}

impl Narrator {
    /// Begins now. Colour only on a terminal, unless <https://no-color.org> is asked for.
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let has_colour = std::io::stdout().is_terminal() && !unwanted;
        Self { started: Instant::now(), has_colour, is_counting: Cell::new(false) }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.has_colour { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }

    /// The next scene.
    pub(crate) fn heading(&self, text: &str) {
        self.end_line();
        println!("\n{}", self.painted("\x1b[1m", text));
    }

    /// What a person may want to know.
    pub(crate) fn aside(&self, text: &str) {
        self.end_line();
        println!("{}", self.painted("\x1b[2m", text));
    }

    /// Somebody did something.
    pub(crate) fn says(&self, who: Who, what: &str) {
        self.end_line();
        let time = self.painted("\x1b[2m", &format!("{:5.1} s", self.started.elapsed().as_secs_f64()));
        println!("{time}  {}  {what}", self.painted(who.colour(), &format!("{:<7}", who.name())));
    }

    /// A command that the person would type, before its output.
    pub(crate) fn prompt(&self, command: &str) {
        self.end_line();
        println!("\n{}", self.painted("\x1b[1m", &format!("# {command}")));
        std::io::stdout().flush().ok();
    }

    /// The seconds left of something, one after the other on one line.
    pub(crate) fn counts(&self, what: &str, seconds: &str) {
        if !self.is_counting.replace(true) {
            print!("         {}", self.painted("\x1b[2m", &format!("{what}, seconds left:")));
        }
        print!(" {seconds}");
        std::io::stdout().flush().ok();
    }

    fn end_line(&self) {
        if self.is_counting.replace(false) {
            println!();
        }
    }
}
