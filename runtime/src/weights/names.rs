//! Names of tensors: patterns, near misses, and how messages show them.

/// Characters of a text out of a file that a message shows at most.
const LONGEST: usize = 200;
/// Names that a message lists at most.
const LISTED: usize = 20;

/// A text out of a file as it may stand in a message: control characters and the like as escapes, so that
/// they do nothing to a terminal, and not longer than one reads.
pub fn cut(text: &str) -> String {
    let mut shown = escaped(text.chars().take(LONGEST));
    let all = text.chars().count();
    if all > LONGEST {
        shown += &format!(".. ({all} characters)");
    }
    shown
}

/// The same of a path, whole.
pub fn path(path: &std::path::Path) -> String {
    escaped(path.to_string_lossy().chars())
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in text {
        match c {
            '\'' | '"' => out.push(c),
            c => out.extend(c.escape_debug()),
        }
    }
    out
}

/// Names, of many some and how many more.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|n| cut(n.as_ref())).collect();
    let more = names.len() - shown.len();
    shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
}

/// A shape, of many axes some.
pub fn shape(shape: &[usize]) -> String {
    const MOST: usize = 16;
    match shape.get(..MOST) {
        Some(first) if shape.len() > MOST => format!("{first:?} and {} axes more", shape.len() - MOST),
        _ => format!("{shape:?}"),
    }
}

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

/// The candidate a writer of `name` most likely means: one that differs by a prefix, else one a few letters
/// away.
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

/// The edit distance of two names, if it is at most `most`: a file may have thousands of names.
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
    fn what_a_file_says_does_nothing_to_a_terminal() {
        assert_eq!(cut("a.b's \"c\" é"), "a.b's \"c\" é");
        assert_eq!(cut("a\x1b[2J\n\u{202e}\\"), "a\\u{1b}[2J\\n\\u{202e}\\\\");
        assert_eq!(cut(&"x".repeat(1_000)), format!("{}.. (1000 characters)", "x".repeat(200)));
        assert_eq!(listed(&["a", "b\t"]), "a, b\\t");
        let many: Vec<String> = (0..1_000).map(|i| i.to_string()).collect();
        assert!(listed(&many).ends_with("18, 19 and 980 more"), "{}", listed(&many));
        assert_eq!((shape(&[2, 3]), shape(&[1; 40]).len()), ("[2, 3]".into(), 48 + 17));
    }

    #[test]
    fn near_misses() {
        let names = ["bert.encoder.weight", "encoder.wieght", "decoder.bias"];
        assert_eq!(nearest("encoder.weight", names.into_iter()).as_deref(), Some("bert.encoder.weight"));
        assert_eq!(nearest("encoder.weight", names[1..].iter().copied()).as_deref(), Some("encoder.wieght"));
        assert_eq!(nearest("x", names.into_iter()), None);
        assert_eq!(
            (distance("kitten", "sitting", 3), distance("", "abc", 9), distance("kitten", "sitting", 2)),
            (Some(3), Some(3), None)
        );
    }
}
