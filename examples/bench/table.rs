//! The results, each beside its budget.

/// What a figure is in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// MiB.
    MiB,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// A ratio.
    Times,
    /// A count.
    Count,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::MiB => format!("{value:.2} MiB"),
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
    measured: f64,
    unit: Unit,
    budget: Option<f64>,
}

/// How milliseconds grow with the number of images.
#[derive(Debug)]
pub(crate) struct Curve {
    /// Of what.
    pub(crate) name: String,
    /// Images, and milliseconds.
    pub(crate) points: Vec<(f64, f64)>,
}

/// What one thing takes in different ways, in milliseconds.
#[derive(Debug)]
pub(crate) struct Bar {
    /// The way.
    pub(crate) name: String,
    /// How long it takes.
    pub(crate) milliseconds: f64,
}

/// All results.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    /// For the chart.
    pub(crate) curves: Vec<Curve>,
    /// For the chart.
    pub(crate) bars: Vec<Bar>,
}

impl Table {
    /// Adds a result; without a budget it only informs.
    pub(crate) fn line(&mut self, what: impl Into<String>, measured: f64, unit: Unit, budget: Option<f64>) {
        self.lines.push(Line { what: what.into(), measured, unit, budget });
    }

    /// Adds a curve to the chart.
    pub(crate) fn curve(&mut self, name: &str, points: Vec<(f64, f64)>) {
        self.curves.push(Curve { name: name.to_owned(), points });
    }

    /// Adds a bar to the chart.
    pub(crate) fn bar(&mut self, name: &str, milliseconds: f64) {
        self.bars.push(Bar { name: name.to_owned(), milliseconds });
    }

    /// Prints everything; gives how many are over their budget.
    pub(crate) fn print(&self) -> usize {
        let width = self.lines.iter().map(|line| line.what.len()).max().unwrap_or_default();
        println!("{:<width$}  {:>12}  {:>12}", "WHAT", "MEASURED", "BUDGET");
        let mut over = 0;
        for Line { what, measured, unit, budget } in &self.lines {
            let (allowed, verdict) = match budget {
                None => (String::new(), ""),
                Some(budget) if measured <= budget => (unit.show(*budget), "ok"),
                Some(budget) => {
                    over += 1;
                    (unit.show(*budget), "OVER")
                }
            };
            let text = format!("{what:<width$}  {:>12}  {allowed:>12}  {verdict}", unit.show(*measured));
            println!("{}", text.trim_end());
        }
        over
    }
}

/// The value below which `share` of the sorted `values` lie.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (share * last as f64).ceil() as usize;
    values.get(index.min(last)).copied().unwrap_or(f64::NAN)
}

/// The middle of `values`.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    percentile(values, 0.5)
}
