use super::*;
use crate::dim::Dim;
use crate::graph::Value;
use crate::op::{Binary, Unary};
use crate::text::{parse_op, print_op};
use crate::types::DType;
use std::collections::BTreeSet;

/// Options that are numbers and no dims, though they are written alike.
const NUMBERS: [&str; 8] = ["index", "body", "result", "sequences", "carried", "experts", "routed", "part"];

/// Values that no option has as its default, two for each kind.
fn values(option: &OptionDef) -> [Attr; 2] {
    let dim = |text| Dim::parse(text).expect("a dim");
    match option.kind {
        Kind::Axis => [2, 3].map(|axis| Attr::Axes(vec![axis])),
        Kind::Axes => [vec![3], vec![1, 2]].map(Attr::Axes),
        Kind::Perm => [vec![1, 0], vec![0, 2, 1]].map(Attr::Axes),
        // Numbers of inputs and bodies are dims as well.
        Kind::Dim if NUMBERS.contains(&option.name) => [3, 7].map(|n| Attr::Dim(Dim::constant(n))),
        Kind::Dim => ["7", "H / G"].map(|d| Attr::Dim(dim(d))),
        Kind::Shape => [vec![dim("B"), dim("4*D")], Vec::new()].map(Attr::Dims),
        Kind::Float => [Attr::Float(0.125), Attr::Float(-3e-9)],
        Kind::Int => [Attr::Int(17), Attr::Int(-1)],
        // It is written in no other case.
        Kind::Bool if option.name == "backwards" => [Attr::Bool(true), Attr::Bool(true)],
        Kind::Bool => {
            [Attr::Bool(option.default != Some("true")), Attr::Bool(option.default == Some("true"))]
        }
        Kind::Word(words) => {
            let other = words.iter().find(|w| option.default != Some(w)).expect("two words");
            [(*other).into(), words[words.len() - 1].into()].map(Attr::Word)
        }
        Kind::Pair => [vec![dim("5"), dim("S")], vec![dim("2"), dim("2")]].map(Attr::Dims),
        Kind::Pad => [Attr::Word("same".into()), Attr::Dims(["1", "2", "3", "P"].map(dim).to_vec())],
        Kind::Ends => [Attr::Word("same".into()), Attr::Dims(["4", "P"].map(dim).to_vec())],
    }
}

/// Calls of a row: with all optional parameters and with none, with all options at one value and at another.
/// The options of `const` exclude each other.
fn calls(row: &OpDef) -> Vec<Call<'static>> {
    let options: Vec<Vec<&OptionDef>> = match row.name {
        "const" => row.options.iter().map(|o| vec![o]).collect(),
        _ => vec![row.options.iter().collect()],
    };
    let given = |all: bool| row.params.iter().filter(move |p| all || !p.optional).map(|p| p.name).collect();
    let mut calls = Vec::new();
    for (options, which, all) in options.iter().flat_map(|o| [(o, 0, true), (o, 1, false), (o, 0, false)]) {
        let options = options.iter().map(|o| (o.name, values(o)[which].clone())).collect();
        calls.push(Call { given: given(all), options });
    }
    calls
}

/// Name, row, constructor, options, parameters and text of every op are of one mind.
#[test]
fn every_op_is_read_back_from_its_row_and_its_text() {
    for row in OPS {
        for call in calls(row) {
            let op = make(row.name, &call).unwrap_or_else(|e| panic!("{}: {e}", row.name));
            assert_eq!((name_of(&op), row_of(&op).name), (row.name, row.name));
            assert_eq!(lookup(row.name).map(|r| r.formula), Some(row_of(&op).formula));
            assert_eq!(attrs_of(&op), call.options, "{op:?}");
            assert_eq!(present_params(&op, call.given.len()), call.given, "{op:?}");

            let again = Call { given: call.given.clone(), options: attrs_of(&op) };
            assert_eq!(make(row.name, &again).as_ref(), Ok(&op));

            let args: Vec<Value> = (0..call.given.len() as u32).map(Value).collect();
            let mut text = String::new();
            print_op(&mut text, &op, &args).expect("a string takes all");
            assert_eq!(parse_op(&text, args.len()), Ok((op, args, "")), "{text}");
        }
    }
}

