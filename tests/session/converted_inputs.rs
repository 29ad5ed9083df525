//! Inputs that are given as u8, u32, i64 and f16, which a session converts where they enter: they give what
//! their values give, and a number that no value holds is an error that changes nothing.

use tancho::{AnyView, AsView, ElementType, Error, Session, Target, Tensor, View, f16, network};
use tancho_support::{Given, Rng, results, same_bits, targets, views};

network! {
    /// An input of each type, in a product, gathers, row work, and as it is.
    pub Converted<B, S, D = 20>(image: u8[B, S, D], ids: u32[B, S], rows: i64[S], x: f16[B, S, D])
        -> ([B, S, D], i32[B, S, D], [B, S, D], i32[B])
    {
        param table: [7, D] = normal(1.0);
        param w: [D, D];
        let pixels = cast(image, f32) / 255;
        let y = pixels @ w.t + table[ids];
        (y, image, layer_norm(x, over = D) + table[rows], sum(ids, over = S))
    }

    /// The same of the values.
    pub Values<B, S, D = 20>(image: i32[B, S, D], ids: i32[B, S], rows: i32[S], x: [B, S, D])
        -> ([B, S, D], i32[B, S, D], [B, S, D], i32[B])
    {
        param table: [7, D] = normal(1.0);
        param w: [D, D];
        let pixels = cast(image, f32) / 255;
        let y = pixels @ w.t + table[ids];
        (y, image, layer_norm(x, over = D) + table[rows], sum(ids, over = S))
    }

    /// A cache, and a value that is replaced, by ids of 64 bits and of 32.
    pub Cached<B, P: ..=16, D = 4> {
        param table: [7, D] = normal(1.0);
        state seen: [B, P, D] grow P;
        state sum_of_ids: i32[B];

        fn read<S>(ids: i64[B, S]) -> [B, D] {
            sum_of_ids = sum_of_ids + sum(ids, over = S);
            sum(seen.push(table[ids]), over = 1)
        }

        fn forward<S>(ids: u32[B, S]) -> [B, D] { read(ids) }
    }

    /// The outermost network alone converts: a net takes the values, which any ops may have made.
    pub Image<B, D = 4>(image: u8[B, D], shift: f16[D]) -> [B, D] { cast(image, f32) / 255 + shift }

    pub Brighter<B, D = 4>(image: u8[B, D], shift: f16[D]) -> ([B, D], [B, D]) {
        net of: Image<D = D>;
        (of(image, shift), of(image * 2 - 300, shift * 3))
    }
}

/// What the network is given: four inputs, as their values.
fn random(rng: &mut Rng, b: usize, s: usize) -> Vec<Tensor> {
    let x = rng.floats(&[b, s, 20]);
    let x: Vec<f32> = x.as_f32().unwrap().iter().map(|x| f16::from_f32(*x).to_f32()).collect();
    let x = Tensor::new(x, [b, s, 20]).unwrap();
    vec![rng.ids(&[b, s, 20], 256), rng.ids(&[b, s], 7), rng.ids(&[s], 7), x]
}

const TYPES: [ElementType; 4] = [ElementType::U8, ElementType::U32, ElementType::I64, ElementType::F16];

fn given(values: &[Tensor]) -> Vec<Given> {
    values.iter().zip(TYPES).map(|(v, ty)| Given::new(v, ty)).collect()
}

fn as_given(given: &[Given]) -> Vec<AnyView<'_>> {
    given.iter().map(Given::view).collect()
}

fn assert_same(got: &[Tensor], want: &[Tensor], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(same_bits(got, want), "{what}: result {i} is\n{got}\nnot\n{want}");
    }
}

/// Dims that grow, shrink and vanish, in one session.
const LENGTHS: [(usize, usize); 9] =
    [(2, 5), (1, 1), (3, 40), (2, 5), (0, 5), (2, 0), (0, 0), (7, 9), (1, 2)];

