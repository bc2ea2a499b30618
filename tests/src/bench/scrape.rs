//! Numbers from the text of a `/metrics` page.

/// A page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    /// The sum of all series of this name, those of a label value such as `name="hpa"` where one is given.
    pub(super) fn sum(&self, name: &str, label: &str) -> f64 {
        self.series(name, label).map(|(_, value)| value).sum()
    }

    /// A histogram: upper bounds in order, each with the observations up to it.
    pub(super) fn histogram(&self, name: &str, label: &str) -> Histogram {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (labels, count) in self.series(&format!("{name}_bucket"), label) {
            let bound = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            let bound = bound.map(|bound| bound.replace("+Inf", "inf")).and_then(|bound| bound.parse().ok());
            if let Some(bound) = bound {
                buckets.push((bound, count));
            }
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        Histogram(buckets)
    }

    fn series<'a>(&'a self, name: &'a str, label: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = match rest.strip_prefix('{') {
                Some(rest) => rest.rsplit_once('}')?,
                None => ("", rest.strip_prefix(' ')?),
            };
            if !labels.contains(label) {
                return None;
            }
            Some((labels, value.split_whitespace().next()?.parse().ok()?))
        })
    }
}

/// Upper bounds in order, each with the observations up to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// What was observed since `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before =
            |bound: f64| earlier.0.iter().find(|(le, _)| le.total_cmp(&bound).is_eq()).map_or(0.0, |b| b.1);
        Self(self.0.iter().map(|(bound, count)| (*bound, count - before(*bound))).collect())
    }

    /// The upper bound of the bucket in which this share of all observations is reached: no observation of
    /// that share was more. None without observations.
    pub(super) fn at_most(&self, share: f64) -> Option<f64> {
        let all = self.0.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
        self.0.iter().find(|(_, count)| *count >= share * all).map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP looks Looks.
looks{result=\"ok\"} 3
looks{result=\"error\"} 1
looks_more 9
plain 2.5
lag_bucket{name=\"a\",le=\"0.1\"} 90
lag_bucket{name=\"a\",le=\"1\"} 99
lag_bucket{name=\"a\",le=\"+Inf\"} 100
lag_bucket{name=\"b\",le=\"0.1\"} 7
";

    #[test]
    fn series_are_told_apart_by_name_and_label() {
        let page = Page::new(PAGE.to_owned());
        let sums = [page.sum("looks", ""), page.sum("looks", "result=\"ok\""), page.sum("plain", "")];
        assert_eq!(sums.map(|sum| format!("{sum}")), ["4", "3", "2.5"]);
    }

    #[test]
    fn a_share_of_a_histogram_is_told_by_its_bucket() {
        let lag = Page::new(PAGE.to_owned()).histogram("lag", "name=\"a\"");
        assert_eq!(
            [lag.at_most(0.5), lag.at_most(0.99), lag.at_most(1.0)],
            [Some(0.1), Some(1.0), Some(f64::INFINITY)]
        );
        assert_eq!(lag.since(&lag).at_most(0.5), None);
    }
}
