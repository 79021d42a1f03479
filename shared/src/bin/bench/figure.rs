//! What was measured: a sample for each run, and the figure that they make.

use serde::Serialize;

/// One value of one run.
pub(crate) struct Sample {
    what: String,
    unit: &'static str,
    value: f64,
    reference: Option<(&'static str, f64)>,
    goal: &'static str,
}

impl Sample {
    pub(crate) fn new(what: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { what: what.into(), unit, value, reference: None, goal: "" }
    }

    /// With what it is compared to, in the same unit.
    pub(crate) fn beside(mut self, name: &'static str, value: f64) -> Self {
        self.reference = Some((name, value));
        self
    }

    pub(crate) fn goal(mut self, goal: &'static str) -> Self {
        self.goal = goal;
        self
    }
}

/// The same value of all runs.
#[derive(Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) spread: Spread,
    pub(crate) reference: Option<Reference>,
    pub(crate) goal: &'static str,
}

/// What a figure is compared to, in the same runs.
#[derive(Serialize)]
pub(crate) struct Reference {
    pub(crate) name: &'static str,
    #[serde(flatten)]
    pub(crate) spread: Spread,
    /// Figure by reference, run by run.
    pub(crate) ratio: Spread,
}

/// The middle and the ends of some values.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => values[middle],
            _ => f64::midpoint(values[middle - 1], values[middle]),
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        Self { median, min: end(values.first()), max: end(values.last()) }
    }
}

/// The figures of all runs, in the order in which they came first.
pub(crate) fn collect(runs: Vec<Vec<Sample>>) -> Vec<Figure> {
    let mut groups: Vec<Vec<Sample>> = Vec::new();
    for sample in runs.into_iter().flatten() {
        match groups.iter_mut().find(|group| group[0].what == sample.what) {
            Some(group) => group.push(sample),
            None => groups.push(vec![sample]),
        }
    }
    groups.iter().map(|group| figure(group)).collect()
}

fn figure(samples: &[Sample]) -> Figure {
    let Sample { unit, goal, reference, .. } = samples[0];
    let what = samples[0].what.clone();
    let references = || samples.iter().filter_map(|sample| Some((sample, sample.reference?.1)));
    let reference = reference.map(|(name, _)| Reference {
        name,
        spread: Spread::of(references().map(|(_, value)| value).collect()),
        ratio: Spread::of(references().map(|(sample, value)| sample.value / value).collect()),
    });
    let spread = Spread::of(samples.iter().map(|sample| sample.value).collect());
    Figure { what, unit, spread, reference, goal }
}

/// The value that a part of all values, such as 0.99, does not exceed.
pub(crate) fn percentile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = scaled(values.len() as u64, part).clamp(1, values.len().max(1) as u64) - 1;
    let index = usize::try_from(rank).unwrap_or(usize::MAX);
    values.get(index).copied().unwrap_or(f64::NAN)
}

/// As many as `count`, scaled, but at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and far below the end of the range"
)]
pub(crate) fn scaled(count: u64, scale: f64) -> u64 {
    ((real(count) * scale).ceil() as u64).max(1)
}

/// A count, to reckon with.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        assert_eq!(spread(&[3.0]), Spread { median: 3.0, min: 3.0, max: 3.0 });
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 9.0 });
        assert_eq!(spread(&[4.0, 1.0, 2.0, 9.0]), Spread { median: 3.0, min: 1.0, max: 9.0 });
    }

    #[test]
    fn runs_are_compared_one_by_one() {
        let run =
            |value, reference| vec![Sample::new("speed", value, "m/s").beside("R", reference)];
        let figures = collect(vec![run(1.0, 2.0), run(30.0, 10.0), run(4.0, 4.0)]);
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].spread, Spread { median: 4.0, min: 1.0, max: 30.0 });
        let ratio = figures[0].reference.as_ref().map(|reference| &reference.ratio);
        assert_eq!(ratio, Some(&Spread { median: 1.0, min: 0.5, max: 3.0 }));
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200_u32).rev().map(f64::from).collect();
        assert_eq!(percentile(values.clone(), 0.99).total_cmp(&198.0), std::cmp::Ordering::Equal);
        assert_eq!(percentile(values, 0.001).total_cmp(&1.0), std::cmp::Ordering::Equal);
        assert!(percentile(Vec::new(), 0.5).is_nan());
    }
}
