//! Part of `tancho`.
