//! Models that `scripts/fetch_models.py` fetches. Tests of a model that is not there pass and print that they
//! were skipped, so that a first `cargo test` needs no download. With `TANCHO_MODELS_REQUIRED=1` in the
//! environment, which `.ci/run` sets, they fail.

#[path = "../../../examples/common/models.rs"]
mod folder;

pub use folder::model_dir;

/// A model by its folder, and a file that it ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// all-MiniLM-L6-v2.
    MiniLm,
    /// SmolLM2-135M-Instruct.
    SmolLm2,
    /// EfficientNet-Lite0.
    EfficientNet,
    /// The photographs it is tried on.
    Photographs,
}

impl Fetched {
    /// The folder under [`model_dir`], and the ending of a file that must be in it.
    fn place(self) -> (&'static str, &'static str) {
        match self {
            Fetched::MiniLm => ("minilm", "model.safetensors"),
            Fetched::SmolLm2 => ("smollm2", ".gguf"),
            Fetched::EfficientNet => ("efficientnet_lite0", "model.safetensors"),
            Fetched::Photographs => ("imagenet", ".jpg"),
        }
    }

    /// Whether a test can use it. If not, it prints how to get it.
    ///
    /// # Panics
    /// If it is not there and models are required.
    #[track_caller]
    pub fn is_here(self) -> bool {
        let (name, ending) = self.place();
        let folder = model_dir(name);
        let mut entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        if entries.any(|e| e.file_name().to_string_lossy().ends_with(ending)) {
            return true;
        }
        let missing = format!("{} has no {name}: run `python3 scripts/fetch_models.py`", folder.display());
        assert!(std::env::var_os("TANCHO_MODELS_REQUIRED").is_none(), "{missing}");
        eprintln!("skipped: {missing}");
        false
    }
}
