//! Why weights could not be loaded.

use super::names::{cut, listed, path as at, shape};
use std::fmt;
use std::path::PathBuf;

/// Why weights could not be loaded.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The path names nothing that can be read.
    #[error("cannot read {}: {error}", at(path))]
    Io {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        error: std::io::Error,
    },
    /// The path is neither a file nor a directory with weights.
    #[error("{}: {why}", at(path))]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What was found, and what is needed.
        why: String,
    },
    /// The file is no safetensors file, or is damaged.
    #[error("{} is not a valid safetensors file: {why}", at(path))]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is no reproduction of a failing check, or is damaged.
    #[error("{} cannot be used as a reproduction: {why}", at(path))]
    Reproduction {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is no GGUF file, is damaged, or does not hold what is needed.
    #[error("{} cannot be used as a GGUF file: {why}", at(path))]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The index of a sharded file is damaged. What does not fit its shards is among the problems of a
    /// mismatch.
    #[error("{} is not a valid index of safetensors files: {why}", at(path))]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file and the declaration do not agree.
    #[error("{} does not fit the declaration of `{network}`:{}{}", at(path), lines(problems), note(help))]
    Mismatch {
        /// What was loaded.
        path: PathBuf,
        /// The network.
        network: String,
        /// Everything that does not fit. The message shows some of each kind, and how many there are more.
        problems: Vec<Problem>,
        /// What would repair most of it.
        help: Option<String>,
    },
}

impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One thing in which a file and a declaration do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
    /// A file of the index cannot be used.
    Shard {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
        /// The tensors that are in it by the index.
        names: Vec<String>,
    },
    /// A file has no tensor of a name, although the index lists it there.
    NotInShard {
        /// The name in the index.
        name: String,
        /// The file.
        file: PathBuf,
    },
    /// A tensor is in several files of the index, or several times in the index.
    Twice {
        /// The name.
        name: String,
        /// The files, or the index.
        files: Vec<PathBuf>,
    },
}

impl Problem {
    /// How messages begin.
    fn kind(&self) -> &'static str {
        match self {
            Problem::Missing { .. } | Problem::NotInShard { .. } => "missing",
            Problem::Shape { .. } => "wrong shape",
            Problem::Part { .. } => "no such part",
            Problem::Type { .. } => "wrong element type",
            Problem::Unexpected { .. } => "unexpected",
            Problem::Shard { .. } => "unusable",
            Problem::Twice { .. } => "twice",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.kind())?;
        match self {
            Problem::Missing { name, suggestion: None } => write!(f, "`{}`", cut(name)),
            Problem::Missing { name, suggestion: Some(s) } => {
                write!(f, "`{}`; did you mean `{}`?", cut(name), cut(s))
            }
            Problem::Shape { name, file, expected, found } => {
                write!(
                    f,
                    "`{}` is declared {}, but is {} in {}",
                    cut(name),
                    shape(expected),
                    shape(found),
                    at(file)
                )
            }
            Problem::Type { name, file, expected, found } => {
                write!(f, "`{}` is declared {expected}, but is {found} in {}", cut(name), at(file))
            }
            Problem::Part { name, file, part, found } => {
                let name = cut(name);
                write!(f, "`{name}{part}` is declared, but `{name}` is {} in {}", shape(found), at(file))
            }
            Problem::Unexpected { name } => {
                write!(f, "`{}` is in the file, but nothing declares it", cut(name))
            }
            Problem::Shard { why, names, .. } => write!(f, "{why}; by the index it has {}", listed(names)),
            Problem::NotInShard { name, file } => {
                let file = file.file_name().unwrap_or(file.as_os_str());
                write!(
                    f,
                    "`{}` is not in `{}`, though the index says so",
                    cut(name),
                    cut(&file.to_string_lossy())
                )
            }
            Problem::Twice { name, files } => {
                let files: Vec<String> = files.iter().map(|p| at(p)).collect();
                write!(f, "`{}` is more than once in {}", cut(name), files.join(" and "))
            }
        }
    }
}

/// Problems of a kind that a message shows at most.
const SHOWN: usize = 50;

fn lines(problems: &[Problem]) -> String {
    let mut out = String::new();
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for p in problems {
        let at = kinds.iter().position(|k| k.0 == p.kind()).unwrap_or_else(|| {
            kinds.push((p.kind(), 0));
            kinds.len() - 1
        });
        kinds[at].1 += 1;
        if kinds[at].1 <= SHOWN {
            out += &format!("\n  {p}");
        }
    }
    for (kind, n) in kinds.into_iter().filter(|k| k.1 > SHOWN) {
        out += &format!("\n  {kind}: {} more", n - SHOWN);
    }
    out
}

fn note(help: &Option<String>) -> String {
    help.as_ref().map(|h| format!("\nhelp: {h}")).unwrap_or_default()
}
