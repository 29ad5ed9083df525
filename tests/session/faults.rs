//! Finding what is wrong: where a NaN comes from, and which value is not that of another library.

use tancho::{AsView, Error, Target, Tensor, network};

network! {
    /// A row with equal elements has no deviation, which is divided by.
    Normed<B, D = 4>(x: [B, D]) -> [B, D] {
        param gain: [D] = ones;
        let shifted = x - expand(mean(x, over = D, keep = true), [B, D]);
        let deviation = sqrt(mean(shifted * shifted, over = D, keep = true));
        let normed = shifted / expand(deviation, [B, D]);
        gain * normed
    }

    /// A sum of logarithms that goes on from call to call.
    Logs<B>(x: [B]) -> [B] {
        state total: [B];
        total = total + log(x);
        exp(total)
    }

    /// One name for three values.
    Thrice<D = 4>(x: [D]) -> [D] {
        let shifted = x + 1;
        let shifted = shifted * 2;
        let shifted = shifted - 3;
        shifted
    }

    /// A network whose weights are saved as if they were activations.
    Saved<D = 4>(x: [D]) -> [D] {
        param shifted: [2, D] = normal(1.0);
        param normed: [2, D] = normal(1.0);
        param deviations: [2, 1] = ones;
        x + sum(shifted, over = 0) + sum(normed, over = 0) + expand(sum(deviations), [D])
    }
}

#[test]
fn the_op_that_makes_a_nan_is_found() -> Result<(), Error> {
    let session = Normed::init(1)?.compile(Target::host())?.session();
    let fine = [1.0, 2.0, 3.0, 4.0, 4.0, 1.0, 0.0, 2.0];
    assert_eq!(session.first_not_finite(&[fine.view([2, 4]).into()])?, None);
    let flat = [1.0, 2.0, 3.0, 4.0, 2.0, 2.0, 2.0, 2.0];
    let found = session.first_not_finite(&[flat.view([2, 4]).into()])?.expect("0 / 0");
    assert_eq!((found.op.as_str(), found.index.as_slice()), ("div", &[1, 0][..]));
    assert!(found.value.is_nan());
    assert_eq!(&*found.source.text, "shifted / expand(deviation, [B, D])");
    assert_eq!(found.source.line, 11, "{found}");
    let text = found.to_string();
    assert!(text.contains("`shifted` is from -1.5 to 1.5") && text.contains("NaN at [1, 0]"), "{text}");
    // A NaN that was given is no fault of an op.
    let given = [1.0, 2.0, 3.0, 4.0, 5.0, f32::NAN, 3.0, 4.0];
    let found = session.first_not_finite(&[given.view([2, 4]).into()])?.expect("it was given");
    assert_eq!(found.to_string(), "the input `x` has NaN at [1, 1]");
    let mut net = Normed::init(1)?;
    net.weights_mut().set("gain", Tensor::new(vec![1.0, f32::INFINITY, 1.0, 1.0], [4])?)?;
    let broken = net.compile(Target::host())?.session();
    let found = broken.first_not_finite(&[fine.view([2, 4]).into()])?.expect("a weight is not finite");
    assert_eq!(found.to_string(), "the weight `gain` has inf at [1]");
    assert_eq!(session.first_not_finite(&[[0.0f32; 0].view([0, 4]).into()])?, None);
    Ok(())
}

#[test]
fn states_are_what_they_hold() -> Result<(), Error> {
    let mut session = Logs::init(1)?.compile(Target::host())?.session();
    session.run([1.0, 2.0].view([2]))?;
    let found = session.first_not_finite(&[[1.0, 0.0].view([2]).into()])?.expect("the logarithm of 0");
    assert_eq!((found.op.as_str(), found.value), ("log", f64::NEG_INFINITY));
    let held = session.state("total")?.expect("a run has set it");
    assert!(held.as_f32().expect("f32").iter().all(|x| x.is_finite()), "the session is as it was");
    session.run([1.0, 0.0].view([2]))?;
    let found = session.first_not_finite(&[[1.0, 1.0].view([2]).into()])?.map(|found| found.to_string());
    assert_eq!(found.as_deref(), Some("the state `total` has -inf at [1]"), "the state held it");
    Ok(())
}

#[test]
fn of_a_name_that_is_assigned_several_times_the_last_value_is_compared() -> Result<(), Error> {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let x = [1.0, 2.0, 3.0, 4.0];
    let trace = Thrice::init(1)?.compile(Target::host())?.session().trace(x.view([4]))?;
    let last: Vec<u8> = x.iter().flat_map(|x| ((x + 1.0) * 2.0 - 3.0f32).to_le_bytes()).collect();
    let last = TensorView::new(Dtype::F32, vec![4], &last).expect("four numbers");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("activations.safetensors");
    std::fs::write(&path, serialize([("shifted", last)], None).expect("it fits")).expect("a file");
    let comparison = trace.compare_with(&path, 1e-4)?;
    assert_eq!((comparison.values.len(), comparison.first()), (1, None), "{comparison}");
    Ok(())
}

#[test]
fn activations_of_a_file_are_compared_by_name() -> Result<(), Error> {
    let x = [1.0, 2.0, 3.0, 4.0, 4.0, 1.0, 0.0, 2.0];
    let mut session = Normed::init(1)?.compile(Target::host())?.session();
    let trace = session.trace(x.view([2, 4]))?;
    let mut saved = Saved::init(1)?;
    let value = |name: &str| trace.get(name).expect("a value").clone();
    saved.weights_mut().set("shifted", value("shifted"))?;
    let mut wrong = value("normed").as_f32().expect("f32").to_vec();
    wrong[5] += 0.5;
    saved.weights_mut().set("normed", Tensor::new(wrong, [2, 4])?)?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("activations.safetensors");
    saved.weights().save(&path)?;

    let comparison = trace.compare_with(&path, 1e-4)?;
    let names: Vec<&str> = comparison.values.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["shifted", "normed"], "in the order they are computed");
    let first = comparison.first().expect("one differs");
    assert_eq!((first.name.as_str(), first.bad), ("normed", 1));
    assert_eq!(first.first_bad.as_ref().map(|b| b.index.clone()), Some(vec![1, 1]));
    assert_eq!(comparison.unknown, [("deviations".to_string(), Some("deviation".to_string()))]);
    let text = comparison.to_string();
    assert!(text.ends_with("the first that differs is `normed`"), "{text}");
    assert!(text.contains("it has `deviation`"), "{text}");
    Ok(())
}
