//! Names of tensors: patterns and near misses.

/// Whether `name` is covered by `pattern`, in which `*` stands for any characters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // Taking each part at its first place leaves the most for those that follow.
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// The candidate a writer of `name` most likely means: one that differs by a prefix, else one a few letters away.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let allowed = (name.len() / 4).clamp(1, 8);
    let mut best: Option<(usize, &str)> = None;
    for c in candidates {
        let same_end = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|p| p.ends_with('.'));
        if same_end(c, name) || same_end(name, c) {
            return Some(c.into());
        }
        if c.len().abs_diff(name.len()) <= allowed {
            let most = best.map_or(allowed, |(b, _)| b - 1);
            if let Some(d) = distance(name, c, most) {
                best = Some((d, c));
                if d <= 1 {
                    break;
                }
            }
        }
    }
    best.map(|(_, c)| c.into())
}

/// Letters to insert, delete or replace, if at most so many: a file may have thousands of names.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
        if row.iter().all(|d| *d > most) {
            return None;
        }
    }
    Some(row[b.len()]).filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name, yes) in [
            ("pooler.*", "pooler.dense.bias", true),
            ("pooler.*", "bert.pooler.dense.bias", false),
            ("*.position_ids", "embeddings.position_ids", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("**", "é", true),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*bc*bc", "abc", false),
        ] {
            assert_eq!(matches(pattern, name), yes, "{pattern} {name}");
        }
    }

    #[test]
    fn near_misses() {
        let names = ["bert.encoder.weight", "encoder.wieght", "decoder.bias"];
        assert_eq!(nearest("encoder.weight", names.into_iter()).as_deref(), Some("bert.encoder.weight"));
        assert_eq!(nearest("encoder.weight", names[1..].iter().copied()).as_deref(), Some("encoder.wieght"));
        assert_eq!(nearest("x", names.into_iter()), None);
        assert_eq!((distance("kitten", "sitting", 3), distance("", "abc", 9), distance("kitten", "sitting", 2)), (Some(3), Some(3), None));
    }
}
