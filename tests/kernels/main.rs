//! What native code computes, against the interpreter or numbers worked out by hand, on every ISA level.
//!
//! * `attention`: every form of attention
//! * `convolutions`: convolutions and pooling
//! * `experts`: mixtures of experts
//! * `filetests`: the files of `tests/filetests`
//! * `functions`: how exact the elementwise functions are
//! * `fusion`: what shares a kernel, and why other ops do not
//! * `fusion_cost`: the cost of fusion grows as large graphs do
//! * `largest`: the largest elements and their places
//! * `long_sums`: the error of a sum does not grow with its length
//! * `no_elements`: shapes without elements
//! * `random_numbers`: random numbers by keys, the same bits on every level
//! * `random_graphs`: random graphs: text form, passes and native code
//! * `resized`: images with other numbers of rows and columns
//! * `cumulative`: cumulative sums, flipped axes and elements by ids
//! * `ropes`: rotary positions with frequencies, positions and scalings
//! * `scans`: loops over a run-time axis
//! * `row_sums`: sums of rows, alone and beside other work on the rows
//! * `scatters`: sums of rows by ids
//! * `special_values`: NaN, infinities, subnormal and huge numbers through every op
//! * `transposed`: transposed convolutions
//! * `turned_products`: matrix products of transposed operands
//! * `winograd`: how far Winograd's convolutions are from the exact sums

mod attention;
mod convolutions;
mod cumulative;
mod experts;
mod filetests;
mod functions;
mod fusion;
mod fusion_cost;
mod largest;
mod long_sums;
mod no_elements;
mod random_graphs;
mod random_numbers;
mod resized;
mod ropes;
mod row_sums;
mod scans;
mod scatters;
mod special_values;
mod transposed;
mod turned_products;
mod winograd;
