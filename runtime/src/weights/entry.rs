//! The element types of tensors in files. Those of ggml have numbers: `enum ggml_type` of `ggml.h`.

use super::blocks::Coding;
use super::mapping::Mapping;
use safetensors::Dtype;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The element type of a tensor in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// A plain one.
    Plain(Dtype),
    /// Blocks of ggml.
    Coded(Coding),
    /// One of ggml that is not read, by its number.
    Unread(u32),
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileType::Plain(d) => f.write_str(&d.to_string().to_lowercase()),
            FileType::Coded(c) => c.fmt(f),
            FileType::Unread(n) => match unread(*n) {
                Some(name) => f.write_str(name),
                None => write!(f, "of the unknown type {n}"),
            },
        }
    }
}

/// One tensor of a file: its type and its place.
#[derive(Clone, Debug)]
pub struct Entry {
    pub file: Arc<Mapping>,
    pub path: Arc<PathBuf>,
    pub dtype: FileType,
    pub shape: Vec<usize>,
    pub range: std::ops::Range<usize>,
}

/// Types that are not read, as ggml calls them. Numbers in between were taken out of the format.
const UNREAD: [(u32, &str); 23] = [
    (6, "q5_0"),
    (7, "q5_1"),
    (9, "q8_1"),
    (10, "q2_k"),
    (11, "q3_k"),
    (12, "q4_k"),
    (13, "q5_k"),
    (14, "q6_k"),
    (15, "q8_k"),
    (16, "iq2_xxs"),
    (17, "iq2_xs"),
    (18, "iq3_xxs"),
    (19, "iq1_s"),
    (20, "iq4_nl"),
    (21, "iq3_s"),
    (22, "iq2_s"),
    (23, "iq4_xs"),
    (29, "iq1_m"),
    (34, "tq1_0"),
    (35, "tq2_0"),
    (39, "mxfp4"),
    (40, "nvfp4"),
    (41, "q1_0"),
];

/// The name of a type that is not read, if ggml has one.
fn unread(number: u32) -> Option<&'static str> {
    UNREAD.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}

/// The type of a number as it is read.
pub fn file_type(number: u32) -> FileType {
    match number {
        0 => FileType::Plain(Dtype::F32),
        1 => FileType::Coded(Coding::F16),
        2 => FileType::Coded(Coding::Q4_0),
        3 => FileType::Coded(Coding::Q4_1),
        8 => FileType::Coded(Coding::Q8_0),
        24 => FileType::Plain(Dtype::I8),
        25 => FileType::Plain(Dtype::I16),
        26 => FileType::Plain(Dtype::I32),
        27 => FileType::Plain(Dtype::I64),
        28 => FileType::Plain(Dtype::F64),
        30 => FileType::Coded(Coding::Bf16),
        n => FileType::Unread(n),
    }
}
