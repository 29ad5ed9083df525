//! Files of models on the Hugging Face hub; with the feature `hub`.
//!
//! ```no_run
//! let weights = tancho::hub::fetch("openai-community/gpt2", "model.safetensors")?;
//! # Ok::<(), tancho::hub::HubError>(())
//! ```
//!
//! The cache, its locks and its half-loaded files are those of Python's `huggingface_hub`, and its settings
//! too:
//!
//! | variable | meaning |
//! |---|---|
//! | `HF_HUB_CACHE` | the cache; by default `$HF_HOME/hub` |
//! | `HF_HOME` | by default `huggingface` in `XDG_CACHE_HOME`, or in `.cache` of the home directory |
//! | `HF_ENDPOINT` | the hub's address; by default `https://huggingface.co` |
//! | `HF_TOKEN` | the token for private and gated repositories |
//! | `HF_TOKEN_PATH` | the file with the token where `HF_TOKEN` is not set; by default `$HF_HOME/token` |
//! | `HTTPS_PROXY`, `NO_PROXY` .. | as of other programs |

mod cache;
mod cause;
mod check;
mod download;
mod names;
mod server;
mod settings;
#[cfg(test)]
mod tests;

use cache::Folder;
pub use cause::{HubCause, HubError};
use server::Server;
use std::path::PathBuf;

/// The path of a file of a model, which is downloaded unless it is in the hub's cache already.
///
/// A download counts only when it has the size that the hub states, and the hash if the hub states one that
/// is SHA-256 (as of large files) or Git's; what is in the cache is taken as it is. An interrupted download
/// goes on from where it was, in this call or in one to come. Of several processes that want a file at once
/// one downloads it, and the others wait for it.
///
/// # Errors
/// [`HubError::cause`] names it: no such repository or file, no network, a full disk ...
pub fn fetch(repository: &str, file: &str) -> Result<PathBuf, HubError> {
    fetch_with_progress(repository, file, |_, _| ())
}

/// The same with progress: the bytes that have arrived, and those of the whole file. For a file in the cache
/// `progress` is not called.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_with_progress(
    repository: &str,
    file: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<PathBuf, HubError> {
    let fetched = Hub::from_env().and_then(|hub| hub.fetch(repository, file, &mut progress));
    fetched.map_err(|cause| HubError::new(repository, file, cause))
}

/// A hub, and the cache for its files.
struct Hub {
    server: Server,
    cache: PathBuf,
}

impl Hub {
    fn from_env() -> Result<Hub, HubCause> {
        let (var, home) = (|name: &str| std::env::var_os(name), std::env::home_dir());
        let (endpoint, token) = (settings::endpoint(var)?, settings::token(var, home.as_deref())?);
        Ok(Hub {
            server: Server::new(endpoint, token, server::agent().build()),
            cache: settings::cache(var, home.as_deref())?,
        })
    }

    fn fetch(
        &self,
        repository: &str,
        file: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PathBuf, HubCause> {
        names::check_repository(repository)?;
        names::check_file(file)?;
        let folder = Folder::new(&self.cache, repository);
        if let Some(path) = folder.cached(file) {
            return Ok(path);
        }
        let url = self.server.url(repository, file);
        let stated = self.server.stated(&url)?;
        // Held until the file has its place: others wait here, and find it then.
        let _lock = folder.lock(&stated.etag)?;
        let blob = folder.blob(&stated.etag);
        if !check::is_whole(&blob, &stated) {
            let part = folder.part(&stated.etag)?;
            download::download(&self.server, &url, &stated, &part, progress)?;
            std::fs::rename(&part, &blob).map_err(HubCause::cache(&blob))?;
        }
        folder.point(file, &stated.commit, &stated.etag)
    }
}
