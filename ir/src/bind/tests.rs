use super::*;
use crate::types::DType;

fn d(text: &str) -> Dim {
    Dim::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn ty(axes: &[&str]) -> Type {
    Type::f32(axes.iter().map(|a| if *a == ".." { Dim::sym(a) } else { d(a) }).collect())
}

/// `N<B, H = 4*D, D = 8, K = _>` with these inputs.
fn signature(inputs: &[&[&str]]) -> Signature {
    let dim = |name: &str, kind| DimDecl { name: name.into(), kind };
    let fixed = |name: &str, default: &str| dim(name, DimKind::Static(d(default)));
    Signature {
        name: "N".into(),
        dims: vec![dim("B", DimKind::Run), fixed("H", "4*D"), fixed("D", "8"), dim("K", DimKind::Required)],
        inputs: inputs.iter().enumerate().map(|(i, axes)| (format!("x{i}"), ty(axes))).collect(),
        ..Signature::default()
    }
}

fn values(all: &[(&str, &str)]) -> Values {
    all.iter().map(|(name, value)| (name.to_string(), d(value))).collect()
}

#[test]
fn given_dims_are_found_by_name_or_position() {
    let sig = signature(&[]);
    let mut binding = Binding::new(&sig, Values::new());
    let mut target = |name: &str| binding.target(name).map(|d| d.name.as_str());
    assert_eq!((target("B"), target(""), target("K")), (Ok("B"), Ok("H"), Ok("K")));
    assert_eq!((target("E"), target(""), target("")), (Err(NoSuchDim::Unknown), Ok("D"), Ok("K")));
    assert_eq!(target(""), Err(NoSuchDim::TooMany));
}

#[test]
fn defaults_use_each_other_in_any_order() {
    let sig = signature(&[]);
    let mut binding = Binding::new(&sig, values(&[("D", "C + 1")]));
    assert_eq!(binding.add_defaults(), Ok(()));
    assert_eq!(binding.dims, values(&[("D", "C + 1"), ("H", "4*C + 4")]));
    assert_eq!(binding.missing().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["K"]);
    // A default without a value keeps no other from having one.
    let mut sig = signature(&[]);
    sig.dims[1].kind = DimKind::Static(d("3 / D"));
    let mut binding = Binding::new(&sig, values(&[("D", "2")]));
    assert!(matches!(binding.add_defaults(), Err(DimError::NotExact(..))));
    assert_eq!(binding.dims, values(&[("D", "2")]));
}

#[test]
fn run_time_dims_follow_from_axes() {
    let sig = signature(&[&["B + 1", "D"], &["D", "B"]]);
    let mut binding = Binding::new(&sig, values(&[("D", "8"), ("H", "32"), ("K", "1")]));
    let (x, y) = (ty(&["2*N + 1", "8"]), ty(&["8", "2*N"]));
    assert_eq!(binding.bind_inputs(&[&x, &y]), []);
    assert_eq!((binding.dim(&d("B*B")), binding.unbound().is_none()), (Ok(d("4*N*N")), true));
    let (wrong, z) = (ty(&["2*N", "8"]), ty(&["8"]));
    let found = binding.bind_inputs(&[&wrong, &z]);
    let differences: Vec<&Difference> = found.iter().map(|m| &m.difference).collect();
    let axis = Difference::Axis { declared: d("B + 1"), wanted: d("2*N + 1"), given: d("2*N") };
    assert_eq!(differences, [&axis, &Difference::Rank]);
    assert_eq!(found[0].wanted, x);
    let ids = Type::new(DType::I32, x.shape.clone());
    assert_eq!(binding.bind_inputs(&[&ids, &y])[0].difference, Difference::DType);
}

#[test]
fn leading_axes_are_those_of_the_first_input() {
    let sig = signature(&[&["..", "D"], &["..", "2"]]);
    let bound = |x: &[&str], y: &[&str]| {
        let mut binding = Binding::new(&sig, values(&[("D", "8")]));
        let found = binding.bind_inputs(&[&ty(x), &ty(y)]);
        (
            found.into_iter().map(|m| (m.input, m.difference)).collect::<Vec<_>>(),
            binding.ty(&ty(&["..", "H"])),
        )
    };
    assert_eq!(bound(&["N", "3", "8"], &["N", "3", "2"]), (vec![], ty(&["N", "3", "H"])));
    assert_eq!(bound(&["8"], &["2"]), (vec![], ty(&["H"])));
    assert_eq!(bound(&["..", "8"], &["..", "2"]), (vec![], ty(&["..", "H"])));
    assert_eq!(bound(&["N", "8"], &["3", "2"]).0, [(1, Difference::Leading)]);
    // Axes that are written are none of the caller's `..`.
    let sig = signature(&[&["B", "D"]]);
    let mut binding = Binding::new(&sig, values(&[("D", "8")]));
    assert_eq!(binding.bind_inputs(&[&ty(&["..", "8"])]).len(), 1);
    assert_eq!(binding.unbound().map(|d| d.name.as_str()), Some("B"));
}

#[test]
fn equal_dims_follow_each_other() {
    let mut sig = signature(&[]);
    sig.wheres = vec![
        Constraint { left: d("2*D"), relation: Relation::Equal, right: d("B") },
        Constraint { left: d("K"), relation: Relation::Multiple, right: d("2") },
    ];
    assert_eq!(sig.equalities(), [("B".to_string(), d("2*D"))]);
    let mut binding = Binding::new(&sig, values(&[("D", "C")]));
    assert_eq!(binding.add_equal(), Ok(()));
    assert_eq!(binding.dims.get("B"), Some(&d("2*C")));
}

#[test]
fn an_integer_is_a_number() {
    let (flag, number) = (OptionValue::Bool(true), OptionValue::Float(0.5));
    assert_eq!(option(number, OptionValue::Int(2)), Ok(OptionValue::Float(2.0)));
    assert_eq!(option(number, flag), Err("a number"));
    assert_eq!(option(flag, number), Err("`true` or `false`"));
    assert_eq!(option(OptionValue::Int(1), number), Err("an integer"));
    assert_eq!(option(OptionValue::Int(1), OptionValue::Int(7)), Ok(OptionValue::Int(7)));
}
