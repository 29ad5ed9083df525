//! Checkpoints: what was trained goes on from them to the last bit, and nothing is lost that was there.

use crate::declared::{Classifier, ClassifierTraining, batch};
use std::path::PathBuf;
use tancho::train::{Checkpoints, TrainOptions};
use tancho::{AsView, Error, Target, network};
use tancho_support::Rng;
use tancho_support::alone::{child, is_child, must_pass};

/// An empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("checkpoints").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A step with the data that belong to its number.
fn step(training: &mut ClassifierTraining, at: u64) -> f32 {
    let mut rng = Rng::new(100 + at);
    let (x, y) = batch(&mut rng, 16);
    training.step(x.view([16, 16]), y.view([16]), 3e-3).unwrap()
}

/// The steps of these numbers.
fn steps(training: &mut ClassifierTraining, numbers: std::ops::Range<u64>) -> Vec<f32> {
    numbers.map(|at| step(training, at)).collect()
}

fn new(options: &TrainOptions) -> ClassifierTraining {
    Classifier::init(3).unwrap().compile_train_with(Target::host(), options).unwrap()
}

#[test]
fn a_resumed_training_has_the_losses_of_one_that_went_on() {
    for accumulate in [1, 3] {
        let options = TrainOptions::new().accumulate(accumulate);
        let path = folder(&format!("resumed-{accumulate}")).join("checkpoint.safetensors");
        let mut whole = new(&options);
        // One before the first step: nothing is kept yet of what the optimiser will have.
        for pause in [0, 10, 16] {
            let done = whole.note("calls").map_or(0, |calls| calls.parse().unwrap());
            steps(&mut whole, done..pause);
            whole.set_note("calls", pause.to_string());
            whole.save(&path).unwrap();
            let mut resumed =
                Classifier::init(9).unwrap().compile_train_with(Target::host(), &options).unwrap();
            resumed.load(&path).unwrap();
            assert_eq!((resumed.steps(), resumed.note("calls")), (whole.steps(), whole.note("calls")));
            let mut copy = new(&options);
            copy.load(&path).unwrap();
            for at in pause..pause + 8 {
                let (a, b) = (step(&mut resumed, at), step(&mut copy, at));
                assert_eq!(a.to_bits(), b.to_bits());
            }
            let mut once = new(&options);
            let losses: Vec<f32> = (0..pause + 8).map(|at| step(&mut once, at)).collect();
            let mut again = new(&options);
            again.load(&path).unwrap();
            for at in pause..pause + 8 {
                assert_eq!(step(&mut again, at).to_bits(), losses[at as usize].to_bits(), "{at} of {pause}");
            }
        }
    }
}

#[test]
fn a_folder_keeps_the_last_checkpoints() {
    let folder = folder("kept");
    let checkpoints = Checkpoints::new(&folder).keep_last(3);
    let mut training = new(&TrainOptions::new());
    assert_eq!(checkpoints.resume(&mut training).unwrap(), None);
    std::fs::write(folder.join("step-other.safetensors"), "not ours").unwrap();
    for at in 0..12 {
        step(&mut training, at);
        checkpoints.save(&training).unwrap();
    }
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "step-000000010.safetensors",
            "step-000000011.safetensors",
            "step-000000012.safetensors",
            "step-other.safetensors"
        ]
    );
    let mut resumed = new(&TrainOptions::new());
    assert_eq!(checkpoints.resume(&mut resumed).unwrap(), checkpoints.last().unwrap());
    assert_eq!(resumed.steps(), 12);
}

network! {
    /// Another network, with some of the names of `Classifier`.
    pub Other<B, D = 16, C = 4> {
        net up: Linear<D, C>;
        fn forward(x: [B, D]) -> [B, C] { up(x) }
        train fn step(x: [B, D], y: i32[B], lr: []) -> [] {
            let loss = mean(cross_entropy(forward(x), y), over = B);
            minimize loss with lion(lr = lr);
            loss
        }
    }
}