#[test]
fn converted_inputs_give_what_their_values_give() -> Result<(), Error> {
    let mut rng = Rng::new(1);
    let (converted, values) = (Converted::init(3)?, Values::init(3)?);
    for target in targets() {
        let (converted, values) = (converted.compile(target)?, values.compile(target)?);
        let (mut session, mut plain) = (converted.session(), values.session());
        session.set_profiling(true);
        for (b, s) in LENGTHS {
            let at = format!("{target:?}, B = {b}, S = {s}");
            let inputs = random(&mut rng, b, s);
            let given = given(&inputs);
            session.run_inputs(&as_given(&given))?;
            plain.run_inputs(&views(&inputs))?;
            let want = results(&plain);
            assert_same(&results(&session), &want, &at);
            let report = session.check_inputs(&as_given(&given))?;
            assert!(report.is_ok(), "{at}: {report}");
            assert!(session.first_divergence(&as_given(&given))?.is_none(), "{at}");
            let reference = converted.interpret_inputs(&as_given(&given))?;
            assert_same(&reference, &values.interpret_inputs(&views(&inputs))?, &at);
            let trace = session.trace_inputs(&as_given(&given))?;
            let other = plain.trace_inputs(&views(&inputs))?;
            for name in ["pixels", "y", "image"] {
                let [got, want] = [&trace, &other].map(|t| t.get(name).cloned());
                assert_same(got.as_slice(), want.as_slice(), &format!("{at}, {name}"));
            }
        }
        assert_eq!(session.profile().runs, LENGTHS.len() as u64);
    }
    Ok(())
}

/// Parts of larger slices, which begin anywhere, with and without names of their axes, and into buffers.
#[test]
fn parts_of_slices_are_converted() -> Result<(), Error> {
    let mut session = Image::init(1)?.compile(Target::host())?.session();
    let bytes: Vec<u8> = (0..=255).collect();
    let halves: Vec<f16> = (0..64).map(|i| f16::from_f32(i as f32 / 4.0)).collect();
    for (from, b) in [(0, 2), (1, 3), (3, 5), (7, 0), (9, 17)] {
        let image = &bytes[from..][..b * 4];
        let shift = &halves[from..][..4];
        let want: Vec<f32> =
            (0..b * 4).map(|i| (from + i) as f32 / 255.0 + (from + i % 4) as f32 / 4.0).collect();
        let got = session.run(image.view([b, 4]), shift.view([4]))?;
        assert_eq!((got.shape(), got.data()), (&[b, 4][..], &want[..]));
        let named = View::named(image, &[("B", b), ("D", 4)])?;
        let mut into = vec![0.0; b * 4];
        session.run_into(named, shift.view([4]), &mut into)?;
        assert_eq!(into, want);
    }
    let named = View::named(&bytes[..4], &[("N", 1), ("D", 4)])?;
    let e = session.run(named, halves[..4].view([4])).unwrap_err().to_string();
    assert!(e.contains("`image` is declared u8[B, D (4)]") && e.contains("called `N`"), "{e}");
    Ok(())
}

#[test]
fn special_halves_keep_what_they_are() -> Result<(), Error> {
    let mut session = Image::init(1)?.compile(Target::host())?.session();
    let shift = [0x7c00, 0xfc00, 0x7e00, 0x0001].map(f16::from_bits);
    let got = session.run([0u8; 4].view([1, 4]), shift.view([4]))?;
    assert_eq!(got.data()[..2], [f32::INFINITY, f32::NEG_INFINITY]);
    assert!(got.data()[2].is_nan());
    assert_eq!(got.data()[3], 1.0 / (1 << 24) as f32);
    Ok(())
}

#[test]
fn nets_take_the_values_of_their_inputs() -> Result<(), Error> {
    let compiled = Brighter::init(1)?.compile(Target::host())?;
    let (image, shift) = ([0u8, 100, 200, 255], [0.0f32, 0.5, -1.0, 2.0].map(f16::from_f32));
    assert!(compiled.check(image.view([1, 4]), shift.view([4]))?.is_ok());
    let mut session = compiled.session();
    let (plain, brighter) = session.run(image.view([1, 4]), shift.view([4]))?;
    assert_eq!(plain.data(), [0.0, 100.0 / 255.0 + 0.5, 200.0 / 255.0 - 1.0, 3.0]);
    let second = [-300.0 / 255.0, -100.0 / 255.0 + 1.5, 100.0 / 255.0 - 3.0, 210.0 / 255.0 + 6.0];
    assert_eq!(brighter.data(), second);
    Ok(())
}

