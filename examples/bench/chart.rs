//! The chart of docs/BENCHMARKS.md: how the work grows with the images, and what a promotion takes in different ways.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use crate::table::{Bar, Curve, Table};

const COLOURS: [RGBColor; 5] =
    [RGBColor(0, 90, 181), RGBColor(220, 50, 32), RGBColor(26, 133, 60), RGBColor(153, 79, 0), RGBColor(93, 58, 155)];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws both halves.
pub(crate) fn draw(table: &Table, file: &Path) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(file, (1200, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(640);
    curves(&left, &table.curves)?;
    bars(&right, &table.bars)?;
    area.present()?;
    Ok(())
}

/// Milliseconds over images; both axes are logarithmic, so that what grows in proportion is a line of this slope.
fn curves(area: &Area<'_>, curves: &[Curve]) -> Result<(), Box<dyn Error>> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let fold = |of: fn(f64, f64) -> f64, start: f64| points().map(|point| point.1).fold(start, of);
    let (least, most) = (fold(f64::min, f64::MAX) / 2.0, fold(f64::max, 0.0) * 2.0);
    let mut chart = ChartBuilder::on(area)
        .caption("How it grows with the images on the disk", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((80_f64..13_000_f64).log_scale(), (least..most).log_scale())?;
    chart.configure_mesh().x_desc("images").y_desc("milliseconds").light_line_style(WHITE.mix(0.0)).draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS) {
        let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2)).point_size(3);
        chart
            .draw_series(line)?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// One bar below the other, each with its name and its milliseconds.
fn bars(area: &Area<'_>, bars: &[Bar]) -> Result<(), Box<dyn Error>> {
    let longest = bars.iter().map(|bar| bar.milliseconds).fold(0.0, f64::max);
    area.draw(&Text::new("One promotion with clean-up", (20, 14), ("sans-serif", 18).into_font()))?;
    for (number, (bar, colour)) in (0_i32..).zip(bars.iter().zip(COLOURS)) {
        let top = 56 + number * 78;
        let width = (bar.milliseconds / longest * 420.0) as i32;
        let style = ("sans-serif", 14).into_font();
        area.draw(&Text::new(bar.name.clone(), (20, top), style.clone()))?;
        area.draw(&Rectangle::new([(20, top + 20), (20 + width, top + 46)], colour.filled()))?;
        area.draw(&Text::new(format!("{:.0} ms", bar.milliseconds), (28 + width, top + 26), style))?;
    }
    Ok(())
}
