//! Convolutions and pooling: what a window sees of an image, folds over large windows, and Winograd's
//! algorithm.

pub mod fold;
pub mod window;
pub mod winograd;
