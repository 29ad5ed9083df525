//! Why weights could not be loaded.

use std::fmt;
use std::path::PathBuf;

/// Why weights could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The path names nothing that can be read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The path is neither a file nor a directory with weights.
    #[error("{}: {why}", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What was found, and what is needed.
        why: String,
    },
    /// The file is no safetensors file, or is damaged.
    #[error("{} is not a valid safetensors file: {why}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is no GGUF file, is damaged, or says or holds something else than is needed.
    #[error("{} cannot be used as a GGUF file: {why}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The index of a sharded file is damaged or does not fit its shards.
    #[error("{} is not a valid index of safetensors files: {why}", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file and the declaration do not agree.
    #[error("{} does not fit the declaration of `{network}`:{}{}", path.display(), lines(problems), note(help))]
    Mismatch {
        /// What was loaded.
        path: PathBuf,
        /// The network.
        network: String,
        /// Everything that does not fit.
        problems: Vec<Problem>,
        /// What would repair most of it.
        help: Option<String>,
    },
}

/// One thing in which a file and a declaration do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The file has no tensor of the weight's name.
    Missing {
        /// The name in the file that was looked for.
        name: String,
        /// The nearest name there is.
        suggestion: Option<String>,
    },
    /// The shapes differ.
    Shape {
        /// The name in the file.
        name: String,
        /// The file.
        file: PathBuf,
        /// The declared shape.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The weight is a part of a tensor that has no such part.
    Part {
        /// The name in the file.
        name: String,
        /// The file.
        file: PathBuf,
        /// The part, `[0..768]` or `[:, 0..768]`.
        part: String,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// The element type cannot become the declared one.
    Type {
        /// The name in the file.
        name: String,
        /// The file.
        file: PathBuf,
        /// The declared element type.
        expected: String,
        /// The one in the file.
        found: String,
    },
    /// Nothing declares this tensor of the file.
    Unexpected {
        /// The name in the file.
        name: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing { name, suggestion: None } => write!(f, "missing: `{name}`"),
            Problem::Missing { name, suggestion: Some(s) } => write!(f, "missing: `{name}`; did you mean `{s}`?"),
            Problem::Shape { name, file, expected, found } => {
                write!(f, "wrong shape: `{name}` is declared {expected:?}, but is {found:?} in {}", file.display())
            }
            Problem::Type { name, file, expected, found } => {
                write!(f, "wrong element type: `{name}` is declared {expected}, but is {found} in {}", file.display())
            }
            Problem::Part { name, file, part, found } => {
                write!(f, "no such part: `{name}{part}` is declared, but `{name}` is {found:?} in {}", file.display())
            }
            Problem::Unexpected { name } => write!(f, "unexpected: `{name}` is in the file, but nothing declares it"),
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("\n  {p}")).collect()
}

fn note(help: &Option<String>) -> String {
    help.as_ref().map(|h| format!("\nhelp: {h}")).unwrap_or_default()
}
