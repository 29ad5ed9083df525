//! Weights of GGUF files whose elements are not f32, by what products, convolutions and gathers give for
//! them.

use super::{Quarter, file, good, tensor, written};
use tancho::{AsView, Error, Format, Target, network};
use tancho_support::levels;

/// Blocks of 4 bits are multiplied as they are: with rows that 8 bits hold exactly, the sums are those of the
/// elements.
#[test]
fn blocks_of_4_bits_are_not_rounded_again() -> Result<(), Error> {
    let net = Quarter::load(written(&good()).path())?;
    // The largest magnitude is 127, so the factor of a row is 1.
    let x: Vec<f32> =
        (0..7 * 32).map(|i| if i % 32 == 31 { 127.0 } else { (i * 37 % 200) as f32 - 100.0 }).collect();
    let want = net.compile(Target::host())?.interpret(x.view([7, 32]))?;
    for isa in levels() {
        let mut session =
            net.compile(Target::host().with_isa(isa)?.with_weight_format(Format::Q4))?.session();
        for n in [7, 3, 1] {
            let got = session.run(x[..n * 32].view([n, 32]))?.data().to_vec();
            assert_eq!(got, want[0].as_f32().expect("f32")[..n * 2], "{isa}, {n} rows");
        }
    }
    Ok(())
}

/// Halves in order: `i / 4`.
fn halves(n: usize, bits: impl Fn(f32) -> u16) -> Vec<u8> {
    (0..n).flat_map(|i| bits(i as f32 / 4.0).to_le_bytes()).collect()
}

network! {
    /// Weights of two bytes, as they are, as bf16 and as parts of a tensor.
    Two<B, D = 4>(x: [B, D]) -> ([B, 3], [B, D]) {
        param a: [3, D];
        param b: bf16[3, D];
        #[weights("c", transposed, rows = 0..4)] param c: [D, D];
        (x @ a.t + x @ cast(b, f32).t, x @ c.t)
    }
}

#[test]
fn elements_of_two_bytes_are_floats() -> Result<(), Error> {
    for (number, a) in [
        (1, halves(12, |x| half::f16::from_f32(x).to_bits())),
        (30, halves(12, |x| half::bf16::from_f32(x).to_bits())),
    ] {
        let mut data = a.clone();
        data.resize(32, 0);
        data.extend(a);
        data.resize(64, 0);
        // [4, 5]: of each row the first four.
        data.extend((0..20).flat_map(|i| half::f16::from_f32(i as f32).to_bits().to_le_bytes()));
        let tensors =
            [tensor("a", &[4, 3], number, 0), tensor("b", &[4, 3], number, 32), tensor("c", &[5, 4], 1, 64)];
        let net = Two::load(written(&file(3, &[], &tensors, &data)).path())?;
        assert_eq!(net.weights().get("a").expect("a weight").data()[11], 11.0 / 4.0);
        let x = [1.0, 0.0, 0.0, 2.0];
        let (mut session, want) =
            (net.compile(Target::host())?.session(), net.compile(Target::host())?.interpret(x.view([1, 4]))?);
        let (y, z) = session.run(x.view([1, 4]))?;
        assert_eq!((y.data(), Some(z.data())), (&[3.0, 9.0, 15.0][..], want[1].as_f32()));
        assert_eq!(z.data(), [30.0, 33.0, 36.0, 39.0]);
    }
    Ok(())
}

network! {
    /// A part of a tensor's columns.
    Cut<B, D = 32>(x: [B, D]) -> [B, 2] {
        #[weights("q8", transposed, rows = 0..2)] param w: [2, D];
        x @ w.t
    }
}

#[test]
fn blocks_are_not_cut() {
    let q8: Vec<u8> = [0x3800u16.to_le_bytes().to_vec(), vec![1; 32]].concat();
    let f = written(&file(3, &[], &[tensor("q8", &[32, 32], 8, 0)], &q8.repeat(32)));
    let said = Cut::load(f.path()).expect_err("it would be cut").to_string();
    assert!(
        said.contains("`q8` is declared f32, but is q8_0, whose blocks the declared part would cut"),
        "{said}"
    );
}

