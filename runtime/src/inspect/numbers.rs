//! Numbers and counts as texts for readers.

/// An element. One that is an f32 has the digits that tell it from its neighbours, and a whole number has no
/// point.
pub(crate) fn element(x: f64) -> String {
    let text = if f64::from(x as f32) == x { format!("{:?}", x as f32) } else { format!("{x:?}") };
    text.strip_suffix(".0").map_or(text.clone(), Into::into)
}

/// How many there are of something: `1 thread`, `2 threads`.
pub(crate) fn count(n: u64, of: &str) -> String {
    format!("{n} {of}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{count, element};

    #[test]
    fn elements_have_the_digits_of_their_type() {
        assert_eq!(element(f64::from(0.1f32)), "0.1");
        assert_eq!(element(0.1), "0.1");
        assert_eq!(element(1.0 / 3.0), "0.3333333333333333");
        assert_eq!(element(0.0), "0");
        assert_eq!(element(f64::from(2.5e-7f32)), "2.5e-7");
        assert_eq!(element(f64::from(i32::MAX)), "2147483647");
        assert_eq!((element(f64::NEG_INFINITY), element(f64::NAN)), ("-inf".into(), "NaN".into()));
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "run")), ["0 runs", "1 run", "2 runs"]);
    }
}
