//! Convolutions and pooling: what a window sees of an image, reductions of large windows, and Winograd's
//! algorithm.

pub mod im2col;
pub mod reduce;
pub mod window;
pub mod winograd;
