//! What the engines share: the files of a case, and how they are asked for runs. `worker.py` does the same.

use safetensors::{Dtype, SafeTensors};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Why an engine does not run a case.
pub type Failure = Box<dyn Error + Send + Sync>;

const RUNS: usize = 5;
const SPAN: Duration = Duration::from_millis(300);

/// The numbers of a tensor.
#[derive(Clone, Debug)]
pub enum Data {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

/// A tensor of a file.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub data: Data,
}

impl Tensor {
    /// The numbers of a tensor of f32.
    ///
    /// # Errors
    /// It has integers.
    pub fn floats(&self) -> Result<Vec<f32>, Failure> {
        match &self.data {
            Data::F32(x) => Ok(x.clone()),
            Data::I32(_) => Err("a tensor has integers".into()),
        }
    }
}

/// A case as `bench --export` has written it.
pub struct Case {
    pub name: String,
    pub folder: PathBuf,
    pub threads: usize,
    tensors: BTreeMap<String, Tensor>,
}

fn read(path: PathBuf) -> Result<BTreeMap<String, Tensor>, Failure> {
    let bytes = std::fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut all = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes)?.iter() {
        let words = || view.data().chunks_exact(4).map(|x| [x[0], x[1], x[2], x[3]]);
        let data = match view.dtype() {
            Dtype::F32 => Data::F32(words().map(f32::from_le_bytes).collect()),
            Dtype::I32 => Data::I32(words().map(i32::from_le_bytes).collect()),
            // Masks, which are all true.
            _ => continue,
        };
        all.insert(name.to_string(), Tensor { shape: view.shape().to_vec(), data });
    }
    Ok(all)
}

impl Case {
    /// The case that the command line names: CASE FOLDER THREADS.
    ///
    /// # Errors
    /// Its files are not there.
    pub fn of_arguments() -> Result<Case, Failure> {
        let args: Vec<String> = std::env::args().collect();
        let [_, name, folder, threads] = &args[..] else {
            return Err("usage: ENGINE CASE FOLDER THREADS".into());
        };
        let tensors = read(PathBuf::from(folder).join(format!("{name}.tensors.safetensors")))?;
        Ok(Case { name: name.clone(), folder: folder.into(), threads: threads.parse()?, tensors })
    }

    /// The weights by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn weights(&self) -> Result<BTreeMap<String, Tensor>, Failure> {
        read(self.folder.join(format!("{}.weights.safetensors", self.name)))
    }

    pub fn onnx(&self) -> PathBuf {
        self.folder.join(format!("{}.onnx", self.name))
    }

    /// The inputs, then the cached keys and values, by the names that they have in the ONNX model.
    pub fn inputs(&self) -> Vec<(String, Tensor)> {
        let given = |name: &String| name.starts_with("in.");
        let cached = |(name, tensor): &(&String, &Tensor)| name.starts_with("state.") && tensor.shape[2] > 0;
        let renamed = |(name, tensor): (&String, &Tensor)| (name.replace('.', "_"), tensor.clone());
        let inputs = self.tensors.iter().filter(|(name, _)| given(name)).map(renamed);
        inputs.chain(self.tensors.iter().filter(cached).map(renamed)).collect()
    }

    /// The keys or values of a block, such as `state.h.0.keys`, if there are any.
    pub fn state(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name).filter(|tensor| tensor.shape[2] > 0)
    }

    /// The largest difference from Tancho's result, by the largest number of the row, or of the image.
    ///
    /// # Errors
    /// There are more or fewer numbers.
    fn error(&self, result: &[f32]) -> Result<f32, Failure> {
        let wanted = &self.tensors["out.0"];
        let (shape, wanted) = (&wanted.shape, wanted.floats()?);
        if wanted.len() != result.len() {
            return Err(format!("{} results instead of {}", result.len(), wanted.len()).into());
        }
        let row = if shape.len() == 4 { shape[1..].iter().product() } else { shape[shape.len() - 1] };
        let rows = wanted.chunks(row).zip(result.chunks(row));
        Ok(rows.fold(0.0, |most, (wanted, result)| {
            let largest = wanted.iter().fold(0.0f32, |l, x| l.max(x.abs()));
            let apart = wanted.iter().zip(result).fold(0.0f32, |l, (a, b)| l.max((a - b).abs()));
            most.max(apart / largest)
        }))
    }

    /// Says that the case is ready, `start` being when it was loaded; then answers each line by the times of
    /// some runs. `run` gives the first result if it is asked for one.
    ///
    /// # Errors
    /// A run fails, or the result is not one.
    pub fn serve(
        &self,
        start: Instant,
        run: &mut dyn FnMut(bool) -> Result<Vec<f32>, Failure>,
    ) -> Result<(), Failure> {
        let result = run(true)?;
        let first = ms(start.elapsed());
        println!("{}", json!({"first_ms": first, "error": self.error(&result)?}));
        std::io::stdout().flush()?;
        let (begin, mut warm) = (Instant::now(), 0);
        while warm < 3 || (begin.elapsed() < SPAN / 3 && warm < RUNS) {
            run(false)?;
            warm += 1;
        }
        for line in std::io::stdin().lock().lines() {
            line?;
            run(false)?;
            let (mut times, begin) = (Vec::new(), Instant::now());
            while times.len() < RUNS || begin.elapsed() < SPAN {
                let before = Instant::now();
                run(false)?;
                times.push(ms(before.elapsed()));
            }
            times.sort_by(f64::total_cmp);
            println!("{}", json!({"median_ms": times[times.len() / 2], "min_ms": times[0]}));
            std::io::stdout().flush()?;
        }
        Ok(())
    }
}

fn ms(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// Runs an engine's program; what fails is an answer.
pub fn program(run: impl FnOnce(&Case) -> Result<(), Failure>) {
    if let Err(e) = Case::of_arguments().and_then(|case| run(&case)) {
        println!("{}", json!({"failed": e.to_string()}));
        std::process::exit(1);
    }
}

/// The stride of a convolution: those behind the first of a layer halve the image.
pub fn stride(case: &str, name: &str) -> usize {
    let first = name == "conv1" || name == "conv" || name.starts_with("downsample");
    let halves = match case {
        "W6_resnet18" => {
            let layer = name.starts_with("layer") && !name.starts_with("layer1") && name.contains(".0.");
            name == "conv1" || (layer && !name.ends_with("conv2"))
        }
        _ => case.contains("_s2_") && first,
    };
    if halves { 2 } else { 1 }
}
