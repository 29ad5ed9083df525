//! The binder of constant evaluation says what the one of `bind` says.

use super::*;
use crate::bind::{Binding, Difference, Mismatch, Values};
use crate::const_check::call::BoundCall;
use crate::const_check::eval::{SAMPLES, UNKNOWN};
use crate::{DType, Dim, Type};

/// The caller's dims at each sample: two that are static, and two run-time dims that no default is known of.
const CALLER: [(&str, [i64; SAMPLES]); 4] = [
    ("C", [8, 840, 1680, 2520, 4200]),
    ("K", [8, 420, 1260, 5040, 2940]),
    ("M", [-1, 47, 911, 353, 131]),
    ("N", [-1, 71, 523, 997, 239]),
];

/// What the caller's `..` stands for at each sample.
const LEADING: [&[i64]; SAMPLES] = [&[-1], &[677], &[], &[433, 59], &[5, 7]];

/// One network and one call of it.
struct Case {
    sig: Sig,
    /// Static dims that are given, in the caller's names; without a name they are given by position.
    given: Vec<(&'static str, Dim)>,
    /// One type for each input, in the caller's names.
    args: Vec<Type>,
    /// Whether arguments are given by name, the last input first.
    by_name: bool,
}

fn text(of: impl ToString) -> &'static str {
    of.to_string().leak()
}

fn d(text: &str) -> Dim {
    Dim::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn number(dim: &Dim, sample: usize) -> i64 {
    let value = |name: &str| CALLER.iter().find(|(n, _)| *n == name).map(|(_, at)| at[sample]);
    if dim.syms().iter().any(|s| value(s) == Some(-1)) {
        return -1;
    }
    dim.eval(&value).unwrap_or(-1)
}

fn numbers(ty: &Type, sample: usize) -> &'static [i64] {
    let axis = |d: &Dim| match d.as_sym() {
        Some("..") => LEADING[sample].to_vec(),
        _ => vec![number(d, sample)],
    };
    ty.shape.iter().flat_map(axis).collect::<Vec<_>>().leak()
}

fn sampled(ty: &Type, input: &'static str) -> ConstTensor {
    let at: Vec<&'static [i64]> = (0..SAMPLES).map(|s| numbers(ty, s)).collect();
    ConstTensor { input, name: "t", ty: text(ty), at: at.leak() }
}

impl Random {
    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn sig(&mut self) -> Sig {
        let dims = [
            run("B"),
            with("D", self.pick(&["8", "H + 2", "6"])),
            run("S"),
            with("H", self.pick(&["16", "2*G", "10"])),
            DimSig { name: "G", kind: self.pick(&[DimKind::Required, DimKind::Static("4")]) },
        ];
        let axes = ["B", "S", "D", "H", "G", "4*D", "D + H", "H / 2", "B + 1", "3"];
        let mut shapes: Vec<Vec<Dim>> = Vec::new();
        for _ in 0..=self.below(3) {
            shapes.push((0..self.below(4)).map(|_| d(self.pick(&axes))).collect());
        }
        // A run-time dim follows from an axis where it stands alone.
        let last = shapes.len() - 1;
        if shapes.iter().flatten().all(|axis| axis.as_sym() != Some("B")) {
            shapes[last].push(d("B"));
        }
        let inputs = shapes.into_iter().enumerate().map(|(i, mut shape)| {
            if self.chance(40) {
                shape.insert(0, Dim::sym(".."));
            }
            takes(["x", "y", "z"][i], text(Type::new(self.pick(&[DType::F32, DType::I32]), shape)))
        });
        let inputs: Vec<InputSig> = inputs.collect();
        Sig { name: "Callee", dims: keep(&dims), inputs: inputs.leak(), outputs: &[], wheres: &[], ..OPEN }
    }

    /// Values of static dims; those of one network are even, so that `H / 2` has a value.
    fn given(&mut self, sig: &Sig) -> Vec<(&'static str, Dim)> {
        let values = ["C", "K", "2*C", "C + 2", "4", "8"];
        if self.chance(30) {
            let count = self.below(4) as usize;
            return (0..count).map(|_| ("", d(self.pick(&values)))).collect();
        }
        let mut out = Vec::new();
        for dim in sig.dims.iter().filter(|d| d.kind.is_static()) {
            if self.chance(if dim.kind == DimKind::Required { 95 } else { 40 }) {
                out.push((dim.name, d(self.pick(&values))));
            }
        }
        out
    }

