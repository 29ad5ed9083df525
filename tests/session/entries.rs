//! Networks with several entry points: the parts of a compiled network and of a session, by name.

use tancho::{AnyView, AsView, Error, Session, Target, network};

network! {
    /// Two layers with one matrix.
    Coder<B, D = 4, H = 8> {
        param w: [H, D] = xavier;
        fn encode(x: [B, D]) -> [B, H] { x @ w.t }
        fn decode(h: [B, H]) -> [B, D] { tanh(h @ w) }
    }

    /// The main entry point has a state, the one before it has none.
    Counter<B> {
        fn twice(x: [B]) -> [B] { x * 2 }
        fn forward(x: [B]) -> [B] {
            state seen: [B];
            seen = seen + x;
            seen
        }
    }
}

#[test]
fn compiled_entry_points_are_found_by_name() -> Result<(), Error> {
    let compiled = Coder::init(1)?.compile(Target::host())?;
    assert_eq!(compiled.entries().map(|(name, _)| name), ["encode", "decode"]);
    for (name, part) in compiled.entries() {
        let found = compiled.entry(name).expect("an entry point");
        assert!(std::ptr::eq(found, part), "{name}");
        assert_eq!((part.stats().kernels, part.graph().outputs.len()), (1, 1), "{name}");
    }
    let fused = |name| compiled.entry(name).map(|part| part.fused_ir()).expect("an entry point");
    assert!(!fused("encode").contains("tanh") && fused("decode").contains("tanh"), "{}", fused("decode"));
    assert!(std::ptr::eq(compiled.encode(), compiled.entries()[0].1));
    for unknown in ["", "forward", "Encode", "encode ", "w"] {
        assert!(compiled.entry(unknown).is_none(), "{unknown:?}");
    }
    assert_eq!(compiled.weights().names().collect::<Vec<_>>(), ["w"]);
    Ok(())
}

#[test]
fn sessions_of_entry_points_are_found_by_name() -> Result<(), Error> {
    let mut session = Coder::init(1)?.compile(Target::host())?.session_with_threads(1)?;
    let (x, h) = ([0.5; 4], [0.25; 8]);
    let runs = |s: &CoderSession| s.entries().map(|(name, part)| (name, part.profile().runs));
    session.encode(x.view([1, 4]))?;
    assert_eq!(runs(&session), [("encode", 0), ("decode", 0)]);

    session.set_profiling(true);
    session.encode(x.view([1, 4]))?;
    session.encode(x.view([1, 4]))?;
    session.decode(h.view([1, 8]))?;
    assert_eq!(runs(&session), [("encode", 2), ("decode", 1)]);
    let kernels = |name| session.entry(name).map(|part| part.profile().kernels.len());
    assert_eq!((kernels("encode"), kernels("decode"), kernels("forward")), (Some(1), Some(1), None));

    // Measuring can be ended for one entry point alone.
    session.entry_mut("encode").expect("an entry point").set_profiling(false);
    session.encode(x.view([1, 4]))?;
    session.decode(h.view([1, 8]))?;
    assert_eq!(runs(&session), [("encode", 0), ("decode", 2)]);
    assert!(session.entry_mut("forward").is_none());
    session.set_profiling(true);
    assert_eq!(runs(&session), [("encode", 0), ("decode", 0)]);
    assert_eq!(session.threads(), 1);
    Ok(())
}

#[test]
fn the_session_of_an_entry_point_is_the_one_its_method_runs() -> Result<(), Error> {
    let mut session = Coder::init(1)?.compile(Target::host())?.session();
    let (x, other) = ([0.5, -1.0, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0]);
    let want = session.encode(x.view([1, 4]))?.to_vec();
    let results = |s: &Session| s.tensor(0).map(|t| t.as_f32().expect("f32").to_vec());
    assert_eq!(results(session.entry("encode").expect("an entry point"))?, want);

    let encode = session.entry_mut("encode").expect("an entry point");
    encode.run_inputs(&[AnyView::from(other.view([1, 4]))])?;
    let other_want = results(encode)?;
    assert_ne!(other_want, want);
    assert_eq!(session.encode(other.view([1, 4]))?.to_vec(), other_want);
    Ok(())
}

#[test]
fn states_are_those_of_the_entry_point_that_declares_them() -> Result<(), Error> {
    let compiled = Counter::init(1)?.compile(Target::host())?;
    assert_eq!(compiled.entries().map(|(name, _)| name), ["forward", "twice"]);
    let mut session = compiled.session();
    session.twice([3.0; 2].view([2]))?;
    session.forward([1.0; 2].view([2]))?;
    session.entry_mut("forward").expect("an entry point").run_inputs(&[AnyView::from([2.0; 2].view([2]))])?;
    let held = |s: &CounterSession, name| {
        let part = s.entry(name).expect("an entry point");
        part.state("seen").map(|t| t.map(|t| t.as_f32().expect("f32").to_vec()))
    };
    assert_eq!(held(&session, "forward")?, Some(vec![3.0; 2]));
    assert!(matches!(held(&session, "twice"), Err(Error::NoState { .. })));
    session.entry_mut("twice").expect("an entry point").reset();
    assert_eq!(held(&session, "forward")?, Some(vec![3.0; 2]));
    session.entry_mut("forward").expect("an entry point").reset();
    assert_eq!(session.forward([1.0; 2].view([2]))?.data(), [1.0; 2]);
    Ok(())
}