#[test]
fn what_does_not_fit_is_one_error_and_changes_nothing() {
    let path = folder("wrong").join("checkpoint.safetensors");
    let mut training = new(&TrainOptions::new());
    steps(&mut training, 0..3);
    training.save(&path).unwrap();

    let mut other = Other::init(1).unwrap().compile_train(Target::host()).unwrap();
    let error = other.load(&path).unwrap_err();
    let Error::Checkpoint { problems, .. } = &error else { panic!("{error}") };
    let has = |text: &str| problems.iter().any(|p| p.contains(text));
    assert!(has("its network is `Classifier`, and here it is `Other`"), "{error}");
    assert!(has("AdamW") && has("Lion") && has("`up.weight` is f32[24, 16]"), "{error}");
    assert!(has("it has `mix.weight`, which this training has not"), "{error}");
    let mut slower = new(&TrainOptions::new().rate("head.*", 0.1).accumulate(2));
    let error = slower.load(&path).unwrap_err().to_string();
    assert!(
        error
            .contains("its options is `accumulate(1)`, and here it is `accumulate(2) rate(\"head.*\", 0.1)`"),
        "{error}"
    );

    // What is no checkpoint, is cut off, or is not there.
    let mut same = new(&TrainOptions::new());
    let before = same.weights().unwrap();
    training.weights().unwrap().save(path.with_file_name("weights.safetensors")).unwrap();
    let error = same.load(path.with_file_name("weights.safetensors")).unwrap_err().to_string();
    assert!(error.contains("it is no checkpoint that `Trainer::save` wrote"), "{error}");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(path.with_file_name("cut.safetensors"), &bytes[..bytes.len() - 1]).unwrap();
    let error = same.load(path.with_file_name("cut.safetensors")).unwrap_err();
    assert!(matches!(error, Error::Load(_)), "{error}");
    assert!(matches!(same.load(path.with_file_name("none")).unwrap_err(), Error::Load(_)));
    assert_eq!(same.steps(), 0);
    for (name, weight) in before.iter() {
        assert!(weight.bytes().unwrap() == same.weights().unwrap().data(name).unwrap().bytes().unwrap());
    }

    // A place that cannot be written leaves what is there.
    let file = path.with_file_name("file");
    std::fs::write(&file, "a file").unwrap();
    let error = Checkpoints::new(&file).save(&training).unwrap_err();
    assert!(matches!(&error, Error::Save { .. }), "{error}");
    assert!(matches!(training.save(path.parent().unwrap()).unwrap_err(), Error::Save { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

/// A disk of 60 kB holds a few checkpoints: the one that does not fit is an error, and those before are
/// whole.
#[test]
fn a_full_disk_leaves_the_checkpoints_before() {
    const DISK: &str = "TANCHO_SMALL_DISK";
    let fills = || {
        let folder = PathBuf::from(std::env::var_os(DISK).expect("the folder of the disk"));
        let checkpoints = Checkpoints::new(folder.join("checkpoints")).keep_last(100);
        let mut training = new(&TrainOptions::new());
        let mut saved = Vec::new();
        let error = loop {
            let at = training.steps();
            step(&mut training, at);
            match checkpoints.save(&training) {
                Ok(path) => saved.push((path.clone(), std::fs::read(path).unwrap())),
                Err(error) => break error,
            }
            assert!(saved.len() < 20, "the disk is never full");
        };
        let Error::Save { path, error: why } = &error else { panic!("{error}") };
        assert_eq!(why.kind(), std::io::ErrorKind::StorageFull, "{error}");
        assert!(path.ends_with(format!("step-{:09}.safetensors", training.steps())), "{error}");
        assert!(saved.len() > 1);
        for (path, bytes) in &saved {
            assert_eq!(std::fs::read(path).unwrap(), *bytes);
        }
        let left = std::fs::read_dir(folder.join("checkpoints")).unwrap().count();
        assert_eq!(left, saved.len(), "nothing is left of the one that failed");
        let mut resumed = new(&TrainOptions::new());
        assert_eq!(checkpoints.resume(&mut resumed).unwrap(), saved.last().map(|(path, _)| path.clone()));
        assert_eq!(resumed.steps(), saved.len() as u64);
        // With room again, the same training is saved.
        std::fs::remove_file(&saved[0].0).unwrap();
        checkpoints.save(&training).unwrap();
    };
    if is_child(&fills) {
        return fills();
    }
    // The disk is one of this process alone, which only the superuser can have.
    let can_mount = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !can_mount.is_ok_and(|out| out.status.success()) {
        println!("skipped: a small disk cannot be mounted here");
        return;
    }
    let folder = folder("full");
    let process = child(&format!("mount -t tmpfs -o size=60k tmpfs \"${DISK}\""), &fills);
    let mut alone = std::process::Command::new("unshare");
    alone.arg("--mount").arg(process.get_program()).args(process.get_args()).env(DISK, &folder);
    alone.envs(process.get_envs().filter_map(|(name, value)| Some((name, value?))));
    must_pass(&mut alone);
}

#[test]
fn groups_of_weights_are_trained_as_the_options_say() {
    let start = Classifier::init(3).unwrap();
    let options =
        TrainOptions::new().freeze("up.*").rate("*", 1.0).rate("head.*", 0.0).weight_decay("mix.*", 0.5);
    let mut training = start.compile_train_with(Target::host(), &options).unwrap();
    steps(&mut training, 0..2);
    let after = training.weights().unwrap();
    let same = |name| start.weights().get(name).unwrap().data() == after.get(name).unwrap().data();
    assert!(same("up.weight") && same("up.bias") && same("head.weight"), "frozen, and at the rate 0");
    assert!(!same("mix.weight") && !same("norm.weight"));

    let wrong = |options: TrainOptions| {
        start.compile_train_with(Target::host(), &options).map(drop).unwrap_err().to_string()
    };
    let error = wrong(TrainOptions::new().freeze("haed.weight"));
    assert_eq!(
        error,
        "`freeze(\"haed.weight\")`: no weight of that name is learned; did you mean `head.weight`?"
    );
    assert!(wrong(TrainOptions::new().rate("*", f64::NAN)).contains("finite number"));
    assert!(wrong(TrainOptions::new().accumulate(0)).contains("at least one call"));
    assert!(wrong(TrainOptions::new().threads(0)).contains("thread"));
    assert!(wrong(TrainOptions::new().freeze("*")).contains("no weight that is learned"));
}

#[test]
fn accumulated_gradients_are_those_of_one_large_batch() {
    let mut rng = Rng::new(8);
    let (x, y) = batch(&mut rng, 32);
    let mut whole = new(&TrainOptions::new());
    let mut parts = new(&TrainOptions::new().accumulate(4));
    for _ in 0..3 {
        whole.step(x.view([32, 16]), y.view([32]), 1e-3).unwrap();
        for part in 0..4 {
            let (x, y) = (&x[part * 128..][..128], &y[part * 8..][..8]);
            parts.step(x.view([8, 16]), y.view([8]), 1e-3).unwrap();
        }
        let (a, b) = (whole.gradient_norm().unwrap(), parts.gradient_norm().unwrap());
        assert!((a - b).abs() <= 1e-4 * a, "{a} and {b}");
    }
    assert_eq!((whole.steps(), parts.steps()), (3, 3));
    let (a, b) = (whole.weights().unwrap(), parts.weights().unwrap());
    for name in a.names() {
        let pairs = a.get(name).unwrap().to_vec().into_iter().zip(b.get(name).unwrap().to_vec());
        // Adam divides by the gradient's size: where that is nothing, rounding decides.
        let far = pairs.filter(|(a, b)| (a - b).abs() > 1e-4).count();
        assert!(far == 0, "{far} of {name}");
    }
    let report = parts.check_step(x.view([32, 16]), y.view([32]), 1e-3).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_checkpoint_cannot_have_more_gradients_waiting_than_an_update_takes() {
    let path = folder("waiting").join("checkpoint.safetensors");
    let mut training = new(&TrainOptions::new().accumulate(3));
    steps(&mut training, 0..2);
    training.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (text, other) = (br#""runs":"2""#, br#""runs":"3""#);
    let at = bytes.windows(text.len()).position(|part| part == text).unwrap();
    let mut wrong = bytes.clone();
    wrong[at..at + other.len()].copy_from_slice(other);
    std::fs::write(&path, wrong).unwrap();
    let error = training.load(&path).unwrap_err().to_string();
    assert!(error.contains("which gradients wait"), "{error}");
    std::fs::write(&path, bytes).unwrap();
    training.load(&path).unwrap();
}
