//! What the algebra of dims proves: whole convolutional networks with symbolic image sizes and strides, and
//! that a canonical form always has the value of what was written.

use tancho_ir::{Dim, Facts};

fn d(s: &str) -> Dim {
    Dim::parse(s).unwrap_or_else(|e| panic!("{s}: {e}"))
}

/// The length after a convolution or pooling, as PyTorch says it.
fn window(len: &Dim, kernel: i64, stride: &Dim, pad: i64) -> Dim {
    let span = len.plus(&Dim::constant(2 * pad - kernel)).unwrap();
    span.floor_div(stride).unwrap().plus(&Dim::constant(1)).unwrap()
}

/// Main path and shortcut of a basic block (He et al. 2015) with a stride: both must have one length.
fn block(len: &Dim, stride: &Dim) -> Dim {
    let one = Dim::constant(1);
    let main = window(&window(len, 3, stride, 1), 3, &one, 1);
    let shortcut = window(len, 1, stride, 0);
    assert_eq!(main, shortcut, "a block of stride {stride} on {len}");
    assert_eq!(main, len.ceil_div(stride).unwrap());
    main
}

#[test]
fn a_whole_resnet() {
    for blocks in [[2, 2, 2, 2], [3, 4, 6, 3]] {
        let (one, two) = (Dim::constant(1), Dim::constant(2));
        let stem = window(&Dim::sym("H"), 7, &two, 3);
        assert_eq!(stem, d("ceil(H / 2)"));
        let mut len = window(&stem, 3, &two, 1);
        assert_eq!(len, d("ceil(H / 4)"));
        for (stage, n) in blocks.into_iter().enumerate() {
            for i in 0..n {
                len = block(&len, if stage > 0 && i == 0 { &two } else { &one });
            }
        }
        assert_eq!(len, d("ceil(H / 32)"));
        let env = |s: &str| (s == "H").then_some(224);
        assert_eq!(len.eval(&env), Ok(7));
    }
}

#[test]
fn strides_may_be_symbols() {
    let (s, t) = (Dim::sym("STRIDE"), Dim::sym("T"));
    let once = block(&Dim::sym("H"), &s);
    assert_eq!(once, d("ceil(H / STRIDE)"));
    // The second stride is another name: ceil(ceil(H / STRIDE) / T) = ceil(H / (STRIDE*T)).
    assert_eq!(block(&once, &t), d("ceil(H / (STRIDE*T))"));
    // Bottlenecks with the stride in the middle, dilation 2 with padding 2, and an even kernel that shrinks
    // by one.
    assert_eq!(window(&window(&Dim::sym("H"), 1, &Dim::constant(1), 0), 3, &s, 1), d("ceil(H / STRIDE)"));
    assert_eq!(window(&Dim::sym("H"), 5, &Dim::constant(1), 2), d("H"));
    assert_eq!(window(&Dim::sym("H"), 2, &Dim::constant(1), 0), d("H - 1"));
}

#[test]
fn branches_joined_under_a_condition() {
    let mut facts = Facts::default();
    let static_only = |_: &str| false;
    facts.equate(&d("STRIDE"), &d("1"), &static_only);
    facts.equate(&d("CIN"), &d("COUT"), &static_only);
    assert_eq!(facts.reduce(&d("ceil(H / STRIDE)")), Ok(d("H")));
    assert_eq!(facts.reduce(&d("CIN*floor(H / (2*STRIDE))")), Ok(d("COUT*floor(H / 2)")));
    // A chain, in any order; a circle says nothing new.
    let mut facts = Facts::default();
    for (l, r) in [("A", "B + 1"), ("C", "A"), ("B", "2*D"), ("2*D + 1", "C"), ("D", "A"), ("E + F", "G*G")] {
        facts.equate(&d(l), &d(r), &static_only);
    }
    assert_eq!(facts.reduce(&d("A + C")), Ok(d("4*D + 2")));
    // A run-time dim gives way to a static one, which weights may be made of.
    let mut facts = Facts::default();
    facts.equate(&d("WIDTH"), &d("S"), &|n| n == "S");
    assert_eq!(facts.reduce(&d("S + WIDTH")), Ok(d("2*WIDTH")));
}

#[test]
fn what_it_does_not_prove() {
    // True for all numbers, but no rule of the algebra: a floor that is split, and quotients of quotients.
    for (a, b) in [("floor(H / 2) + ceil(H / 2)", "H"), ("A / B * C", "A*C / B")] {
        assert_ne!(d(a), d(b), "{a} and {b} are proved by now: say so in docs/shapes.md");
    }
}

/// A random expression as text, with its value: canonical forms are compared with plain arithmetic.
struct Draw {
    state: u64,
    values: [(&'static str, i64); 4],
}

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % n
    }

    fn expression(&mut self, depth: usize) -> (String, i64) {
        match self.below(if depth == 0 { 2 } else { 8 }) {
            0 => {
                let n = self.below(9) as i64 - 4;
                (format!("({n})"), n)
            }
            1 => {
                let (name, v) = self.values[self.below(4) as usize];
                (name.into(), v)
            }
            kind @ 2..=5 => {
                let ((a, x), (b, y)) = (self.expression(depth - 1), self.expression(depth - 1));
                match kind {
                    2 | 3 => (format!("({a} + {b})"), x + y),
                    4 => (format!("({a} - {b})"), x - y),
                    _ => (format!("({a} * {b})"), x * y),
                }
            }
            kind => {
                let (p, x) = self.expression(depth - 1);
                let (c, y) = match self.below(2) {
                    0 => {
                        let n = self.below(5) as i64 + 1;
                        (n.to_string(), n)
                    }
                    _ => {
                        let (name, v) = self.values[self.below(4) as usize];
                        (name.to_string(), v)
                    }
                };
                if kind == 6 {
                    (format!("floor(({p}) / {c})"), x.div_euclid(y))
                } else {
                    (format!("ceil(({p}) / {c})"), -(-x).div_euclid(y))
                }
            }
        }
    }
}

#[test]
fn canonical_forms_keep_the_value() {
    let mut compared = 0;
    for seed in 0..4000 {
        let mut draw = Draw { state: seed, values: [("A", 1), ("B", 3), ("C", 10), ("D", 7)] };
        for v in 0..4 {
            draw.values[v].1 = draw.below(12) as i64 + 1;
        }
        let (text, value) = draw.expression(4);
        let Ok(dim) = Dim::parse(&text) else { continue };
        let values = draw.values;
        let env = |s: &str| values.iter().find(|(n, _)| *n == s).map(|(_, v)| *v);
        assert_eq!(dim.eval(&env), Ok(value), "{text} is {dim}");
        assert_eq!(d(&dim.to_string()), dim, "{text}");
        // Substituting numbers one by one is evaluation too.
        let once = dim.subst(&|s| env(s).filter(|_| s < "C").map(Dim::constant)).unwrap();
        assert_eq!(once.eval(&env), Ok(value), "{text} is {dim}, then {once}");
        compared += 1;
    }
    assert!(compared > 3500, "{compared}");
}
