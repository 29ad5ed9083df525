//! The places in the user's source that the page refers to by number, and the text around them.

use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use tancho_ir::graph::Source;

/// Files of up to this many lines are shown whole.
const WHOLE: usize = 1500;
/// Of longer files so many lines are shown around the network.
const AROUND: usize = 60;

/// Sources by number: place and text apart from the path of nets, which is another number.
#[derive(Default)]
pub struct Sources {
    places: Vec<Source>,
    known: HashMap<Source, usize>,
    scopes: Vec<Arc<str>>,
    scope_numbers: HashMap<Arc<str>, usize>,
}

impl Sources {
    /// The number of a source's place and text, and that of its path of nets.
    pub fn add(&mut self, source: &Source) -> (usize, usize) {
        let place = Source { scope: "".into(), ..source.in_forward() };
        let Sources { places, known, scopes, scope_numbers } = self;
        let at = *known.entry(place).or_insert_with_key(|place| {
            places.push(place.clone());
            places.len() - 1
        });
        let scope = *scope_numbers.entry(source.scope.clone()).or_insert_with_key(|scope| {
            scopes.push(scope.clone());
            scopes.len() - 1
        });
        (at, scope)
    }

    /// All of them: the files with their lines, the places, and the paths of nets.
    pub fn json(&self) -> [(&'static str, Json); 3] {
        let mut by_file: BTreeMap<Arc<str>, Vec<&Source>> = BTreeMap::new();
        for place in &self.places {
            by_file.entry(place.file.clone()).or_default().push(place);
        }
        let numbers: HashMap<&Arc<str>, usize> = by_file.keys().zip(0..).collect();
        let place = |p: &Source| json!([numbers[&p.file], p.line, p.column, *p.text]);
        let places: Vec<Json> = self.places.iter().map(place).collect();
        let files: Vec<Json> = by_file.iter().map(|(name, places)| file(name, places)).collect();
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| &**scope).collect();
        [("files", json!(files)), ("sources", json!(places)), ("scopes", json!(scopes))]
    }
}

/// A file: its name, the number of the first line that is shown, and the lines. If the file is not there, or
/// is another than the one that was compiled, the texts of the ops stand for their lines.
fn file(name: &str, places: &[&Source]) -> Json {
    match read(name).filter(|text| places.iter().all(|place| is_in(text, place))) {
        Some(text) => {
            let lines: Vec<&str> = text.lines().collect();
            let all = places.iter().filter(|p| p.line > 0).map(|p| p.line as usize);
            let (mut first, mut last) = (0, lines.len());
            if lines.len() > WHOLE {
                first = all.clone().min().unwrap_or(1).saturating_sub(AROUND + 1);
                last = (all.max().unwrap_or(1) + AROUND).min(lines.len());
            }
            json!({ "name": name, "first": first + 1, "lines": lines[first..last] })
        }
        None => {
            let mut texts: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
            for place in places {
                let first = place.text.lines().next().unwrap_or_default();
                let line = texts.entry(place.line).or_default();
                // What stands in another text of the line is no part of its own.
                if !line.iter().any(|known| known.contains(first)) {
                    line.retain(|known| !first.contains(*known));
                    line.push(first);
                }
            }
            let lines: Vec<Json> =
                texts.iter().map(|(line, all)| json!([line, all.join("  ..  ")])).collect();
            json!({ "name": name, "only": lines })
        }
    }
}

/// The text of a file as rustc names it: from the folder of the workspace, where this process may not run.
fn read(name: &str) -> Option<String> {
    let folder = std::env::current_dir().ok()?;
    let places = folder.ancestors().map(|ancestor| ancestor.join(Path::new(name)));
    places.filter(|path| path.is_file()).find_map(|path| std::fs::read_to_string(path).ok())
}

/// Whether a text has a source where it says to be: the op's first word, or the name of what is declared,
/// as `w` of `param w`.
fn is_in(text: &str, source: &Source) -> bool {
    let Some(line) = (source.line as usize).checked_sub(1) else { return true };
    let Some(line) = text.lines().nth(line) else { return false };
    let at: String = line.chars().skip((source.column as usize).saturating_sub(1)).collect();
    source.text.split_whitespace().take(2).any(|word| at.starts_with(first_word(word)))
}

/// The name that a text begins with, or its first sign.
fn first_word(text: &str) -> &str {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let first = text.chars().next().map_or(0, char::len_utf8);
    &text[..end.max(first)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str, line: u32, column: u32, scope: &str) -> Source {
        Source {
            text: text.into(),
            file: "src/net.rs".into(),
            line,
            column,
            scope: scope.into(),
            ..Source::default()
        }
    }

    #[test]
    fn a_place_has_one_number_in_every_net() {
        let mut sources = Sources::default();
        assert_eq!(sources.add(&source("x + y", 3, 5, "layers.0")), (0, 0));
        assert_eq!(sources.add(&source("x + y", 3, 5, "layers.1")), (0, 1));
        assert_eq!(sources.add(&source("x * y", 4, 5, "layers.0")), (1, 0));
    }

    #[test]
    fn a_file_that_was_edited_is_not_shown() {
        let text = "fn f() {\n    let y = x  + 1;\n}\n";
        assert!(is_in(text, &source("x + 1", 2, 13, "")));
        assert!(is_in(text, &source("param y", 2, 9, "")));
        assert!(!is_in(text, &source("z + 2", 2, 13, "")));
        assert!(!is_in(text, &source("x + 1", 9, 13, "")));
        assert!(is_in("(é + 1)", &source("(é + 1)", 1, 1, "")) && is_in("é + 1", &source("é + 1", 1, 1, "")));
    }

    #[test]
    fn texts_stand_for_lines_that_cannot_be_read() {
        let (whole, part) = (source("relu(x + y)", 7, 1, ""), source("x + y", 7, 6, ""));
        let shown = file("no such file.rs", &[&part, &whole]);
        assert_eq!(shown["only"], json!([[7, "relu(x + y)"]]));
    }
}
