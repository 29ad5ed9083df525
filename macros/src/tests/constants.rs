//! Constants: what a table may hold, and what is refused.

use super::*;

#[test]
fn tables_and_given_constants() {
    for good in [
        "const c: [3] = [0.485, 0.456, 0.406]; x + sum(c, over = 0)",
        "const c: [D]; x + c",
        "const c: [4, 2] = [[1, 2], [3, -4], [D, sqrt(D)], [2^(-D / 4), 1 / 127.5]]; x + sum(c)",
        "const c: i32[4] = [0, -1, 2, D * D]; x + sum(cast(c, f32), over = 0)",
        "const c: [] = -2^3; x * c",
        "const c: [0] = []; x + sum(c, over = 0)",
        "let mut y = x; repeat i in 0..3 { const c: [2] = [i, 2^(-i)]; y = y * sum(c, over = 0); } y",
        "const _kept: [2]; x",
    ] {
        assert!(body(good).is_empty(), "{good}: {:?}", body(good));
    }
    // What each use gives is not known here.
    assert!(errors_in("N<B, D = _>(x: [B, D]) -> [B, D] { const c: [D] = [1, 2, 3]; x + c }").is_empty());
    assert!(errors_in("N<B, D = 8> { const c: [D]; fn a(x: [B, D]) -> [B, D] { x + c } fn b(x: [B, D]) -> [B, D] { x - c } }").is_empty());
}

#[test]
fn what_is_no_constant() {
    one(body("const c: [D] = [1, 2]; x + c"), {
        "the constant `c` is [D (8)], but its table is [2]\nhelp: write as many numbers as the shape has, or change the shape"
    });
    one(body("const c: [2, 2] = [1, 2, 3, 4]; x + sum(c)"), {
        "the constant `c` is [2, 2], but its table is [4]\nhelp: write as many numbers as the shape has, or change the shape"
    });
    one(body("const c: [1] = 3; x + sum(c)"), {
        "the constant `c` is [1], but its table is []\nhelp: a table of one axis is `[1, 2, 3]`; one number alone is a constant `[]`"
    });
    for uneven in ["[[1, 2], [3]]", "[[1, 2], 3]", "[1, [2, 3]]"] {
        one(body(&format!("const c: [2, 2] = {uneven}; x + sum(c)")), {
            "this part of the table of `c` has another shape than the first\nhelp: the rows of a table are equally long: `[[1, 2], [3, 4]]`"
        });
    }
    let number = |n: &str| body(&format!("const c: [1] = [{n}]; x + sum(c)"));
    for no_number in ["x", "B", "exp(1)", "true", "..", "1 / S"] {
        let errors = number(no_number);
        assert!(
            errors.len() == 1 && errors[0].starts_with(&format!("`{no_number}` is no number of a table")),
            "{errors:?}"
        );
    }
    one(number("1e39"), "`1e39` is no f32");
    one(number("1 / 0"), "`1 / 0`, which is inf, is no f32");
    one(
        body("const c: i32[1] = [D / 3]; x + sum(cast(c, f32))"),
        "`D / 3`, which is 2.6666666666666665, is no i32",
    );
    one(body("const c: bool[1] = [1]; x"), {
        "the constant `c` is bool, and constants are f32 or i32\nhelp: convert it where it is used: `cast(.., bool)`"
    });
    one(body("const c: [B]; x + sum(c)"), {
        "the shape of constant `c` must be static, but `B` is a run-time dimension\nhelp: a static dimension has a default: `B = 768`"
    });
    for attribute in ["weights(\"a\")", "frozen", "no_decay"] {
        let errors = body(&format!("#[{attribute}] const c: [1]; x + sum(c)"));
        assert!(errors.len() == 1 && errors[0].contains("has no meaning before a constant"), "{errors:?}");
    }
    one(body("const c: [D]; x"), "const `c` is never used\nhelp: remove it, or write `const _c` to keep it");
    one(body("const x: [D]; x"), {
        "a constant cannot be called `x`: that is an input or `let`\nhelp: dimensions, options, inputs and items share one namespace; only `let` may use the name of an input, of a net, of a weight or of another `let` again"
    });
    one(body("const c: [D]; c = x; x + c"), {
        "`c` cannot be assigned to\nhelp: declare it with `let mut c = ..;`"
    });
    assert_eq!(body("const N: usize = 4; x").len(), 1);
}

/// Nothing that learns is made of constants.
#[test]
fn constants_do_not_learn() {
    let errors = errors_in(
        "N<B, D = 8> { const c: [D]; param w: [D]; fn f(x: [B, D]) -> [B, D] { x * c + w } train fn step(x: [B, D]) -> [] { let l = sum(x * c); minimize l with sgd(lr = 1); l } }",
    );
    one(
        errors,
        "the loss depends on no weight that could learn\nhelp: call a net or use a `param` that is not `#[frozen]`",
    );
}