/// Blocks of 4 bits without a summand: `(q - 8) * d`.
#[test]
fn q4_0_is_read_and_multiplied() -> Result<(), Error> {
    let block: Vec<u8> =
        [0x3400u16.to_le_bytes().to_vec(), (0..16).map(|i| i | (15 - i) << 4).collect()].concat();
    let net =
        Quarter::load(written(&file(3, &[], &[tensor("q4", &[32, 2], 2, 0)], &block.repeat(2))).path())?;
    let want: Vec<f32> = (0..16).chain((0..16).rev()).map(|q| (q as f32 - 8.0) / 4.0).collect();
    assert_eq!(net.weights().get("q4").expect("a weight").data(), [want.clone(), want.clone()].concat());
    let x: Vec<f32> = (0..32).map(|i| if i == 31 { 127.0 } else { (i * 37 % 200) as f32 - 100.0 }).collect();
    let sum: f32 = x.iter().zip(&want).map(|(x, w)| x * w).sum();
    for isa in levels() {
        let mut session =
            net.compile(Target::host().with_isa(isa)?.with_weight_format(Format::Q4))?.session();
        assert_eq!(session.run(x.view([1, 32]))?.data(), [sum, sum], "{isa}");
    }
    Ok(())
}

network! {
    /// A convolution whose filters are multiplied by one number each while they are packed, in several
    /// pieces.
    Scaled<N, C = 128, O = 400>(x: [N, C, 3, 3]) -> [N, O, 1, 1] {
        param w: [O, C, 3, 3];
        param gain: [O];
        param bias: [O];
        param mean: [O];
        param var: [O];
        batch_norm(conv2d(x, w, stride = 2, pad = 0), gain, bias, mean, var)
    }
}

