//! The results, each beside its budget.

/// What a figure is in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// MiB.
    MiB,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// A ratio.
    Times,
    /// A count.
    Count,
}

/// A result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    value: f64,
    is_limit: bool,
}

impl Measured {
    /// It was waited for so long, and had not happened.
    pub(crate) fn at_least(value: f64) -> Self {
        Self { value, is_limit: true }
    }

    fn show(self, unit: Unit) -> String {
        format!("{}{}", if self.is_limit { "> " } else { "" }, unit.show(self.value))
    }
}

impl From<f64> for Measured {
    fn from(value: f64) -> Self {
        Self { value, is_limit: false }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::MiB => format!("{value:.2} MiB"),
            Self::Seconds => format!("{value:.2} s"),
            Self::Ms => format!("{value:.2} ms"),
            Self::Us => format!("{value:.2} us"),
            Self::Times => format!("{value:.2} x"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

#[derive(Debug)]
struct Line {
    what: String,
    measured: Measured,
    unit: Unit,
    budget: Option<f64>,
}

impl Line {
    fn is_over(&self) -> bool {
        let Measured { value, is_limit } = self.measured;
        self.budget.is_some_and(|budget| is_limit || value.is_nan() || value > budget)
    }
}

/// All results.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
}

impl Table {
    /// Adds a result that has a budget.
    pub(crate) fn line(&mut self, what: impl Into<String>, measured: impl Into<Measured>, unit: Unit, budget: f64) {
        self.lines.push(Line { what: what.into(), measured: measured.into(), unit, budget: Some(budget) });
    }

    /// Adds what explains the line before it.
    pub(crate) fn detail(&mut self, what: &str, measured: impl Into<Measured>, unit: Unit) {
        self.lines.push(Line { what: format!("  {what}"), measured: measured.into(), unit, budget: None });
    }

    /// Prints everything; gives how many are over their budget.
    pub(crate) fn print(&self) -> usize {
        let width = self.lines.iter().map(|line| line.what.len()).max().unwrap_or_default();
        println!("{:<width$}  {:>13}  {:>10}", "WHAT", "MEASURED", "BUDGET");
        for line in &self.lines {
            let Line { what, measured, unit, budget } = line;
            let allowed = budget.map_or(String::new(), |budget| unit.show(budget));
            let retention = match budget {
                None => "",
                Some(_) if line.is_over() => "OVER",
                Some(_) => "ok",
            };
            let text = format!("{what:<width$}  {:>13}  {allowed:>10}  {retention}", measured.show(*unit));
            println!("{}", text.trim_end());
        }
        self.lines.iter().filter(|line| line.is_over()).count()
    }
}

/// The middle of `values`.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
