//! Why a file of the hub could not be fetched.

use std::error::Error;
use std::fmt::{Display, Formatter, Result};
use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be fetched.
#[derive(Debug)]
pub struct HubError {
    repository: String,
    file: String,
    cause: HubCause,
}

impl HubError {
    pub(super) fn new(repository: &str, file: &str, cause: HubCause) -> HubError {
        HubError { repository: repository.into(), file: file.into(), cause }
    }

    /// What went wrong.
    pub fn cause(&self) -> &HubCause {
        &self.cause
    }
}

impl Display for HubError {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (repository, file) = (self.repository.escape_debug(), self.file.escape_debug());
        write!(f, "cannot fetch `{file}` of `{repository}` from the hub: {}", self.cause)
    }
}

impl Error for HubError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            HubCause::Unreachable { source, .. } => Some(&**source),
            HubCause::Cut { source: Some(source), .. } | HubCause::Cache { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// So that a function which fetches and loads has one type of error.
impl From<HubError> for tancho_runtime::Error {
    fn from(e: HubError) -> tancho_runtime::Error {
        tancho_runtime::Error::Fetch(Box::new(e))
    }
}

/// What can go wrong when a file is fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum HubCause {
    /// The repository's name is not one that the hub allows.
    Repository,
    /// The file's name is not a path inside of a repository.
    File,
    /// There is no home directory for the cache to be in.
    NoHome,
    /// An environment variable, or the file of the token, has no value that can be used.
    Setting {
        /// The name of the variable.
        variable: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The hub, or the server it refers to, did not answer.
    Unreachable {
        /// The server's name.
        host: String,
        /// The network's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server refused, with this status.
    Status {
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        url: String,
    },
    /// A redirect that leads nowhere.
    Redirect {
        /// The address that redirects.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header of an answer is missing, or has a value that cannot be used.
    Header {
        /// The header.
        name: &'static str,
        /// Its value, if there is one.
        value: Option<String>,
    },
    /// The connection ended before the file did. Where the hub states the file's hash, what came is kept, and
    /// the next call goes on from there.
    Cut {
        /// Bytes that are there.
        received: u64,
        /// Bytes of the file.
        size: u64,
        /// The network's error, if there was one.
        source: Option<io::Error>,
    },
    /// The server sent another number of bytes than the hub states.
    Size {
        /// Bytes that the hub states.
        stated: u64,
        /// Bytes that the server has, or those that came before it was stopped.
        received: u64,
    },
    /// The server sent other bytes than the hub states.
    Hash {
        /// The hash that the hub states.
        stated: String,
        /// The hash of what came.
        received: String,
    },
    /// The cache cannot be read or written.
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl HubCause {
    /// The error of a path in the cache.
    pub(super) fn cache(path: &Path) -> impl FnOnce(io::Error) -> HubCause {
        let path = path.to_path_buf();
        move |source| HubCause::Cache { path, source }
    }
}

impl Display for HubCause {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            HubCause::Repository => {
                f.write_str("the repository's name is not one: it is `name` or `owner/name`, of letters, digits, `-`, `_` and `.`")
            }
            HubCause::File => f.write_str("the file's name is not one: it is a path with `/`, of which no part is empty, `.` or `..`"),
            HubCause::NoHome => f.write_str("there is no home directory for the cache; set HF_HOME to a folder"),
            HubCause::Setting { variable, why } => write!(f, "{variable} {why}"),
            HubCause::Unreachable { host, source } => {
                write!(f, "{} does not answer: {source}; is the machine online?", host.escape_debug())
            }
            HubCause::Status { status, url } => write!(f, "{} answers with status {status}: {}", url.escape_debug(), meaning(*status)),
            HubCause::Redirect { url, why } => write!(f, "{} redirects {why}", url.escape_debug()),
            HubCause::Header { name, value: None } => write!(f, "the answer has no header `{name}`; is it a hub that answers?"),
            HubCause::Header { name, value: Some(value) } => {
                write!(f, "the answer's header `{name}` cannot be used: `{}`", value.escape_debug())
            }
            HubCause::Cut { received, size, source } => {
                write!(f, "the connection ended after {received} of {size} bytes")?;
                if let Some(e) = source {
                    write!(f, " ({e})")?;
                }
                f.write_str("; fetch it again")
            }
            HubCause::Size { stated, received } => {
                write!(f, "the file has {stated} bytes, but the server sends {received}; is it an error page, of a proxy perhaps?")
            }
            HubCause::Hash { stated, received } => {
                write!(f, "the file's hash is {}, but that of what came is {received}; nothing was kept", stated.escape_debug())
            }
            HubCause::Cache { path, source } => write!(f, "the cache cannot be used: {}: {source}", path.display()),
        }
    }
}

/// What to do about a status.
fn meaning(status: u16) -> &'static str {
    match status {
        401 => "the name is wrong, or the repository is private and needs a token in HF_TOKEN",
        403 => "the token has no access; a gated repository asks for its terms to be accepted first",
        404 => "there is no such file in the repository",
        429 => "there were too many requests; try later",
        500.. => "the server is in trouble; try later",
        _ => "that is no file",
    }
}
