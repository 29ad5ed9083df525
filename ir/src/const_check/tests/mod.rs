mod agree;

use super::*;
use crate::bind::DimKind;
use crate::builder::{DimSig, InputSig, OptionSig};
use crate::graph::Relation;

/// Numbers that look random, the same in every run.
pub struct Random(pub u64);

impl Random {
    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

const fn run(name: &'static str) -> DimSig {
    DimSig { name, kind: DimKind::Run }
}

const fn with(name: &'static str, default: &'static str) -> DimSig {
    DimSig { name, kind: DimKind::Static(default) }
}

const fn takes(name: &'static str, ty: &'static str) -> InputSig {
    InputSig { name, ty, given: None, line: 1, column: 1 }
}

const BLOCK: Sig = Sig {
    name: "Block",
    entry: "",
    file: "",
    dims: &[
        run("B"),
        DimSig { name: "S", kind: DimKind::Bounded("T") },
        with("D", "8"),
        with("H", "4*D"),
        with("T", "16"),
    ],
    options: &[OptionSig { name: "eps", default: OptionValue::Float(1e-5) }],
    inputs: &[takes("x", "f32[B, S, D]"), takes("mask", "bool[B, S]")],
    outputs: &["f32[B, S, H]"],
    wheres: &[("D", Relation::Multiple, "4")],
    unused_weights: &[],
    flat: &[],
    broken: false,
};

/// Linear in all but its weights.
const OPEN: Sig = Sig {
    name: "Open",
    entry: "",
    file: "",
    dims: &[DimSig { name: "IN", kind: DimKind::Required }, with("OUT", "IN / 2")],
    options: &[],
    inputs: &[takes("x", "f32[.., IN]"), takes("y", "f32[.., 2]")],
    outputs: &["f32[.., OUT]"],
    wheres: &[],
    unused_weights: &[],
    flat: &[],
    broken: false,
};

/// The data of a call is constant where the macro writes it.
fn keep<T: Clone>(all: &[T]) -> &'static [T] {
    all.to_vec().leak()
}

