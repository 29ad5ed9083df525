//! Changes of bytes and of texts.

use tancho_support::Rng;

/// Numbers that sizes, counts and places break at.
const NUMBERS: [u64; 16] = [
    0,
    1,
    2,
    7,
    8,
    31,
    32,
    255,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    1 << 62,
    1 << 63,
    u64::MAX,
];

/// A number that something may break at, as it is written.
pub fn number(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => format!("-{}", rng.pick(&NUMBERS)),
        1 => {
            rng.pick(&["1e400", "-0.0", "NaN", "inf", "0x10", "1.5", "18446744073709551616", ""]).to_string()
        }
        2 | 3 => rng.pick(&NUMBERS).to_string(),
        _ => rng.below(40).to_string(),
    }
}

/// Changes bytes in one place or a few.
pub fn bytes(rng: &mut Rng, data: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(3) {
        let at = rng.below(data.len());
        match rng.below(8) {
            _ if data.is_empty() => data.extend(rng.bits().to_le_bytes()),
            0 => data[at] ^= 1 << rng.below(8),
            1 => data[at] = rng.bits() as u8,
            2 => data.truncate(at),
            3 | 4 => {
                let n = rng.pick(&NUMBERS).to_le_bytes();
                let width = rng.pick(&[1, 2, 4, 8]);
                data.iter_mut().skip(at).zip(&n[..width]).for_each(|(to, from)| *to = *from);
            }
            5 => {
                let end = (at + 1 + rng.below(40)).min(data.len());
                let piece = data[at..end].to_vec();
                let to = rng.below(data.len());
                data.splice(to..to, piece);
            }
            6 => {
                let end = (at + 1 + rng.below(40)).min(data.len());
                data.drain(at..end);
            }
            _ => digits(rng, data),
        }
    }
}

/// Replaces a number that is written out.
fn digits(rng: &mut Rng, data: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..data.len())
        .filter(|&i| data[i].is_ascii_digit() && (i == 0 || !data[i - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = rng.pick(&starts);
    let end = start + data[start..].iter().take_while(|b| b.is_ascii_digit()).count();
    data.splice(start..end, number(rng).into_bytes());
}

/// The words, numbers and signs of a text, and what is between them.
pub fn tokens(text: &str) -> Vec<&str> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            0
        } else if c.is_whitespace() {
            1
        } else {
            2
        }
    };
    let mut all = Vec::new();
    let mut start = 0;
    for (i, c) in text.char_indices().skip(1) {
        let before = text[..i].chars().next_back().map(kind);
        if before != Some(kind(c)) || kind(c) == 2 {
            all.push(&text[start..i]);
            start = i;
        }
    }
    all.push(&text[start..]);
    all
}

/// Changes a text token by token: numbers become other numbers, words other words of the text or of a list.
pub fn words(rng: &mut Rng, text: &str, others: &[&str]) -> String {
    let mut all: Vec<String> = tokens(text).into_iter().map(str::to_string).collect();
    for _ in 0..1 + rng.below(3) {
        let matters: Vec<usize> = (0..all.len()).filter(|&i| !all[i].trim().is_empty()).collect();
        if matters.is_empty() {
            break;
        }
        let at = rng.pick(&matters);
        let is_number = all[at].starts_with(|c: char| c.is_ascii_digit());
        all[at] = match rng.below(10) {
            0 => String::new(),
            1 => format!("{0}{0}", all[at]),
            2 => all[rng.pick(&matters)].clone(),
            _ if is_number => number(rng),
            3..=6 => rng.pick(others).to_string(),
            _ => all[rng.pick(&matters)].clone(),
        };
    }
    all.concat()
}

/// Changes a text line by line: one is left out, doubled, or changes its place with another.
pub fn lines(rng: &mut Rng, text: &str) -> String {
    let mut all: Vec<&str> = text.lines().collect();
    let (at, to) = (rng.below(all.len()), rng.below(all.len()));
    match rng.below(3) {
        0 => drop(all.remove(at)),
        1 => all.insert(to, all[at]),
        _ => all.swap(at, to),
    }
    all.join("\n")
}