/// What the states of a session of `Cached` are.
fn kept(session: &Session) -> Result<Vec<Option<Tensor>>, Error> {
    ["seen", "sum_of_ids"].iter().map(|name| session.state(name)).collect()
}

#[test]
fn integers_beyond_i32_are_errors_that_change_nothing() -> Result<(), Error> {
    let compiled = Cached::init(1)?.compile(Target::host())?;
    let (mut session, mut other) = (compiled.session(), compiled.session());
    for s in [&mut session, &mut other] {
        s.read([1, 2, 3, 4].view([2, 2]))?;
    }
    let before = kept(session.entry("read").unwrap())?;
    let bytes = session.memory_bytes();
    for bad in [i64::from(i32::MAX) + 1, i64::from(i32::MIN) - 1, i64::MAX, i64::MIN, 1 << 32] {
        let ids = [0, 1, 2, bad];
        let wrong = [
            session.read(ids.view([2, 2])).map(drop),
            session.read(ids.view([2, 2])).map(drop),
            session.trace_read(ids.view([2, 2])).map(drop),
            session.check_read(ids.view([2, 2])).map(drop),
            compiled.interpret_read(ids.view([2, 2])).map(drop),
            session.read_into(ids.view([2, 2]), &mut [0.0; 8]),
        ];
        for e in wrong {
            let Err(Error::InputValue { name, position, value, given }) = &e else { panic!("{e:?}") };
            assert_eq!((name.as_str(), *value, *given), ("ids", bad, ElementType::I64));
            assert_eq!(position, &[1, 1]);
            let text = e.unwrap_err().to_string();
            assert!(text.contains(&format!("input `ids`: {bad} at position [1, 1]")), "{text}");
        }
        let e = session.read([bad, 0, 0, 0, 0, 0].view([2, 3])).unwrap_err();
        assert!(matches!(&e, Error::InputValue { position, .. } if position == &[0, 0]), "{e}");
        assert_eq!(kept(session.entry("read").unwrap())?, before, "{bad}");
    }
    let e = session.forward([u32::MAX; 2].view([2, 1])).unwrap_err().to_string();
    assert!(
        e.contains("input `ids`: 4294967295 at position [0, 0]")
            && e.contains("u32 is i32 inside of a network"),
        "{e}"
    );
    assert!(session.memory_bytes() >= bytes);
    assert_eq!((kept(session.entry("read").unwrap())?, session.rows("P")?), (before, 2));
    // It goes on as one that saw none of it.
    let want = other.forward([5, 6].view([2, 1]))?.to_vec();
    assert_eq!(session.forward([5, 6].view([2, 1]))?.data(), want);
    assert_eq!(kept(session.entry("forward").unwrap())?, kept(other.entry("forward").unwrap())?);
    Ok(())
}

/// An i32 that is no id is found by the kernel that takes rows by it, as if it had been given as i32.
#[test]
fn ids_that_have_no_row_are_named_with_their_place() -> Result<(), Error> {
    let mut session = Cached::init(1)?.compile(Target::host())?.session();
    for bad in [7, -1, i64::from(i32::MAX), i64::from(i32::MIN)] {
        let e = session.read([0, 1, bad, 2].view([2, 2])).unwrap_err();
        let Error::IdOutOfRange { id, rows: 7, position, .. } = &e else { panic!("{e}") };
        assert_eq!((*id, position.as_slice()), (bad, &[1, 0][..]), "{e}");
    }
    assert_eq!(session.rows("P")?, 0);
    Ok(())
}