fn used(dims: &[GivenDim], options: &[(&'static str, OptionValue)]) -> ConstNet {
    ConstNet { caller: "Tower", path: "zoo::Block", dims: keep(dims), options: keep(options) }
}

fn judge(sig: &Sig, used: &ConstNet, args: &[ConstTensor], results: &[ConstTensor]) -> Option<(At, String)> {
    let call = ConstCall { args: keep(args), results: keep(results) };
    super::call(&net(sig, used), sig, used, &call).map(|f| (f.at(), f.message().to_string()))
}

const fn dim(name: &'static str, text: &'static str, at: &'static [i64]) -> GivenDim {
    GivenDim { name, text, at }
}

const fn tensor(name: &'static str, ty: &'static str, at: &'static [&'static [i64]]) -> ConstTensor {
    ConstTensor { input: "", name, ty, at }
}

/// The caller has `[N, 3, C]` with C = 8; samples give N and C other values.
const X: ConstTensor = tensor("x", "[N, 3, C (8)]", &[&[-1, 3, 8], &[50, 3, 120], &[71, 3, 96]]);
const MASK: ConstTensor = tensor("m", "bool[N, 3]", &[&[-1, 3], &[50, 3], &[71, 3]]);
const OUT: ConstTensor = tensor("h", "[N, 3, 4*C (32)]", &[&[-1, 3, 32], &[50, 3, 480], &[71, 3, 384]]);
const C: GivenDim = dim("D", "C", &[8, 120, 96]);

#[test]
fn a_good_call_has_no_mistake() {
    assert_eq!(judge(&BLOCK, &used(&[C], &[("eps", OptionValue::Int(1))]), &[X, MASK], &[OUT]), None);
    assert_eq!(judge(&BLOCK, &used(&[dim("", "C", &[8, 120, 96])], &[]), &[X, MASK], &[OUT]), None);
    let (by_name, x) = (ConstTensor { input: "mask", ..MASK }, ConstTensor { input: "x", ..X });
    assert_eq!(judge(&BLOCK, &used(&[C], &[]), &[by_name, x], &[OUT]), None);
    // A quotient that is not exact at a sample is not compared there; `..` may be any number of axes.
    let u = used(&[dim("", "C", &[8, 121, 96])], &[]);
    let x = tensor("x", "[.., C]", &[&[-1, 8], &[121], &[7, 9, 96]]);
    let y = tensor("y", "[.., 2]", &[&[-1, 2], &[2], &[7, 9, 2]]);
    let out = tensor("", "[.., C / 2]", &[&[-1, 4], &[-1], &[7, 9, 48]]);
    assert_eq!(judge(&OPEN, &u, &[x, y], &[out]), None);
}

#[test]
fn each_mistake_is_reported_at_its_place() {
    let good = used(&[C], &[]);
    for (used, args, results, at, text) in [
        (good, &[MASK, X][..], &[OUT][..], At::Argument(0), "it takes f32; nothing is converted silently"),
        (
            good,
            &[X],
            &[OUT],
            At::Call,
            "`zoo::Block` in `Tower` takes 2 inputs, 1 given\n  its inputs are (x: [B, S, D], mask: bool[B, S])",
        ),
        (good, &[X, ConstTensor { input: "keep", ..MASK }], &[OUT], At::Argument(1), "no input `keep`"),
        (good, &[X, ConstTensor { input: "x", ..MASK }], &[OUT], At::Argument(1), "`x` is given twice"),
        (good, &[X, MASK], &[], At::Promise, "gives 1 result, not 0\n  it gives ([B, S, H])"),
        (
            good,
            &[X, MASK],
            &[X],
            At::Promise,
            "does not give [N, 3, C (8)] for `x`\n  it gives [B, S, H] with H = 32\n  axis 2 is H = 32, not C (8)",
        ),
        (
            used(&[], &[]),
            &[X, MASK],
            &[OUT],
            At::Argument(0),
            "axis 2 must be D = 8, not C (8); these are equal only by default\nhelp: give it: `zoo::Block<D = C>`",
        ),
        (
            good,
            &[tensor("y", "[C]", &[&[8], &[120], &[96]]), MASK],
            &[OUT],
            At::Argument(0),
            "`y` has 1 axis, not 3",
        ),
        (
            good,
            &[X, tensor("m", "bool[3, N]", &[&[3, -1], &[3, 50], &[3, 71]])],
            &[OUT],
            At::Argument(1),
            "axis 0 must be B, not 3",
        ),
        (
            used(&[C, dim("T", "2", &[2, 2, 2])], &[]),
            &[X, MASK],
            &[OUT],
            At::Argument(0),
            "takes S up to T (2), but it is 3 here",
        ),
    ] {
        let found = judge(&BLOCK, &used, args, results).unwrap_or_else(|| panic!("{text}"));
        assert!(found.0 == at && found.1.contains(text), "{found:?} is not {text} at {at:?}");
    }
}

#[test]
fn leading_axes_are_the_same_ones() {
    let u = used(&[dim("IN", "C", &[8])], &[]);
    let x = tensor("x", "[N, 3, C (8)]", &[&[5, 3, 8]]);
    let y = tensor("y", "[N, 4, 2]", &[&[5, 4, 2]]);
    let found = judge(&OPEN, &u, &[x, y], &[x]);
    assert!(found.is_some_and(|(at, m)| at == At::Argument(1) && m.contains("the leading axes `..`")));
    // `..` of the caller is none of the axes that are written.
    let mut closed = OPEN;
    closed.inputs = keep(&[takes("x", "f32[B, IN]"), takes("y", "f32[2]")]);
    closed.dims = keep(&[run("B"), with("IN", "8"), with("OUT", "4")]);
    let x = tensor("x", "[.., C (8)]", &[&[-1, 8]]);
    let y = tensor("y", "[2]", &[&[2]]);
    let found = judge(&closed, &u, &[x, y], &[x]);
    assert!(
        found.is_some_and(|(at, m)| at == At::Argument(0) && m.ends_with("`..` may be any number of axes"))
    );
}

#[test]
fn what_is_fixed_for_a_net_is_checked_once() {
    let one = |name| [dim(name, "C", &[8])];
    type Case<'a> = (&'a [GivenDim], &'a [(&'static str, OptionValue)], At, &'a str);
    let cases: [Case<'_>; 8] = [
        (
            &one("E"),
            &[],
            At::Dim(0),
            "has no dimension `E`\nhelp: its static dimensions are `D`, `H` and `T`",
        ),
        (&one("B"), &[], At::Dim(0), "dimension `B` of `zoo::Block` is taken from its inputs"),
        (&[C, dim("", "9", &[9])], &[], At::Dim(1), "`D` is given twice"),
        (&[one("")[0]; 4], &[], At::Dim(3), "is given more dimensions than it has"),
        (&[dim("D", "6", &[6])], &[], At::Path, "requires D % 4 == 0, which does not hold here\n  D = 6"),
        (&[], &[("eps", OptionValue::Bool(true))], At::Option(0), "`eps` of `zoo::Block` takes a number"),
        (
            &[],
            &[("bias", OptionValue::Bool(true))],
            At::Option(0),
            "has no option `bias`\nhelp: it has `eps`",
        ),
        (&[], &[("eps", OptionValue::Float(1.0))], At::Path, ""),
    ];
    for (dims, options, at, text) in cases {
        let used = used(dims, options);
        let found = net(&BLOCK, &used);
        match found {
            None => assert_eq!(text, ""),
            Some(f) => {
                assert!(f.at() == at && f.message().contains(text) && !text.is_empty(), "{f:?} is not {text}")
            }
        }
        // The calls of such a net are not judged.
        assert_eq!(found.is_some(), judge(&BLOCK, &used, &[], &[]).is_none(), "{text}");
    }
    let missing = net(&OPEN, &used(&[], &[]));
    assert!(missing.is_some_and(|f| f.at() == At::Path && f.message().contains("needs its dimension `IN`")));
    // Not known with the caller's defaults: left to the graph builder.
    assert!(net(&BLOCK, &used(&[dim("D", "C", &[-1])], &[])).is_none());
}
