//! Networks used by path: of another crate, of other modules and macro calls. Each gives what the same
//! network gives that is declared in one place, agrees with the interpreter, and has the same names of
//! weights.
#![deny(warnings)]

use tancho::{AsView, Graph, OptionValue, Target, View, network};
use tancho_support::Rng;
use tancho_zoo::Scale;

/// What the crate `tancho_zoo` declares, again, so that the macro knows all of it.
mod local {
    tancho::network! {
        Mlp<B, D = 16, H = 4 * D>(x: [B, D]) -> [B, D] {
            net up:   Linear<D, H>;
            net down: Linear<H, D>;
            residual(x) { down(gelu(up(x))) }
        }

        Project<B, IN = _, OUT = _>(x: [B, IN]) -> [B, OUT] {
            param w: [IN, OUT] = xavier;
            x @ w
        }

        Encoder<B, S: ..=16, D = 24, HEADS = 4>(x: [B, S, D], mask: bool[B, S]) -> [B, S, D]
            where D % HEADS == 0
        {
            net q: Linear<D, D>;
            net k: Linear<D, D>;
            net v: Linear<D, D>;
            residual(x) { attention(q(x), k(x), v(x), heads = HEADS, mask = mask) }
        }

        pub Tower<N, C = 24, WIDE = 40, LAYERS = 2>(x: [N, C]) -> [N, WIDE] {
            net small:   Mlp<C>;
            net layers:  [Mlp<D = C>; LAYERS];
            net project: Project<C, WIDE>;
            #[weights("last.mlp")] net big: Mlp<D = WIDE, H = 24>;
            let mut h = small(x);
            for layer in layers { h = layer(h); }
            big(big(project(h)))
        }

        pub Stack<N, T: ..=16, C = 24, LAYERS = 2>(x: [N, T, C], keep: bool[N, T]) -> [N, T, C] {
            net layers: [Encoder<D = C, HEADS = 2>; LAYERS];
            net last: Encoder<C, 4>;
            let mut x = x;
            for layer in layers { x = layer(x, keep); }
            last(mask = keep, x = x)
        }
    }
}

network! {
    /// One declaration at three sizes, in an array, and twice with the same weights.
    pub Tower<N, C = 24, WIDE = 40, LAYERS = 2>(x: [N, C]) -> [N, WIDE] {
        net small:   tancho_zoo::Mlp<C>;
        net layers:  [tancho_zoo::Mlp<D = C>; LAYERS];
        net project: tancho_zoo::nested::Project<C, WIDE>;
        #[weights("last.mlp")] net big: ::tancho_zoo::Mlp<D = WIDE, H = 24>;
        let h: [N, C] = small(x);
        let mut h = h;
        for layer in layers { h = layer(h); }
        let y: [N, WIDE] = project(h);
        let y: [N, WIDE] = big(y);
        big(y)
    }

    /// Several inputs, by position and by name; a bound and a promise.
    pub Stack<N, T: ..=16, C = 24, LAYERS = 2>(x: [N, T, C], keep: bool[N, T]) -> [N, T, C] {
        net layers: [tancho_zoo::Encoder<D = C, HEADS = 2>; LAYERS];
        net last: tancho_zoo::Encoder<C, 4>;
        let mut x = x;
        for layer in layers { x = layer(x, keep); }
        last(mask = keep, x = x)
    }
}

/// Numbers in (-1, 1).
fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.float()).collect()
}

/// The bits of a result: equal networks compute the same, not nearly the same.
fn bits(v: View<'_, f32>) -> Vec<u32> {
    v.data().iter().map(|x| x.to_bits()).collect()
}

fn names(g: &Graph) -> Vec<String> {
    g.weights.iter().map(|w| format!("{}: {}", w.name, w.ty)).collect()
}

