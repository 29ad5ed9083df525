use super::*;

fn d(s: &str) -> Dim {
    Dim::parse(s).unwrap_or_else(|e| panic!("{s}: {e}"))
}

#[test]
fn canonical_forms_are_equal() {
    for (a, b) in [
        ("D + D", "2*D"),
        ("(A + B) * (A - B)", "A*A - B*B"),
        ("HEADS * (D / HEADS)", "D"),
        ("3 * (D / 3)", "D"),
        ("4*D / 2", "2*D"),
        ("floor((H + 4) / 2)", "floor(H / 2) + 2"),
        ("floor((H + 2 - 3) / STRIDE) + 1", "ceil(H / STRIDE)"),
        ("floor(floor(H / 2) / 3)", "floor(H / 6)"),
        ("floor((floor(H / 2) + 1) / 2)", "floor((H + 2) / 4)"),
        ("floor(H / 1)", "H"),
        ("floor(2*H / 4)", "floor(H / 2)"),
        ("floor((6*H - 5) / 4)", "floor((3*H + 1) / 2) - 2"),
        ("floor((4*H + 2*B + 3) / (6*S))", "floor((2*H + B + 1) / (3*S))"),
        ("B - B", "0"),
        ("B * (H / G) * G", "B * H"),
        ("D / 2 + D / 2", "D"),
        ("D / 3 + D / 3 + D / 3", "D"),
        ("D - D / 3 - D / 3", "D / 3"),
        ("4 * (D / 2)", "2*D"),
        ("2 * H * (D / (4*H)) + H * (D / (4*H)) + H * (D / (4*H))", "D"),
        ("B * (D / H) * H + B * (D / 2) + B * (D / 2)", "2*B*D"),
        ("D / 2 / 2 + D / 2 / 2 + D / 2", "D"),
        ("(D + 1) / 2 + (D + 1) / 2", "D + 1"),
        ("D / (D / HEADS)", "HEADS"),
        ("2^3", "8"),
        ("D^2", "D*D"),
        ("2^(i + 1)", "2*2^i"),
        ("2^i * 2^j * 2^i", "2^(2*i + j)"),
        ("4 * (D / 2^i) * 2^i", "4*D"),
        ("1^i", "1"),
        ("B*D / (D / HEADS)", "B*HEADS"),
    ] {
        assert_eq!(d(a), d(b), "{a} and {b}");
    }
    assert_ne!(d("4*D"), d("H"));
}

#[test]
fn sums_are_equal_in_every_order() {
    let parts = ["D / 3", "5 * (D / 3)", "-(D / 3)", "D", "-2*D", "S / 2", "-(S / 2)", "D / 3 / 2", "7"];
    let sum = |order: &mut dyn Iterator<Item = usize>| {
        order.fold(Dim::default(), |sum, i| sum.plus(&d(parts[i])).unwrap())
    };
    let n = parts.len();
    let want = sum(&mut (0..n));
    let env = |s: &str| Some(if s == "D" { 18 } else { 4 });
    assert_eq!(want.eval(&env), Ok(6 + 30 - 6 + 18 - 36 + 3 + 7));
    for step in [1, 2, 4, 5, 7, 8] {
        for start in 0..n {
            assert_eq!(sum(&mut (0..n).map(|i| (start + i * step) % n)), want, "from {start} by {step}");
        }
    }
    assert_eq!(sum(&mut (0..n).rev()), want);
    // Sums of sums too.
    let (front, back) = (sum(&mut (0..4)), sum(&mut (4..n)));
    assert_eq!(back.plus(&front), Ok(want.clone()));
    assert_eq!(want.minus(&front), Ok(back));
}

#[test]
fn prints_what_it_reads() {
    for s in [
        "4*D",
        "P + S",
        "S - 1",
        "floor((H - 1) / 2) + 1",
        "D / HEADS",
        "B*(D / HEADS)",
        "0",
        "-3",
        "-S + 2",
        "A*A - B",
    ] {
        assert_eq!(d(&d(s).to_string()), d(s), "{s}");
    }
    assert_eq!(d("1 - S").to_string(), "1 - S");
}

#[test]
fn evaluates_and_rejects() {
    let env = |s: &str| (s == "D").then_some(770);
    assert_eq!(d("4*D").eval(&env), Ok(3080));
    assert_eq!(d("D / 12").eval(&env), Err(DimError::NotExact("D = 770".into(), "12".into())));
    assert_eq!(d("E").eval(&env), Err(DimError::Unbound("E".into())));
    assert_eq!(Dim::parse("9223372036854775807 + 1"), Err(DimError::Overflow));
    assert_eq!(Dim::parse("7 / 2"), Err(DimError::NotExact("7".into(), "2".into())));
    assert!(matches!(Dim::parse("D / (A + B)"), Err(DimError::BadDivisor(_))));
    assert!(matches!(Dim::parse("D / 0"), Err(DimError::BadDivisor(_))));
    assert!(matches!(Dim::parse(&"(".repeat(1000)), Err(DimError::TooComplex)));
    assert!(matches!(Dim::parse("4 *"), Err(DimError::Syntax(_))));
}

#[test]
fn what_is_promised_to_divide_is_exact() {
    let under = |dim: &str, name: &str, by: &str| d(dim).with_multiple(name, &d(by)).unwrap();
    for (dim, name, by, exact) in [
        ("floor(H / 4)", "H", "4", "H / 4"),
        ("4*floor(H / 4)", "H", "4", "H"),
        ("floor(H / 2)", "H", "4", "2*(H / 4)"),
        ("H / 2", "H", "4", "2*(H / 4)"),
        ("2*floor(floor(H / 2) / 2)", "H", "4", "floor(H / 2)"),
        ("floor((H + 1) / 2)", "H", "4", "H / 2"),
        ("floor((S - P) / P) + 1", "S", "P", "S / P"),
        ("floor(H / 3)", "H", "4", "floor(H / 3)"),
        ("floor(H / 8)", "H", "4", "floor((H / 4) / 2)"),
        ("D / HEADS", "D", "HEADS", "D / HEADS"),
        ("4*D / HEADS", "D", "HEADS", "4*D / HEADS"),
        ("A*floor(H / 2) + 2^floor(H / 4)", "H", "4", "2*A*(H / 4) + 2^(H / 4)"),
    ] {
        assert_eq!(under(dim, name, by), under(exact, name, by), "{dim} under {name} % {by} == 0");
    }
    assert_eq!(under("floor(H / 4)", "H", "4").to_string(), "H / 4");
    assert_eq!(under("floor(H / 2)", "H", "4").to_string(), "2*(H / 4)");
}
