use crate::Graph;
use crate::dim::Dim;
use crate::op::Op;

#[test]
fn reads_back_what_it_prints() {
    let text = r#"network Mlp<B, S <= 512>
where B % 2 == 0
unused "pooler.*"
input x: f32[B, S, 8]
input keep: bool[B, S]
input ids: i64[B, S]
input image: u8[B]
input tokens: u32[]
input half: f16[S, 4]
weight "a\"b": f32[8] = normal(0.02)
weight "w": f32[16, 8] = uniform(-1.0, 1.0), frozen, no_decay
weight "v[:, 8..16]": f32[4, 8] = zeros, buffer, part [:, 8..16]
constant "mean": f32[2, 2] = [0.485, -1, 1e30, -0.0]
constant "ids": i32[3] = [0, -2147483648, 7]
constant "b = c": f32[4] = given
constant "none": f32[0] = []
%0: f32[B, S, 8] = input(index = 0) as "x" // "x" "src/a.rs":3:4 "layers.0"
%1: bool[B, S] = input(index = 1)
%2: f32[8] = weight(index = 0)
%3: f32[16, 8] = weight(index = 1)
%4: f32[B, S, 8] = layer_norm(%0, gain = %2, over = (2,), eps = 1e-12, eps_on = std)
%5: f32[B, S, 16] = linear(%4, %3)
%6: f32[B, 16] = mean(%5, where = %1, over = (1,), keep = false)
%7: f32[B, 32] = concat(%6, %6, axis = (1,))
%8: f32[] = const(f32 = 0.5)
%9: f32[B, 32] = mul(%7, %8)
%10: f32[B, 2, 16] = reshape(%9, shape = [B, 2, 16])
%11: i32[B, S] = input(index = 2)
%12: i32[B] = input(index = 3)
%13: i32[] = input(index = 4)
%14: f32[S, 4] = input(index = 5)
return %10, %4, %11, %12, %13, %14
"#;
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(g.to_string(), text);
    assert_eq!(Graph::parse(&g.to_string()).as_ref(), Ok(&g));
}

#[test]
fn says_which_line_is_wrong() {
    for (text, line, part) in [
        ("network A<>\n%0: f32[] = nothing()", 2, "unknown operation `nothing`"),
        ("network A<>\n%0: f32[] = neg(%0)", 2, "before it is defined"),
        ("network A<>\ninput x: f32[2]\n%0: f32[3] = input(index = 0)\nreturn %0", 3, "f32[3]"),
        (
            "network A<B>\n\ninput x: f32[B]\ninput y: f32[S]\n%0: f32[B] = input(index = 0)\nreturn %0",
            4,
            "uses `S`",
        ),
        ("network A<B>\ninput x: f32[B]\ninput x: f32[B]\nreturn %0", 4, "before it is defined"),
        (
            "network A<>\nweight \"w\": f32[2] = normal(-1)\n%0: f32[] = const(f32 = 1.0)\nreturn %0",
            2,
            "no range",
        ),
        (
            "network A<>\nbody 0 {\ninput x: f32[2]\n%0: f32[3] = input(index = 0)\nreturn %0\n}\n%0: f32[] = const(f32 = 1.0)\nreturn %0",
            4,
            "body 0: %0",
        ),
        ("network A<>\n%1: f32[] = const(f32 = 1.0)", 2, "numbered in order"),
        ("bogus", 1, "expected a declaration"),
    ] {
        let e = Graph::parse(text).expect_err(text);
        assert!(e.line == line && e.message.contains(part), "{e}");
    }
}

