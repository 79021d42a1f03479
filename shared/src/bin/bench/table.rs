//! Figures as a table that is read as it stands, and is Markdown.

use std::fmt;

use crate::figure::{Figure, Spread};

const HEAD: [&str; 8] = ["figure", "unit", "median", "min", "max", "reference", "ratio", "goal"];
/// Numbers are aligned to the right.
const NUMBERS: std::ops::Range<usize> = 2..5;

pub(crate) fn write(figures: &[Figure], f: &mut fmt::Formatter) -> fmt::Result {
    let rows: Vec<[String; HEAD.len()]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(figures.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; HEAD.len()] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for (index, row) in rows.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            if NUMBERS.contains(&column) {
                write!(f, "| {cell:>width$} ")?;
            } else {
                write!(f, "| {cell:<width$} ")?;
            }
        }
        writeln!(f, "|")?;
        if index == 0 {
            for (column, width) in widths.into_iter().enumerate() {
                let end = if NUMBERS.contains(&column) { ':' } else { '-' };
                write!(f, "|{}{end}", "-".repeat(width + 1))?;
            }
            writeln!(f, "|")?;
        }
    }
    Ok(())
}

fn cells(figure: &Figure) -> [String; HEAD.len()] {
    let Spread { median, min, max } = figure.spread;
    let (reference, ratio) = figure.reference.as_ref().map_or_else(Default::default, |reference| {
        let Spread { median, min, max } = reference.ratio;
        (
            format!("{}: {}", reference.name, number(reference.spread.median)),
            format!("{median:.2} ({min:.2} to {max:.2})"),
        )
    });
    let [median, min, max] = [median, min, max].map(number);
    let [unit, goal] = [figure.unit, figure.goal].map(str::to_owned);
    [figure.what.clone(), unit, median, min, max, reference, ratio, goal]
}

/// Three significant digits, or all before the point.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Sample, collect};

    struct Table(Vec<Figure>);

    impl fmt::Display for Table {
        fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
            write(&self.0, f)
        }
    }

    #[test]
    fn columns_are_aligned() {
        let samples = vec![
            Sample::new("end to end", 123_456.7, "messages/s")
                .beside("R", 246_913.4)
                .goal("≥ 0.7 R"),
            Sample::new("p99", 12.34, "ms"),
        ];
        let expected = "\
| figure     | unit       | median |    min |    max | reference | ratio               | goal    |
|------------|------------|-------:|-------:|-------:|-----------|---------------------|---------|
| end to end | messages/s | 123457 | 123457 | 123457 | R: 246913 | 0.50 (0.50 to 0.50) | ≥ 0.7 R |
| p99        | ms         |   12.3 |   12.3 |   12.3 |           |                     |         |
";
        assert_eq!(Table(collect(vec![samples])).to_string(), expected);
    }
}
