//! Names that are safe to make paths and addresses of.

use super::HubCause;
use std::path::{Component, Path};

/// Refuses what the hub refuses: its folder in the cache would be another's, or outside.
pub(super) fn check_repository(name: &str) -> Result<(), HubCause> {
    let part = |part: &str| {
        let allowed = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        let ends = part.starts_with(['-', '.']) || part.ends_with(['-', '.']);
        allowed
            && !part.is_empty()
            && part.len() <= 96
            && !ends
            && !part.contains("--")
            && !part.contains("..")
    };
    let parts: Vec<&str> = name.split('/').collect();
    let good = parts.len() <= 2 && parts.iter().all(|p| part(p));
    if good { Ok(()) } else { Err(HubCause::Repository) }
}

/// Refuses what leads out of the repository.
pub(super) fn check_file(name: &str) -> Result<(), HubCause> {
    let part = |part: &str| {
        // What is one name here may be a drive or a parent on another system.
        let mut components = Path::new(part).components();
        let normal = matches!((components.next(), components.next()), (Some(Component::Normal(_)), None));
        normal && !part.contains('\\') && !part.contains(char::is_control)
    };
    if name.split('/').all(part) { Ok(()) } else { Err(HubCause::File) }
}

/// Whether the server's word for a version can name a file of the cache.
pub(super) fn is_version(text: &str) -> bool {
    let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    allowed && !text.is_empty() && text.len() <= 200 && !text.starts_with('.')
}

/// A path as an address has it.
pub(super) fn escaped(path: &str) -> String {
    let byte = |b: u8| match b.is_ascii_alphanumeric() || b"-_.~/".contains(&b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    };
    path.bytes().map(byte).collect()
}
