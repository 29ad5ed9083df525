//! Numbers in the paths of weights: `layers.{2 * i + 1}.dense`.

use crate::dim::Dim;

/// A path with each `{..}` replaced; one that is no dim or for which `number` has none stays as it is.
pub fn with_numbers(path: &str, number: &dyn Fn(&Dim) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, inside, after)) = next(rest) {
        out.push_str(before);
        match Dim::parse(inside).ok().and_then(|d| number(&d)) {
            Some(n) => out.push_str(&n),
            None => out.push_str(&format!("{{{inside}}}")),
        }
        rest = after;
    }
    out + rest
}

/// What stands in the `{..}` of a path.
pub fn numbers(path: &str) -> Vec<&str> {
    let (mut all, mut rest) = (Vec::new(), path);
    while let Some((_, inside, after)) = next(rest) {
        all.push(inside);
        rest = after;
    }
    all
}

fn next(path: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = path.split_once('{')?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use super::{numbers, with_numbers};

    #[test]
    fn numbers_are_computed() {
        let path = "a.{i}.b.{2 * i + j}.{k}.{";
        assert_eq!(numbers(path), ["i", "2 * i + j", "k"]);
        let env = |s: &str| match s {
            "i" => Some(3),
            "j" => Some(1),
            _ => None,
        };
        let number = |d: &crate::Dim| d.eval(&env).ok().map(|n| n.to_string());
        assert_eq!(with_numbers(path, &number), "a.3.b.7.{k}.{");
    }
}
