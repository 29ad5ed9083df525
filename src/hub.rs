//! Files of models on the Hugging Face hub; with the feature `hub`.
//!
//! ```no_run
//! let weights = tancho::hub::fetch("openai-community/gpt2", "model.safetensors")?;
//! # Ok::<(), tancho::hub::HubError>(())
//! ```

use hf_hub::api::sync::{ApiBuilder, ApiError};
use std::path::PathBuf;

/// Why a file could not be fetched.
#[derive(Debug)]
pub struct HubError {
    repository: String,
    file: String,
    cause: Box<ApiError>,
}

impl std::fmt::Display for HubError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let HubError { repository, file, cause } = self;
        write!(f, "cannot fetch `{file}` of `{repository}` from the hub: {cause}; is the name right, and the machine online?")
    }
}

impl std::error::Error for HubError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

/// The path of a file of a model, which is downloaded unless it is in the hub's cache already. Where that is, the hub's address and
/// the token for closed repositories are those of Python's `huggingface_hub`: `HF_HOME`, `HF_ENDPOINT` and the file `token`.
///
/// # Errors
/// There is no such repository or file, no network, or no room on the disk.
pub fn fetch(repository: &str, file: &str) -> Result<PathBuf, HubError> {
    fetch_by(ApiBuilder::from_env(), repository, file)
}

fn fetch_by(builder: ApiBuilder, repository: &str, file: &str) -> Result<PathBuf, HubError> {
    let failed = |cause| HubError { repository: repository.into(), file: file.into(), cause: Box::new(cause) };
    builder.build().and_then(|api| api.model(repository.into()).get(file)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    const CONTENT: &[u8] = b"weights of a made-up model";

    /// A hub that has one file, on a port of its own; gives its address. It answers until the process ends.
    fn hub() -> std::io::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = format!("http://{}", listener.local_addr()?);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
                let request = lines.next().unwrap_or_default();
                let headers: Vec<String> = lines.take_while(|l| !l.is_empty()).map(|l| l.to_lowercase()).collect();
                let range = headers.iter().find_map(|h| h.strip_prefix("range: bytes=")?.split_once('-'));
                let (from, to) = range.map_or((0, CONTENT.len()), |(a, b)| {
                    (a.parse().unwrap_or(0), b.trim().parse::<usize>().map_or(CONTENT.len(), |b| (b + 1).min(CONTENT.len())))
                });
                let (status, body) = match request.contains("/made/up/resolve/main/weights.bin") {
                    true => ("206 Partial Content", &CONTENT[from..to]),
                    false => ("404 Not Found", &b""[..]),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nx-repo-commit: 0123456789abcdef\r\netag: \"abc\"\r\ncontent-range: bytes {from}-{}/{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    to.saturating_sub(1),
                    CONTENT.len(),
                    body.len()
                );
                let _ = stream.write_all(&[head.as_bytes(), body].concat());
            }
        });
        Ok(address)
    }

    #[test]
    fn a_file_is_fetched_and_a_missing_one_is_named() -> Result<(), Box<dyn std::error::Error>> {
        let (address, folder) = (hub()?, tempfile::tempdir()?);
        let builder =
            || ApiBuilder::new().with_endpoint(address.clone()).with_cache_dir(folder.path().into()).with_progress(false).with_retries(0);
        let path = fetch_by(builder(), "made/up", "weights.bin")?;
        assert_eq!(std::fs::read(&path)?, CONTENT);
        assert_eq!(fetch_by(builder(), "made/up", "weights.bin")?, path);
        let e = fetch_by(builder(), "made/up", "other.bin").expect_err("it is not there").to_string();
        assert!(e.starts_with("cannot fetch `other.bin` of `made/up` from the hub: "), "{e}");
        Ok(())
    }
}
