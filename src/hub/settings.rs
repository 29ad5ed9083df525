//! Settings of the hub from the environment.

use super::HubCause;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use ureq::http::{HeaderValue, Uri};

/// Values that are set and not empty.
fn path(var: impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    var(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

fn text(var: impl Fn(&str) -> Option<OsString>, variable: &'static str) -> Result<Option<String>, HubCause> {
    let set = var(variable).filter(|v| !v.is_empty());
    set.map(|v| v.into_string().map_err(|_| HubCause::Setting { variable, why: "is not UTF-8".into() }))
        .transpose()
}

/// The folder of the token and, unless another is named, of the cache.
fn home(var: impl Fn(&str) -> Option<OsString>, user: Option<&Path>) -> Option<PathBuf> {
    let cache = || {
        let user = user.filter(|h| !h.as_os_str().is_empty());
        path(&var, "XDG_CACHE_HOME").or_else(|| Some(user?.join(".cache")))
    };
    path(&var, "HF_HOME").or_else(|| Some(cache()?.join("huggingface")))
}

/// The folder of all repositories.
pub(super) fn cache(
    var: impl Fn(&str) -> Option<OsString>,
    user: Option<&Path>,
) -> Result<PathBuf, HubCause> {
    path(&var, "HF_HUB_CACHE").or_else(|| Some(home(&var, user)?.join("hub"))).ok_or(HubCause::NoHome)
}

/// The hub's address, without a `/` at its end.
pub(super) fn endpoint(var: impl Fn(&str) -> Option<OsString>) -> Result<String, HubCause> {
    let address = text(var, "HF_ENDPOINT")?.unwrap_or_else(|| "https://huggingface.co".into());
    let address = address.trim().trim_end_matches('/');
    let uri: Option<Uri> = address.parse().ok();
    let known = uri.is_some_and(|u| {
        u.host().is_some() && matches!(u.scheme_str(), Some("http" | "https")) && u.query().is_none()
    });
    let why = || format!("is no http or https address: `{}`", address.escape_debug());
    known
        .then(|| address.to_string())
        .ok_or_else(|| HubCause::Setting { variable: "HF_ENDPOINT", why: why() })
}

/// The token, if there is one.
pub(super) fn token(
    var: impl Fn(&str) -> Option<OsString>,
    user: Option<&Path>,
) -> Result<Option<String>, HubCause> {
    let (variable, token) = match text(&var, "HF_TOKEN")? {
        Some(token) => ("HF_TOKEN", token),
        None => {
            let file = path(&var, "HF_TOKEN_PATH").or_else(|| Some(home(&var, user)?.join("token")));
            // Most users have none, and a file of another user's is none.
            ("the token's file", file.and_then(|f| std::fs::read_to_string(f).ok()).unwrap_or_default())
        }
    };
    let token = token.trim();
    match HeaderValue::from_str(token) {
        Ok(_) if token.is_empty() => Ok(None),
        Ok(_) if token.is_ascii() => Ok(Some(token.into())),
        // The token itself is a secret.
        _ => Err(HubCause::Setting {
            variable,
            why: "is no token: it has characters that no token has".into(),
        }),
    }
}