#[test]
fn coded_filters_are_scaled_by_their_own_factors() -> Result<(), Error> {
    let (o, k) = (400, 128 * 9);
    let f32s = |f: &dyn Fn(usize) -> f32| -> Vec<u8> { (0..o).flat_map(|i| f(i).to_le_bytes()).collect() };
    let w: Vec<u8> = (0..o * k)
        .flat_map(|i| half::f16::from_f32((i * 7919 % 1009) as f32 / 1009.0).to_bits().to_le_bytes())
        .collect();
    let mut data = w;
    let mut tensors = vec![tensor("w", &[3, 3, 128, o as u64], 1, 0)];
    let parts: [(&str, &dyn Fn(usize) -> f32); 4] = [
        ("gain", &|i| 1.0 + (i % 301) as f32),
        ("bias", &|_| 1000.0),
        ("mean", &|i| (i % 3) as f32),
        ("var", &|i| 1.0 + (i % 5) as f32),
    ];
    for (name, f) in parts {
        tensors.push(tensor(name, &[o as u64], 0, data.len() as u64));
        data.extend(f32s(f));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let net = Scaled::load(written(&file(3, &[], &tensors, &data)).path())?;
    // Sums of what is above 0 lose nothing to cancellation.
    let x: Vec<f32> = (0..2 * k).map(|i| (i as f32 * 0.37).sin().abs()).collect();
    for target in [Target::host(), Target::host().with_checked(true)] {
        let report = net.compile(target)?.check(x.view([2, 128, 3, 3]))?;
        assert!(report.is_ok(), "{report}");
    }
    Ok(())
}

network! {
    /// A table that is gathered, tied to the output, and one that something else reads as well.
    Tables<B, S, V = 40, D = 32>(ids: i32[B, S]) -> ([B, S, D], [B, S, V], [V, D]) {
        param table: [V, D];
        param other: [V, D];
        (table[ids] * 2.0, table[ids] @ table.t, other + other[ids[B = 0]][S = 0])
    }
}

network! {
    /// A table that is gathered by ids which a session converts.
    Converted<B, V = 40, D = 32>(ids: i64[B], others: u32[B]) -> [B, D] {
        param table: [V, D];
        table[ids] - table[others]
    }
}

/// Rows are decoded by the ids as they are converted, not by those of an earlier call.
#[test]
fn coded_tables_are_gathered_by_converted_ids() -> Result<(), Error> {
    let half = half::f16::from_f32(0.5).to_bits().to_le_bytes();
    let data: Vec<u8> = (0..40).flat_map(|r| half.into_iter().chain([r; 32])).collect();
    let net = Converted::load(written(&file(3, &[], &[tensor("table", &[32, 40], 8, 0)], &data)).path())?;
    let mut session = net.compile(Target::host())?.session();
    for turn in 0..40u32 {
        let others = [turn, 39 - turn, (turn * 7) % 40];
        let ids = others.map(|id| (i64::from(id) + 13) % 40);
        let y = session.run(ids.view([3]), others.view([3]))?;
        let want = others.iter().zip(ids).flat_map(|(o, id)| [(id as f32 - *o as f32) * 0.5; 32]);
        assert_eq!(y.data(), want.collect::<Vec<f32>>());
    }
    Ok(())
}

tancho::network! {
    Scanned<S, B>(ids: i32[S, B]) -> [S, B, 32] {
        param table: [40, 32];
        let mut sum = expand(0, [B, 32]);
        scan id in ids over S { sum += table[id]; sum }
    }
}

/// The ids of an iteration are known while it runs alone.
#[test]
fn coded_tables_are_gathered_in_loops() -> Result<(), Error> {
    let row = |r: u8| {
        let quarter = half::f16::from_f32(0.25).to_bits().to_le_bytes();
        quarter.into_iter().chain((0..32).map(move |i| r + i)).collect::<Vec<u8>>()
    };
    let data: Vec<u8> = (0..40).flat_map(row).collect();
    let net = Scanned::load(written(&file(3, &[], &[tensor("table", &[32, 40], 8, 0)], &data)).path())?;
    let mut session = net.compile(Target::host())?.session();
    let y = session.run([3, 39, 3, 0].view([2, 2]))?;
    let of = |ids: &[usize]| -> Vec<f32> {
        (0..32).map(|i| ids.iter().map(|id| (id + i) as f32 * 0.25).sum()).collect()
    };
    assert_eq!(y.data(), [of(&[3]), of(&[39]), of(&[3, 3]), of(&[39, 0])].concat());
    Ok(())
}

/// Rows of a coded table are decoded as ids name them, by several threads at a time.
#[test]
fn coded_tables_are_gathered() -> Result<(), Error> {
    let rows = |seed: usize| -> Vec<u8> {
        (0..40)
            .flat_map(|r| {
                [
                    half::f16::from_f32(0.25).to_bits().to_le_bytes().to_vec(),
                    (0..32).map(|i| (r * seed + i) as u8).collect(),
                ]
                .concat()
            })
            .collect()
    };
    let tensors = [tensor("table", &[32, 40], 8, 0), tensor("other", &[32, 40], 8, 1376)];
    let mut data = rows(3);
    data.resize(1376, 0);
    data.extend(rows(5));
    let net = Tables::load(written(&file(3, &[], &tensors, &data)).path())?;
    for format in Format::ALL {
        let compiled = net.compile(Target::host().with_weight_format(format))?;
        std::thread::scope(|s| {
            for t in 0..3 {
                let compiled = &compiled;
                s.spawn(move || {
                    let mut session = compiled.session_with_threads(1).expect("a session");
                    for turn in 0..20 {
                        let ids: Vec<i32> = (0..6).map(|i| (i * 7 + turn * 3 + t) % 40).collect();
                        let (y, _, _) = session.run(ids.view([2, 3])).expect("runs");
                        for (id, row) in ids.iter().zip(y.data().chunks(32)) {
                            let want: Vec<f32> =
                                (0..32).map(|i| f32::from((id * 3 + i) as u8 as i8) * 0.5).collect();
                            assert_eq!(row, want, "row {id}");
                        }
                    }
                });
            }
        });
        let mut session = compiled.session();
        for wrong in [-1, 40] {
            assert!(
                matches!(session.run([0, wrong, 2].view([1, 3])), Err(Error::IdOutOfRange { .. })),
                "{wrong}"
            );
        }
        let report = compiled.check([39, 0, 17].view([1, 3]))?;
        assert!(report.is_ok() || format > Format::F32, "{report}");
        assert!(report.tensors[0].max_abs == 0.0 && report.tensors[2].max_abs == 0.0, "{report}");
    }
    Ok(())
}
