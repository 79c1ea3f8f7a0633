//! Numbers of one kind: their median, and the quartiles as their spread. Nothing else is made of them.

/// Numbers of one kind, at least one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Smallest first.
    sorted: Vec<f64>,
}

impl Sample {
    /// A sample of these numbers; none where there is no number, or one that is none.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Option<Self> {
        if numbers.is_empty() || numbers.iter().any(|number| !number.is_finite()) {
            return None;
        }
        numbers.sort_by(f64::total_cmp);
        Some(Self { sorted: numbers })
    }

    /// How many numbers there are.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The numbers, smallest first.
    pub(crate) fn numbers(&self) -> &[f64] {
        &self.sorted
    }

    /// The middle.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The first and the third quartile.
    pub(crate) fn quartiles(&self) -> (f64, f64) {
        (self.quantile(0.25), self.quantile(0.75))
    }

    /// The number below which this share of all lies, by linear interpolation between neighbours (type 7 of Hyndman and
    /// Fan, which R and NumPy take too).
    fn quantile(&self, share: f64) -> f64 {
        let place = share * (self.sorted.len() - 1) as f64;
        let (below, above) = (place.floor(), place.ceil());
        let (low, high) = (self.sorted[below as usize], self.sorted[above as usize]);
        low + (place - below) * (high - low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.percentile(numbers, [25, 50, 75])`.
    #[test]
    fn quartiles_are_numpys() {
        let table: &[(&[f64], [f64; 3])] = &[
            (&[7.0], [7.0, 7.0, 7.0]),
            (&[2.0, 1.0], [1.25, 1.5, 1.75]),
            (&[3.0, 1.0, 2.0], [1.5, 2.0, 2.5]),
            (&[10.0, 1.0, 5.0, 2.0], [1.75, 3.5, 6.25]),
            (&[1.0, 2.0, 3.0, 4.0, 100.0], [2.0, 3.0, 4.0]),
        ];
        for (numbers, [lower, median, upper]) in table {
            let sample = Sample::of(numbers.to_vec()).unwrap();
            assert_eq!(sample.median(), *median, "{numbers:?}");
            assert_eq!(sample.quartiles(), (*lower, *upper), "{numbers:?}");
        }
    }

    #[test]
    fn nothing_has_no_middle() {
        assert_eq!(Sample::of(Vec::new()), None);
        assert_eq!(Sample::of(vec![1.0, f64::NAN]), None);
    }
}