/// What no shape could be read back with, or nothing could be run with, is no graph.
#[test]
fn declarations_that_mean_nothing_are_refused() {
    let grows = |dims: &str| {
        format!(
            "network A<B, {dims}>\ninput x: f32[B, 2]\nstate \"s\": f32[P, 2] grow axis 0 = %2\n%0: f32[B, 2] = input(index = 0)\n\
             %1: f32[P, 2] = state(index = 0)\n%2: f32[B + P, 2] = push(%1, %0, axis = (0,))\nreturn %2"
        )
    };
    let plain = |head: &str| format!("{head}\n%0: f32[] = const(f32 = 1.0)\nreturn %0");
    assert_eq!(Graph::parse(&grows("P <= 1")).err(), None);
    for (text, part) in [
        (grows("P <= 0"), "grows along `P`, which is at most 0, so it can hold no rows"),
        (grows("P <= -1"), "dim `P` is at most -1"),
        (grows("P"), "no bounded dim"),
        (plain("network A<H, ,W>"), "`` is no name of a dim"),
        (plain("network A<H W>"), "`H W` is no name of a dim"),
        (plain("network A<2H>"), "`2H` is no name of a dim"),
        (plain("network A<H + 1>"), "`H + 1` is no name of a dim"),
        (plain("network A<\"H\">"), "is no name of a dim"),
        (plain("network A<.., D>"), "`..` is no name of a dim"),
        (plain("network A<S <= -3>"), "dim `S` is at most -3"),
        (plain("network A<H, H>"), "two dims are called `H`"),
        (plain("network A<H>\ninput a b: f32[H]"), "`a b` is no name of an input"),
        (plain("network A<H>\ninput : f32[H]"), "`` is no name of an input"),
        (plain("network A<H>\ninput x: f32[-3]"), "has an axis of -3"),
        (plain("network A<H>\ninput x: f64[H]"), "`f64[H]` is no type"),
        (plain("network A<>\nweight \"w\": f16[2] = ones"), "inputs alone are given as f16"),
        (
            "network A<>\ninput x: i64[2]\n%0: i64[2] = input(index = 0)\nreturn %0".into(),
            "no type of a value",
        ),
        ("network A<>\ninput x: i64[2]\n%0: f32[2] = input(index = 0)\nreturn %0".into(), "i32[2]"),
        (plain("network A<H>\nwhere Q <= 5"), "`where Q <= 5` uses `Q`, which is no dim"),
        (plain("network A<>\nweight \"w\": f32[-1] = ones"), "has an axis of -1"),
        (plain("network A<>\nweight \"w\": f32[2] = normal(NaN)"), "no range of f32 numbers"),
        (plain("network A<>\nweight \"w\": f32[2] = normal(-1)"), "no range of f32 numbers"),
        (plain("network A<>\nweight \"w\": f32[2] = uniform(2, 1)"), "no range of f32 numbers"),
        (plain("network A<>\nweight \"w\": f32[2] = uniform(0, 1e39)"), "no range of f32 numbers"),
        (plain("network A<>\nweight \"w\": f32[2] = ones, part [5..3]"), "ends before it begins"),
        (
            plain("network A<>\nconstant \"c\": f32[2] = [1, 2, 3]"),
            "another number of elements than its table",
        ),
        (plain("network A<>\nconstant \"c\": f32[1] = [1e39]"), "constant `c`: 1e39 is no f32"),
        (plain("network A<>\nconstant \"c\": f32[1] = [NaN]"), "constant `c`: NaN is no f32"),
        (plain("network A<>\nconstant \"c\": i32[1] = [0.5]"), "constant `c`: 0.5 is no i32"),
        (plain("network A<>\nconstant \"c\": i32[1] = [2147483648]"), "is no i32"),
        (plain("network A<>\nconstant \"c\": bool[1] = given"), "constants are f32 or i32"),
        (plain("network A<>\nconstant \"c\": f32[1] = ones"), "`ones` is neither `given` nor a table"),
        (plain("network A<>\nconstant \"c\": f32[1] = [one]"), "`one` is no number"),
        (plain("network A<H>\nconstant \"c\": f32[H] = given"), "a weight has static dims"),
        (
            plain("network A<>\nconstant \"c\": f32[1] = [1]\nweight \"c\": f32[1] = ones"),
            "two weights are called `c`",
        ),
        ("network A<>\n%0: f32[] = dim(of = Q)\nreturn %0".into(), "`of` of %0 uses `Q`, which is no dim"),
        ("network A<>\n%0: f32[] = const(f32 = 1e39)\nreturn %0".into(), "which no f32 can be"),
    ] {
        let e = Graph::parse(&text).expect_err(&text);
        assert!(e.message.contains(part), "{e}\n{text}");
    }
}