#[test]
fn another_crate_is_as_one_macro_call() {
    let (here, there) = (local::Tower::init(3).unwrap(), Tower::init(3).unwrap());
    assert_eq!(names(here.ir()), names(there.ir()));
    assert!(names(there.ir()).contains(&"layers.1.down.weight: f32[24, 96]".to_string()));
    assert!(names(there.ir()).contains(&"last.mlp.up.weight: f32[24, 40]".to_string()));
    assert_eq!(there.ir().weights.len(), 4 * 4 + 1);
    let x = numbers(5, 5 * 24);
    let x = x.view([5, 24]);
    let (here, there) = (here.compile(Target::host()).unwrap(), there.compile(Target::host()).unwrap());
    assert_eq!(bits(here.session().run(x).unwrap()), bits(there.session().run(x).unwrap()));
    let report = there.check(x).unwrap();
    assert!(report.is_ok(), "{report}");

    let (here, there) = (local::Stack::init(4).unwrap(), Stack::init(4).unwrap());
    assert_eq!(names(here.ir()), names(there.ir()));
    let (x, keep) = (numbers(6, 2 * 7 * 24), [true; 14]);
    let (x, keep) = (x.view([2, 7, 24]), keep.view([2, 7]));
    let (here, there) = (here.compile(Target::host()).unwrap(), there.compile(Target::host()).unwrap());
    assert_eq!(bits(here.session().run(x, keep).unwrap()), bits(there.session().run(x, keep).unwrap()));
    let report = there.check(x, keep).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn sizes_follow_the_user() {
    let small = Tower::with(TowerDims { C: 8, WIDE: 12, LAYERS: 1 }).init(1).unwrap();
    assert!(names(small.ir()).contains(&"small.up.weight: f32[32, 8]".to_string()));
    let compiled = small.compile(Target::host()).unwrap();
    assert!(compiled.check(numbers(1, 24).view([3, 8])).unwrap().is_ok());
    // What a use breaks that is right by default is an error of the build: the last word is the graph's.
    let e = Stack::with(StackDims { C: 6, LAYERS: 1 }).init(1).err().unwrap().to_string();
    assert!(e.contains("`Encoder` requires 6 % 4 == 0, which does not hold"), "{e}");
}

network! {
    /// Leading axes on both sides, options by literal and passed on, and a branch where two dims are one.
    pub Norms<D = 12, E = 12>(option shift = false, option tiny = 1)(x: [.., D]) -> [.., E] {
        net a: Scale<D>(bias = shift, eps = 1e-3);
        net b: Scale<D = D>(eps = tiny);
        let h: [.., D] = a(x);
        let h: [.., D] = b(h);
        if D == E {
            net same: Scale<E>;
            same(h)
        } else {
            net fit: Linear<D, E>;
            fit(h)
        }
    }

    pub Split<N, S, D = 8>(x: [N, D], s: [N, S, D]) -> ([N, D], [N, 4 * D], [N, floor((S + 2) / 2) - 1, D])
        where D % 2 == 0
    {
        net halves: tancho_zoo::Halves<D = D>;
        net gate: tancho_zoo::Gate<D>;
        net shorter: tancho_zoo::Shorter<D>;
        let (a, b): ([N, D / 2], [N, D / 2]) = halves(x);
        let whole = concat(a, b, axis = 1);
        let wide: [N, 4 * D] = gate(x, concat(whole, x, x, x, axis = 1));
        let short: [N, floor((S + 2) / 2) - 1, D] = shorter(s);
        (whole, wide, short)
    }
}

#[test]
fn leading_axes_options_branches_and_several_results() {
    for (e, shift, weights) in [(12, false, 5), (12, true, 6), (5, true, 6)] {
        let net = Norms::with(NormsDims { E: e, ..Default::default() })
            .option("shift", OptionValue::Bool(shift))
            .init(2)
            .unwrap();
        assert_eq!(net.ir().weights.len(), weights, "{:?}", names(net.ir()));
        let report = net.compile(Target::host()).unwrap().check(numbers(2, 36).view([3, 12])).unwrap();
        assert!(report.is_ok(), "{report}");
    }
    // An integer is a number, across crates too.
    let text = Norms::init(2).unwrap().ir().to_string();
    assert!(text.contains("eps = 1.0") || text.contains("eps = 1,") || text.contains("eps = 1)"), "{text}");

    let split = Split::init(6).unwrap().compile(Target::host()).unwrap();
    let (x, s) = (numbers(3, 16), numbers(4, 80));
    let (x, s) = (x.view([2, 8]), s.view([2, 5, 8]));
    let report = split.check(x, s).unwrap();
    assert!(report.is_ok(), "{report}");
    assert_eq!(split.session().run(x, s).unwrap().2.shape(), [2, 2, 8]);
}

mod models {
    tancho::network! {
        pub Inner<B, D = 6>(x: [B, D]) -> [B, D] {
            param w: [D] = normal(1.0);
            x * w
        }
    }

    pub mod deep {
        use super::Inner as Renamed;

        tancho::network! {
            /// All ways to write a path.
            pub Paths<B, D = 6>(x: [B, D]) -> [B, D] {
                net a: super::Inner<D>;
                net b: crate::by_path::models::Inner<D>;
                net c: Renamed<D>;
                net d: self::Own<D>;
                net e: ::tancho_zoo::Mlp<D, 2 * D>;
                let x: [B, D] = a(x);
                let x: [B, D] = b(x);
                let x: [B, D] = c(x);
                let x: [B, D] = d(x);
                e(x)
            }
        }

        tancho::network! {
            pub Own<B, D = 6>(x: [B, D]) -> [B, D] {
                param w: [D] = normal(1.0);
                x + w
            }
        }
    }
}

#[test]
fn every_path_is_a_path() {
    let net = models::deep::Paths::init(8).unwrap();
    assert_eq!(
        net.ir().weights.iter().map(|w| w.name.as_str()).take(4).collect::<Vec<_>>(),
        ["a.w", "b.w", "c.w", "d.w"]
    );
    let report = net.compile(Target::host()).unwrap().check(numbers(2, 24).view([4, 6])).unwrap();
    assert!(report.is_ok(), "{report}");
}

#[test]
fn inside_of_a_function_too() {
    network! {
        Inside<B, D = 4>(x: [B, D]) -> [B, D] {
            net mlp: tancho_zoo::Mlp<D, 4>;
            mlp(x)
        }
    }
    let net = Inside::init(8).unwrap();
    assert_eq!(net.ir().weights.len(), 4);
    let report = net.compile(Target::host()).unwrap().check(numbers(3, 4).view([1, 4])).unwrap();
    assert!(report.is_ok(), "{report}");
}
