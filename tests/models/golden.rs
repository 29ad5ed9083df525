//! Golden files: what other frameworks were given, and what they answered.

use safetensors::{Dtype, SafeTensors};
use tancho::Tensor;
use tancho::inspect::{BOUND, compare};

/// One golden file of `tests/golden`: `in.*`, `out.*`, and weights as `w.*` if it has any.
pub struct Golden(Vec<u8>);

impl Golden {
    /// The file of that name, without its ending.
    pub fn new(name: &str) -> Golden {
        let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
        Golden(std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
    }

    pub fn file(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).expect("a safetensors file")
    }

    pub fn numbers(&self, name: &str) -> (Vec<f64>, Vec<usize>) {
        let file = self.file();
        let t = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (words, _) = t.data().as_chunks::<4>();
        let data = match t.dtype() {
            Dtype::F32 => words.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::I32 => words.iter().map(|b| f64::from(i32::from_le_bytes(*b))).collect(),
            Dtype::F64 => t.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::U8 | Dtype::BOOL => t.data().iter().map(|b| f64::from(*b)).collect(),
            other => panic!("{name} is {other:?}"),
        };
        (data, t.shape().to_vec())
    }

    pub fn floats(&self, name: &str) -> Tensor {
        let (data, shape) = self.numbers(name);
        Tensor::new(data.into_iter().map(|x| x as f32).collect::<Vec<f32>>(), shape)
            .expect("the file's shape")
    }

    pub fn flags(&self, name: &str) -> Tensor {
        let (data, shape) = self.numbers(name);
        Tensor::new(data.into_iter().map(|x| x != 0.0).collect::<Vec<bool>>(), shape)
            .expect("the file's shape")
    }

    pub fn ids(&self, name: &str) -> Tensor {
        let (data, shape) = self.numbers(name);
        Tensor::new(data.into_iter().map(|x| x as i32).collect::<Vec<i32>>(), shape)
            .expect("the file's shape")
    }

    /// A tensor as the file has it.
    pub fn tensor(&self, name: &str) -> Tensor {
        match self.file().tensor(name).unwrap_or_else(|e| panic!("{name}: {e}")).dtype() {
            Dtype::BOOL => self.flags(name),
            Dtype::I32 => self.ids(name),
            _ => self.floats(name),
        }
    }

    /// The same for an image `[N, C, H, W]`, whose rows are the channels of a pixel.
    #[track_caller]
    pub fn matches_image(&self, name: &str, got: &Tensor) {
        let want = self.floats(name);
        let &[_, c, h, w] = want.shape() else { panic!("{name} is no image") };
        let (data, inner) = (want.as_f32().expect("f32"), h * w);
        let pixel = |i: usize| i / (c * inner) * c * inner + i % inner;
        let largest =
            |i: usize| (0..c).map(|k| f64::from(data[pixel(i) + k * inner].abs())).fold(0.0, f64::max);
        let scale: Vec<f64> = (0..data.len()).map(largest).collect();
        let report = compare(name, got, &want, Some(&scale), BOUND);
        assert!(report.is_ok(), "{report}");
    }

    #[track_caller]
    pub fn matches(&self, name: &str, got: &Tensor) {
        let report = compare(name, got, &self.floats(name), None, BOUND);
        assert!(report.is_ok(), "{report}");
    }
}
