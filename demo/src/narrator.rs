//! Tells the story on the terminal: who did what, and when. No line is wider than 80 columns.

use std::cell::{Cell, RefCell};
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// How wide a line may be.
const WIDTH: usize = 80;

/// Where remarks begin, below the names of those who act.
const REMARK: usize = 9;

/// Where begins what somebody did, after the time and the name.
const DEED: usize = 18;

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
pub(crate) struct Narrator {
    started: Instant,
    has_colour: bool,
    /// The width of a countdown that is being printed, its line still open; 0 without one.
    counted: Cell<usize>,
    /// Where it goes: the terminal, or who asked the demo for something.
    out: RefCell<Box<dyn Write>>,
    /// Whether that has failed: nobody listens any more.
    is_lost: Cell<bool>,
}

impl Narrator {
    /// Begins now. Colour only on a terminal, unless <https://no-color.org> is asked for.
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let has_colour = std::io::stdout().is_terminal() && !unwanted;
        Self {
            started: Instant::now(),
            has_colour,
            counted: Cell::new(0),
            out: RefCell::new(Box::new(std::io::stdout())),
            is_lost: Cell::new(false),
        }
    }

    /// Tells it to somebody else from now on.
    pub(crate) fn turn_to(&self, listener: Box<dyn Write>) {
        self.end_line();
        self.out.replace(listener);
        self.is_lost.set(false);
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    /// Text as it is.
    pub(crate) fn print(&self, text: &str) {
        let mut out = self.out.borrow_mut();
        if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
            self.is_lost.set(true);
        }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.has_colour { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        self.painted("\x1b[2m", text)
    }

    /// The next scene.
    pub(crate) fn heading(&self, text: &str) {
        self.end_line();
        self.print("\n");
        for line in wrapped(text, WIDTH) {
            self.print(&format!("{}\n", self.painted("\x1b[1m", &line)));
        }
    }

    /// What a person may want to know, from the first column on.
    pub(crate) fn note(&self, text: &str) {
        self.end_line();
        for line in wrapped(text, WIDTH) {
            self.print(&format!("{}\n", self.dim(&line)));
        }
    }

    /// What a person may want to know about what just happened.
    pub(crate) fn aside(&self, text: &str) {
        self.end_line();
        for line in wrapped(text, WIDTH - REMARK) {
            self.print(&format!("{:REMARK$}{}\n", "", self.dim(&line)));
        }
    }

    /// A line of a list below a remark, in two columns; what does not fit into the second goes on below.
    pub(crate) fn item(&self, name: &str, text: &str) {
        self.columns(REMARK + 2, name, text);
    }

    /// A line of a list of its own.
    pub(crate) fn entry(&self, name: &str, text: &str) {
        self.columns(2, name, text);
    }

    fn columns(&self, indent: usize, name: &str, text: &str) {
        const NAME: usize = 12;
        self.end_line();
        for (number, line) in wrapped(text, WIDTH - indent - NAME - 2).iter().enumerate() {
            let name = if number == 0 { name } else { "" };
            self.print(&format!("{:indent$}{name:<NAME$}  {}\n", "", self.dim(line)));
        }
    }

    /// Somebody did something.
    pub(crate) fn says(&self, who: Who, what: &str) {
        self.end_line();
        let time = self.dim(&format!("{:5.1} s", self.started.elapsed().as_secs_f64()));
        let name = self.painted(who.colour(), &format!("{:<7}", who.name()));
        for (number, line) in wrapped(what, WIDTH - DEED).iter().enumerate() {
            match number {
                0 => self.print(&format!("{time}  {name}  {line}\n")),
                _ => self.print(&format!("{:DEED$}{line}\n", "")),
            }
        }
    }

    /// A command that the person would type, before its output.
    pub(crate) fn prompt(&self, command: &str) {
        self.end_line();
        self.print(&format!("\n{}\n", self.painted("\x1b[1m", &format!("# {command}"))));
    }

    /// The seconds left of something, one after the other on one line.
    pub(crate) fn counts(&self, what: &str, seconds: &str) {
        if self.counted.get() == 0 {
            let begin = format!("{what}, seconds left:");
            self.print(&format!("{:REMARK$}{}", "", self.dim(&begin)));
            self.counted.set(REMARK + begin.len());
        }
        let width = self.counted.get() + 1 + seconds.len();
        if width <= WIDTH {
            self.counted.set(width);
            self.print(&format!(" {seconds}"));
        }
    }

    fn end_line(&self) {
        if self.counted.replace(0) > 0 {
            self.print("\n");
        }
    }
}

/// A text in lines of at most so many characters, broken at blanks where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        for letter in word.chars() {
            if line.chars().count() == width {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn lines_are_broken_at_blanks_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a 0123456789 b", 4), ["a", "0123", "4567", "89 b"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