/// A signal is padded before and after, and its window has no rows.
#[test]
fn signals_take_two_paddings() {
    let text = |pad: &str, out: &str| {
        format!(
            "network A<L>\ninput x: f32[1, 1, L]\nweight \"w\": f32[1, 1, 3] = ones\n%0: f32[1, 1, L] = input(index = 0)\n\
             %1: f32[1, 1, 3] = weight(index = 0)\n%2: f32[1, 1, {out}] = conv1d(%0, %1, pad = {pad})\nreturn %2"
        )
    };
    for (pad, out, printed) in [
        ("1", "L", "pad = [1, 1]"),
        ("[3]", "L + 4", "pad = [3, 3]"),
        ("[2, 0]", "L", "pad = [2, 0]"),
        ("[0, 3]", "L + 1", "pad = [0, 3]"),
        ("same", "L", "pad = same"),
    ] {
        let g = Graph::parse(&text(pad, out)).unwrap_or_else(|e| panic!("{pad}: {e}"));
        assert!(g.to_string().contains(printed), "{g}");
        assert_eq!(Graph::parse(&g.to_string()), Ok(g));
    }
    for pad in ["[0, 0, 2, 0]", "[1, 1, 1]", "[]", "[-1, 3]"] {
        let e = Graph::parse(&text(pad, "L")).expect_err(pad);
        assert!(e.message.contains("`pad`"), "{pad}: {e}");
    }
    // Made by hand, since no text has them: rows around a signal.
    let mut g = Graph::parse(&text("[1, 1]", "L")).expect("a graph");
    if let Op::Conv1d { window, .. } = &mut g.nodes[2].op {
        window.stride[0] = Dim::constant(2);
    }
    assert!(crate::verify::verify(&g).is_err_and(|e| e.contains("its window has rows")));
}

/// What is given and taken can be seen as tensors; inner values may have more axes.
#[test]
fn inputs_and_results_have_few_axes() {
    let nine = "1, 1, 1, 1, 1, 1, 1, 1, 2";
    let result = format!(
        "network A<>\ninput x: f32[2]\n%0: f32[2] = input(index = 0)\n%1: f32[{nine}] = reshape(%0, shape = [{nine}])\n"
    );
    let e = Graph::parse(&format!("{result}return %1")).expect_err("nine axes");
    assert!(
        e.message.contains("result 0") && e.message.contains("9 axes: inputs and results have at most 8"),
        "{e}"
    );
    assert!(Graph::parse(&format!("{result}%2: f32[2] = reshape(%1, shape = [2])\nreturn %2")).is_ok());
    let input = format!(
        "network A<>\ninput x: f32[{nine}]\n%0: f32[{nine}] = input(index = 0)\n%1: f32[2] = reshape(%0, shape = [2])\nreturn %1"
    );
    assert!(Graph::parse(&input).is_err_and(|e| e.message.contains("input `x`")));
}

/// A loop over `x` whose body is given, with these lines after it.
fn looped(body: &str, rest: &str) -> String {
    format!(
        "network N<S>\ninput x: f32[S, 2]\ninput h: f32[2]\nbody 0 {{\ninput x: f32[2]\ninput h: f32[2]\n{body}}}\n\
         %0: f32[S, 2] = input(index = 0)\n%1: f32[2] = input(index = 1)\n{rest}"
    )
}