/// Each is refused that is not what the declaration says, also where it would fit.
#[test]
fn other_types_than_the_declared_are_refused() -> Result<(), Error> {
    let compiled = Converted::init(3)?.compile(Target::host())?;
    let inputs = random(&mut Rng::new(2), 2, 3);
    let right = given(&inputs);
    let others = [ElementType::U8, ElementType::U32, ElementType::I64, ElementType::I32];
    for (at, declared) in TYPES.into_iter().enumerate() {
        for other in others.into_iter().filter(|o| *o != declared && inputs[at].as_i32().is_some()) {
            let wrong = Given::new(&inputs[at], other);
            let mut x = as_given(&right);
            x[at] = wrong.view();
            let all = [
                compiled.session().run_inputs(&x),
                compiled.check_inputs(&x).map(drop),
                compiled.interpret_inputs(&x).map(drop),
                compiled.session().trace_inputs(&x).map(drop),
            ];
            for e in all {
                let e = e.unwrap_err().to_string();
                assert!(e.contains(&format!("is declared {declared}[")), "{e}");
                assert!(e.contains(&format!("but {other}[")), "{e}");
            }
        }
    }
    let mut x = as_given(&right);
    x[3] = (&inputs[3]).into();
    let e = compiled.session().run_inputs(&x).unwrap_err().to_string();
    assert!(e.contains("`x` is declared f16[B, S, D (20)], but f32[2, 3, 20] was given"), "{e}");
    assert!(compiled.session().run_inputs(&x[..3]).is_err());
    assert!(compiled.interpret_inputs(&x[..3]).is_err());
    assert!(x[1].to_tensor().is_err(), "no tensor has elements of u32");
    Ok(())
}

/// The memory that inputs are converted into is that of the largest call.
#[test]
fn memory_is_kept_between_calls() -> Result<(), Error> {
    let mut session = Image::init(1)?.compile(Target::host())?.session();
    let shift = [f16::default(); 4];
    let image = vec![9u8; 4 * 1000];
    let mut run = |b: usize| -> Result<usize, Error> {
        session.run(image[..b * 4].view([b, 4]), shift.view([4]))?;
        Ok(session.memory_bytes())
    };
    let small = run(10)?;
    let large = run(1000)?;
    // Beside the result, an i32 for each byte of the image.
    assert!(large >= small + 2 * 4 * 4 * 900, "{small} {large}");
    for b in [1000, 10, 0, 999] {
        assert_eq!(run(b)?, large);
    }
    Ok(())
}

#[test]
fn threads_give_the_same_bits() -> Result<(), Error> {
    let (converted, values) = (Converted::init(3)?, Values::init(3)?);
    let (compiled, plain) = (converted.compile(Target::host())?, values.compile(Target::host())?);
    let mut rng = Rng::new(5);
    let all: Vec<Vec<Tensor>> = [(3, 70), (1, 9), (40, 11)].map(|(b, s)| random(&mut rng, b, s)).into();
    let wants: Vec<Vec<Tensor>> = all
        .iter()
        .map(|inputs| {
            let mut session = plain.session_with_threads(1)?;
            session.run_inputs(&views(inputs))?;
            Ok(results(&session))
        })
        .collect::<Result<_, Error>>()?;
    std::thread::scope(|scope| {
        for threads in [1, 2, 3, 7] {
            let (compiled, all, wants) = (&compiled, &all, &wants);
            scope.spawn(move || {
                let mut session = compiled.session_with_threads(threads).expect("a session");
                session.divide_all();
                for turn in 0..20 {
                    let at = (turn + threads) % all.len();
                    session.run_inputs(&as_given(&given(&all[at]))).expect("it runs");
                    assert_same(&results(&session), &wants[at], &format!("{threads} threads"));
                }
            });
        }
    });
    Ok(())
}

/// A graph that no declaration made says by its text how it is given.
#[test]
fn the_text_form_says_how_an_input_is_given() -> Result<(), Error> {
    let declared = Converted::with(ConvertedDims::default()).graph()?;
    let text = declared.to_string();
    for line in ["input image: u8[B, S, 20]", "input ids: u32[B, S]", "input rows: i64[S]", "input x: f16["] {
        assert!(text.contains(&format!("\n{line}")), "{text}");
    }
    let graph = tancho::Graph::parse(&text).expect("what is printed is read");
    assert_eq!(graph, declared);
    let inputs = random(&mut Rng::new(4), 2, 6);
    let compiled = tancho::Model::from_graph(graph, 3)?.compile(Target::host())?;
    let mut session = Values::init(3)?.compile(Target::host())?.session();
    session.run_inputs(&views(&inputs))?;
    let want = results(&session);
    let mut session = compiled.session();
    session.run_inputs(&as_given(&given(&inputs)))?;
    assert_same(&results(&session), &want, "read from text");
    Ok(())
}