#[test]
fn what_a_call_leaves_out_has_its_default() {
    for row in OPS {
        let given: Vec<&str> = row.params.iter().filter(|p| !p.optional).map(|p| p.name).collect();
        let stated = row.options.iter().filter(|o| o.default.is_none());
        let options: Vec<(&str, Attr)> = stated.map(|o| (o.name, values(o)[0].clone())).collect();
        let made = make(row.name, &Call { given: given.clone(), options: options.clone() });
        if row.name == "const" {
            assert_eq!(made, Err(CallError::Missing("f32")));
            continue;
        }
        let op = made.unwrap_or_else(|e| panic!("{}: {e}", row.name));
        let mut all = options.clone();
        for o in row.options {
            all.extend(o.default.and_then(|d| o.kind.parse(d)).map(|value| (o.name, value)));
        }
        assert_eq!(make(row.name, &Call { given: given.clone(), options: all }), Ok(op));
        for i in 0..options.len() {
            let mut fewer = options.clone();
            let (name, _) = fewer.remove(i);
            let made = make(row.name, &Call { given: given.clone(), options: fewer });
            assert_eq!(made, Err(CallError::Missing(lookup_option(row, name))));
        }
    }
}

/// Row work says which axes it works over, and can be had over another.
#[test]
fn row_work_has_axes_and_no_other_op() {
    for row in OPS {
        let op = make(row.name, &calls(row)[0]).expect("an op");
        assert_eq!((op.class(), op.is_composite()), (row.class, row.composite));
        assert_eq!(op.axes().is_some(), op.is_row_work(), "{op:?}");
        if op.is_row_work() {
            assert_eq!(op.over(5).axes(), Some(&[5][..]), "{op:?}");
            assert_eq!(op.over(5).one_axis_later(), op.over(6), "{op:?}");
        }
    }
}

/// Choices and the results of comparisons and logic do not follow small changes.
#[test]
fn flat_ops_are_those_without_a_gradient() {
    let ops = OPS.iter().map(|row| make(row.name, &calls(row)[0]).expect("an op"));
    let flat: Vec<&str> =
        ops.filter(|op| op.is_flat() && !matches!(op, Op::Cast(_))).map(|op| name_of(&op)).collect();
    let expected = BTreeSet::from([
        "argmax",
        "not",
        "and",
        "or",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "floor",
        "round",
        "sign",
        "topk_indices",
    ]);
    assert_eq!((flat.len(), BTreeSet::from_iter(flat)), (expected.len(), expected));
    let cast = [DType::F32, DType::Bf16, DType::I32, DType::Bool].map(|to| Op::Cast(to).is_flat());
    assert_eq!(cast, [false, false, true, true]);
}

fn lookup_option(row: &OpDef, name: &str) -> &'static str {
    row.options.iter().find(|o| o.name == name).expect("an option").name
}

#[test]
fn values_of_another_kind_are_refused() {
    for row in OPS.iter().filter(|row| row.name != "const") {
        let call = &calls(row)[0];
        for (i, option) in row.options.iter().enumerate() {
            let mut call = call.clone();
            call.options[i].1 = Attr::Word("nonsense".into());
            let expected = option.kind.describe();
            assert_eq!(make(row.name, &call), Err(CallError::BadValue { option: option.name, expected }));
        }
        let mut call = call.clone();
        call.options.push(("nonsense", Attr::Bool(true)));
        assert_eq!(make(row.name, &call), Err(CallError::NoSuchOption("nonsense".into())));
    }
}

#[test]
fn names_are_unique_and_options_follow_the_fields() {
    let names: BTreeSet<&str> = OPS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), OPS.len());
    for row in OPS {
        let all: BTreeSet<&str> =
            row.params.iter().map(|p| p.name).chain(row.options.iter().map(|o| o.name)).collect();
        assert_eq!(all.len(), row.params.len() + row.options.len(), "{}", row.name);
    }
    for (u, name) in Unary::TABLE {
        assert_eq!((u.name(), name_of(&Op::Unary(u))), (name, name));
    }
    for (b, name) in Binary::TABLE {
        assert_eq!((b.name(), name_of(&Op::Binary(b))), (name, name));
    }
    assert!(matches!(make("unheard_of", &Call::default()), Err(CallError::Unknown(_))));
}
