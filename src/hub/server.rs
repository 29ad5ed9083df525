//! Requests to the hub and to where it sends them.

use super::{HubCause, names};
use std::time::Duration;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE,
};
use ureq::http::{Response, Uri};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body};

/// Redirects of one file at most.
const REDIRECTS: usize = 10;

/// Settings that all requests have. Redirects are followed here: their headers count. A server that says
/// nothing for so long is given up; one that sends slowly is not.
pub(super) fn agent() -> ConfigBuilder<AgentScope> {
    Config::builder()
        .user_agent(concat!("tancho/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(Duration::from_secs(30)))
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(Duration::from_secs(60)))
}

/// What the hub states of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Stated {
    /// The commit that `main` is at.
    pub commit: String,
    /// The name of these bytes: often their hash.
    pub etag: String,
    /// How many they are.
    pub size: u64,
}

/// A hub.
pub(super) struct Server {
    endpoint: String,
    token: Option<String>,
    agent: Agent,
}

impl Server {
    /// The endpoint is an address without a `/` at its end.
    pub(super) fn new(endpoint: String, token: Option<String>, config: Config) -> Server {
        Server { endpoint, token, agent: config.new_agent() }
    }

    /// The address of a file.
    pub(super) fn url(&self, repository: &str, file: &str) -> String {
        format!("{}/{repository}/resolve/main/{}", self.endpoint, names::escaped(file))
    }

    /// Asks what a file is, by its first byte.
    pub(super) fn stated(&self, url: &str) -> Result<Stated, HubCause> {
        let (mut commit, mut etag, mut own_etag, mut size) = (None, None, None, None);
        let mut at_the_hub = true;
        let response = self.follow(url, "bytes=0-0", |response| {
            commit = commit.take().or_else(|| header(response, "x-repo-commit"));
            etag = etag.take().or_else(|| header(response, "x-linked-etag"));
            size = size.take().or_else(|| header(response, "x-linked-size"));
            // Behind an absolute redirect are servers whose ETags are not the hub's.
            if at_the_hub || own_etag.is_none() {
                own_etag = header(response, ETAG.as_str()).or(own_etag.take());
            }
            at_the_hub = at_the_hub
                && header(response, LOCATION.as_str())
                    .is_none_or(|to| to.starts_with('/') && !to.starts_with("//"));
            commit.is_some() && etag.is_some() && size.is_some()
        })?;
        let size = match size {
            Some(text) => number("x-linked-size", text)?,
            None => match response.status().as_u16() {
                // An empty file has no first byte.
                206 | 416 => {
                    range(&response)?.1.ok_or(HubCause::Header { name: "content-range", value: None })?
                }
                _ => length(&response)?.ok_or(HubCause::Header { name: "content-length", value: None })?,
            },
        };
        let version = |name, value: Option<String>| match value {
            Some(text) if names::is_version(&text) => Ok(text),
            value => Err(HubCause::Header { name, value }),
        };
        let etag = etag.or(own_etag).map(|e| e.trim_start_matches("W/").trim_matches('"').to_string());
        Ok(Stated { commit: version("x-repo-commit", commit)?, etag: version("etag", etag)?, size })
    }

    /// Asks for a range of a file, and where that is elsewhere, there, until `enough` says so of an answer.
    /// What is no answer to the question is an error.
    pub(super) fn follow(
        &self,
        url: &str,
        range: &str,
        mut enough: impl FnMut(&Response<Body>) -> bool,
    ) -> Result<Response<Body>, HubCause> {
        let (mut url, mut seen) = (url.to_string(), Vec::new());
        loop {
            let response = self.ask(&url, range)?;
            let status = response.status().as_u16();
            let moved = matches!(status, 301 | 302 | 303 | 307 | 308);
            if !moved && !matches!(status, 200 | 206 | 416) {
                return Err(HubCause::Status { status, url });
            }
            if enough(&response) || !moved {
                return Ok(response);
            }
            let failed = |why: &str| HubCause::Redirect { url: url.clone(), why: why.into() };
            let to = header(&response, LOCATION.as_str()).ok_or_else(|| failed("without saying where to"))?;
            let next = joined(&url, &to)
                .ok_or_else(|| failed(&format!("to no address: `{}`", to.escape_debug())))?;
            if url.starts_with("https:") && !next.starts_with("https:") {
                return Err(failed(&format!(
                    "to a connection that is not encrypted: `{}`",
                    next.escape_debug()
                )));
            }
            if next == url || seen.contains(&next) {
                return Err(failed("in a circle"));
            }
            if seen.len() == REDIRECTS {
                return Err(failed(&format!("once more, after {REDIRECTS} others")));
            }
            seen.push(std::mem::replace(&mut url, next));
        }
    }

    fn ask(&self, url: &str, range: &str) -> Result<Response<Body>, HubCause> {
        // Sizes and hashes are those of the bytes as they are.
        let mut request = self.agent.get(url).header(RANGE, range).header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token.as_ref().filter(|_| origin(url) == origin(&self.endpoint)) {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let host = || origin(url).map_or_else(|| url.to_string(), |(_, host)| host);
        request.call().map_err(|e| HubCause::Unreachable { host: host(), source: Box::new(e) })
    }
}

/// Scheme and authority, whose servers may be given a token.
fn origin(url: &str) -> Option<(String, String)> {
    let uri: Uri = url.parse().ok()?;
    Some((uri.scheme_str()?.to_lowercase(), uri.authority()?.as_str().to_lowercase()))
}

/// The address that a `Location` means.
fn joined(url: &str, to: &str) -> Option<String> {
    let base: Uri = url.parse().ok()?;
    let (scheme, host) = (base.scheme_str()?, base.authority()?);
    let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let next = match to.split('#').next()? {
        to if to.starts_with("//") => format!("{scheme}:{to}"),
        to if to.starts_with('/') => format!("{scheme}://{host}{to}"),
        to if to.starts_with('?') => format!("{scheme}://{host}{}{to}", base.path()),
        to if to.split(['/', '?']).next()?.contains(':') => to.to_string(),
        to => format!("{scheme}://{host}{folder}/{to}"),
    };
    let known = next
        .parse::<Uri>()
        .ok()
        .is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some());
    known.then_some(next)
}

/// A header's value; of one that is not text, with replacements.
pub(super) fn header(response: &Response<Body>, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(response.headers().get(name)?.as_bytes()).trim().to_string())
}

fn number(name: &'static str, text: String) -> Result<u64, HubCause> {
    text.parse().map_err(|_| HubCause::Header { name, value: Some(text) })
}

/// The bytes of an answer, if it says so.
pub(super) fn length(response: &Response<Body>) -> Result<Option<u64>, HubCause> {
    header(response, CONTENT_LENGTH.as_str()).map(|text| number("content-length", text)).transpose()
}

/// Where an answer's bytes begin, and how many the whole file has, as far as `Content-Range` says so.
pub(super) fn range(response: &Response<Body>) -> Result<(Option<u64>, Option<u64>), HubCause> {
    let name = "content-range";
    let text = header(response, CONTENT_RANGE.as_str()).ok_or(HubCause::Header { name, value: None })?;
    let bad = || HubCause::Header { name, value: Some(text.clone()) };
    let (part, whole) = text.strip_prefix("bytes").and_then(|t| t.trim().split_once('/')).ok_or_else(bad)?;
    let whole = if whole == "*" { None } else { Some(whole.parse().map_err(|_| bad())?) };
    let from = if part == "*" {
        None
    } else {
        Some(part.split_once('-').and_then(|(from, _)| from.parse().ok()).ok_or_else(bad)?)
    };
    Ok((from, whole))
}