#[test]
fn bodies_of_loops_are_read_and_checked() {
    let body = "%0: f32[2] = input(index = 0)\n%1: f32[2] = input(index = 1)\n%2: f32[2] = add(%0, %1)\nreturn %2, %2\n";
    let scan = "%2: f32[S, 2] = scan(%0, %1, body = 0, result = 1, sequences = 1, carried = 1)\nreturn %2\n";
    let good = looped(body, scan);
    assert_eq!(Graph::parse(&good).map(|g| g.to_string()), Ok(good.clone()));
    let refused = |text: String, why: &str| {
        let e = Graph::parse(&text).expect_err("refused").to_string();
        assert!(e.contains(why), "{e}\n{text}");
    };
    refused(good.replace("body 0 {", "body 1 {"), "expected `body 0 {`");
    let converted = good.replace("{\ninput x: f32[2]", "{\ninput x: f16[2]");
    refused(converted, "its input `x` is a value, which cannot be f16");
    refused(good.replace("}\n", ""), "expected");
    refused(looped(&format!("weight \"w\": f32[2] = zeros\n{body}"), scan), "has inputs alone");
    refused(good.replace("body = 0", "body = 3"), "there is no body 3");
    refused(good.replace("sequences = 1", "sequences = 0"), "a scan of 0 sequences");
    refused(good.replace("carried = 1", "carried = 2"), "a scan of 1 sequences and 2 carried values");
    refused(good.replace("result = 1", "result = 2"), "has no result 2");
    refused(
        good.replace("input h: f32[2]\nbody", "input h: f32[3]\nbody")
            .replace("%1: f32[2] = input(index = 1)\n%2: f32[S", "%1: f32[3] = input(index = 1)\n%2: f32[S"),
        "an iteration takes f32[2] for `h`",
    );
    refused(
        good.replace("return %2, %2", "return %0, %2").replace("add(%0, %1)", "add(%0, %9)"),
        "before it is defined",
    );
    let twice = "%2: f32[2] = scan(%0, %1, body = 0, result = 0, sequences = 1, carried = 1)\n%3: f32[S, 2] = scan(%0, %1, body = 0, result = 1, sequences = 1, carried = 1, backwards = true)\nreturn %3\n";
    refused(looped(body, twice), "have the same body");
    refused(good.replace("body 0 {", "body 0<R> {"), "there is no body 0 of a loop");
    let deep = format!("network N<S>\n{}", "body 0 {\n".repeat(40));
    refused(deep, "a body inside of 16 bodies");
}

#[test]
fn bodies_of_experts_are_read_and_checked() {
    let good = "network N<B>\ninput ids: i32[B, 2]\ninput x: f32[B, 3]\nweight \"a\": f32[3] = ones\nweight \"b\": f32[3] = zeros\n\
         body 0<rows> {\ninput x: f32[rows, 3]\ninput w: f32[3]\n%0: f32[rows, 3] = input(index = 0)\n\
         %1: f32[3] = input(index = 1)\n%2: f32[rows, 3] = mul(%0, %1)\nreturn %2\n}\n\
         %0: i32[B, 2] = input(index = 0)\n%1: f32[B, 3] = input(index = 1)\n%2: f32[3] = weight(index = 0)\n\
         %3: f32[3] = weight(index = 1)\n\
         %4: f32[B, 2, 3] = experts(%0, %1, %2, %3, body = 0, experts = 2, routed = 1)\nreturn %4\n";
    assert_eq!(Graph::parse(good).map(|g| g.to_string()), Ok(good.to_string()));
    let refused = |from: &str, to: &str, why: &str| {
        assert!(good.contains(from), "{from}");
        let text = good.replace(from, to);
        let e = Graph::parse(&text).expect_err("refused").to_string();
        assert!(e.contains(why), "{e}\n{text}");
    };
    refused("body 0<rows> {", "body 0<B> {", "two dims are called `B`");
    refused("body 0<rows> {", "body 0<> {", "no name of a dim");
    refused("experts = 2", "experts = 3", "3 experts for the rows of 1 values have 4 arguments");
    refused("experts = 2", "experts = 0", "0 experts");
    refused("routed = 1", "routed = 0", "the rows of 0 values");
    refused("routed = 1", "routed = 9", "the rows of 9 values");
    refused("input x: f32[B, 3]", "input x: f32[2, 3]", "%1");
    refused("i32[B, 2]", "f32[B, 2]", "i32 ids");
    refused("%2: f32[rows, 3] = mul(%0, %1)\nreturn %2", "return %1", "a row for each of its rows");
    refused("%2: f32[rows, 3] = mul(%0, %1)\nreturn %2", "return %0, %0", "one result");
    let two = "%4: f32[B, 2, 3] = experts(%0, %1, %2, %3, body = 0, experts = 2, routed = 1)\n";
    refused("return %4", &format!("{}return %5", two.replace("%4", "%5")), "have the same body");
}