    /// Arguments that fit if every dim is bound as it is here, but for a few that are changed.
    fn case(&mut self) -> Case {
        let sig = self.sig();
        let given = self.given(&sig);
        let read = sig.read().expect("a signature");
        let mut binding = Binding::new(&read, Values::new());
        for (name, value) in &given {
            if let Ok(target) = binding.target(name) {
                binding.dims.insert(target.name.clone(), value.clone());
            }
        }
        binding.add_defaults().expect("defaults have values");
        for name in ["B", "S"] {
            binding.dims.insert(name.into(), d(self.pick(&["M", "N", "C", "M + N", "5"])));
        }
        let leading: [&[&str]; 4] = [&[], &["N"], &["3", "M"], &[".."]];
        binding.leading =
            Some(self.pick(&leading).iter().map(|s| if *s == ".." { Dim::sym(s) } else { d(s) }).collect());
        let args = read.inputs.iter().map(|(_, ty)| {
            let mut ty = binding.ty(ty);
            if self.chance(15) {
                self.spoil(&mut ty);
            }
            ty
        });
        Case { args: args.collect(), sig, given, by_name: self.chance(30) }
    }

    fn spoil(&mut self, ty: &mut Type) {
        let other = d(self.pick(&["N", "C", "K", "M + 1", "9"]));
        match self.below(4) {
            0 => ty.dtype = self.pick(&DType::ALL),
            1 => drop(ty.shape.pop()),
            2 => ty.shape.push(other),
            _ if ty.shape.is_empty() => {}
            _ => {
                let at = self.below(ty.shape.len() as u64) as usize;
                ty.shape[at] = other;
            }
        }
    }
}

/// What `bind` says: the mistakes of which the first found is reported, or the values of the dims.
fn shared(case: &Case) -> Result<Values, Vec<At>> {
    let read = case.sig.read().expect("a signature");
    let mut binding = Binding::new(&read, Values::new());
    for (i, (name, value)) in case.given.iter().enumerate() {
        let target = binding.target(name).map_err(|_| vec![At::Dim(i)])?;
        if binding.dims.insert(target.name.clone(), value.clone()).is_some() {
            return Err(vec![At::Dim(i)]);
        }
    }
    binding.add_defaults().expect("defaults have values");
    if binding.missing().next().is_some() {
        return Err(vec![At::Path]);
    }
    let args: Vec<&Type> = case.args.iter().collect();
    let mut mistakes = binding.bind_inputs(&args);
    if mistakes.is_empty() {
        return Ok(binding.dims);
    }
    // What an argument with too few axes binds is not known to the constant binder, which compares nothing
    // with it; where all have their axes, both find the same argument first.
    if mistakes.iter().all(|m| matches!(m.difference, Difference::Axis { .. } | Difference::DType)) {
        mistakes.truncate(1);
    }
    let argument = |m: &Mismatch| if case.by_name { args.len() - 1 - m.input } else { m.input };
    Err(mistakes.iter().map(|m| At::Argument(argument(m))).collect())
}

#[test]
fn both_binders_agree() {
    let mut random = Random(11);
    let (mut accepted, mut refused, mut fixed) = (0, 0, 0);
    for _ in 0..20_000 {
        let case = random.case();
        let dims: Vec<GivenDim> = case
            .given
            .iter()
            .map(|(name, value)| {
                let at: Vec<i64> = (0..SAMPLES).map(|s| number(value, s)).collect();
                GivenDim { name, text: text(value), at: at.leak() }
            })
            .collect();
        let used = used(&dims, &[]);
        let inputs = case.sig.inputs.iter().zip(&case.args);
        let mut args: Vec<ConstTensor> =
            inputs.map(|(i, ty)| sampled(ty, if case.by_name { i.name } else { "" })).collect();
        if case.by_name {
            args.reverse();
        }
        let (call, net) = (ConstCall { args: args.leak(), results: &[] }, net(&case.sig, &used));
        let found = net.or_else(|| super::super::call(&None, &case.sig, &used, &call));
        let shown = || format!("{:#?}\n{used:#?}\n{call:#?}", case.sig);
        match (shared(&case), found) {
            (Err(at), Some(f)) => {
                assert!(at.contains(&f.at()), "{at:?} and {f:?}\n{}", shown());
                refused += 1;
                fixed += usize::from(!matches!(f.at(), At::Argument(_)));
            }
            (Ok(values), None) => {
                let bound = BoundCall::new(&case.sig, &used, &call);
                for (dim, row) in case.sig.dims.iter().zip(&bound.rows) {
                    for (s, found) in row.iter().enumerate() {
                        let want = values.get(dim.name).map_or(-1, |v| number(v, s));
                        let found = if *found == UNKNOWN { -1 } else { *found };
                        assert_eq!(found, want, "{} at {s}\n{}", dim.name, shown());
                    }
                }
                accepted += 1;
            }
            (shared, found) => panic!("{shared:?} and {found:?}\n{}", shown()),
        }
    }
    assert!(accepted > 5_000 && refused > 5_000 && fixed > 1_000, "{accepted}, {refused}, {fixed}");
}
