//! Where `scripts/fetch_models.py` puts models.

use std::path::PathBuf;

/// The folder of a model: `$TANCHO_MODELS`, else `tancho` in the user's cache.
pub fn model_dir(name: &str) -> PathBuf {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || var("HOME").or_else(std::env::home_dir).unwrap_or_default();
    let cache = || var("XDG_CACHE_HOME").unwrap_or_else(|| home().join(".cache")).join("tancho");
    var("TANCHO_MODELS").unwrap_or_else(cache).join(name)
}
