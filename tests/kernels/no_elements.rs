//! Shapes without elements, however long their axes are: kernels count rows, so what has no elements must not
//! be counted.

use tancho::{AsView, Error, Target, network};

network! {
    pub Elementwise<B, S>(x: [B, S]) -> [B, S] { relu(x) * 2 + 1 }

    pub Three<A, B, C>(x: [A, B, C]) -> [A, B, C] { relu(x) }

    pub RowWork<B, S>(x: [B, S]) -> ([B, S], [S]) {
        let y = softmax(x, over = S);
        (y, sum(layer_norm(y, over = S, eps = 1e-5), over = B))
    }

    pub Loss<B, C = 6>(x: [B, C], y: i32[B]) -> [B] { cross_entropy(x, y) }

    pub Attends<B, S, N, D = 8>(x: [B, S, D], c: [B, N, D]) -> ([B, S, D], [B, N, D]) where D % 2 == 0 {
        (attention(x, x, x, heads = 2), c + 1)
    }

    /// A product of two values, whose right one is packed, and what is read by nobody else.
    pub Product<B, M, K, N>(a: [B, M, K], b: [B, K, N]) -> [B, M, N] { (a + 1) @ (b * 2) }

    /// What is computed once is read by two, one of which has nothing to do.
    pub Both<A, B, D = 4>(x: [A, D], y: [B, D]) -> ([A, D], [B, D]) {
        param w: [D] = ones;
        let bias = softmax(w + sum(y, over = B), over = D);
        (x + bias, y * 2 + bias)
    }

    /// Rows of no width are taken by ids all the same.
    pub Table<N, D = 0>(ids: i32[N]) -> [N, D] {
        param table: [5, D];
        table[ids]
    }

    /// Its states have no elements.
    pub Holding<B, S, P: ..=9, D = 0>(x: [B, S, D]) -> [B, D] {
        state seen: [B, P, D] grow P;
        state last: [B, D];
        last = sum(x, over = S);
        sum(seen.push(x), over = 1) + last
    }
}

const MANY: [usize; 3] = [1 << 31, 1 << 40, 1 << 62];

fn none() -> [f32; 0] {
    []
}

#[test]
fn rows_without_elements_are_not_counted() -> Result<(), Error> {
    let (elementwise, rows) =
        (Elementwise::init(1)?.compile(Target::host())?, RowWork::init(1)?.compile(Target::host())?);
    let (mut a, mut b) = (elementwise.session(), rows.session());
    for n in MANY {
        assert_eq!(a.run(none().view([n, 0]))?.shape(), [n, 0]);
        assert_eq!(a.run(none().view([0, n]))?.shape(), [0, n]);
        let (y, sums) = b.run(none().view([n, 0]))?;
        assert_eq!((y.shape(), sums.shape()), (&[n, 0][..], &[0][..]));
        // The session goes on with what has elements.
        assert_eq!(a.run([-1.0, 3.0].view([1, 2]))?.data(), [1.0, 7.0]);
    }
    Ok(())
}

#[test]
fn axes_may_have_a_product_beyond_64_bits() -> Result<(), Error> {
    let mut session = Three::init(1)?.compile(Target::host())?.session();
    assert_eq!(session.run(none().view([1 << 40, 1 << 40, 0]))?.shape(), [1 << 40, 1 << 40, 0]);
    assert_eq!(session.run(none().view([0, 1 << 40, 1 << 40]))?.shape(), [0, 1 << 40, 1 << 40]);
    assert_eq!(session.run([-1.0, 2.0].view([1, 2, 1]))?.data(), [0.0, 2.0]);
    Ok(())
}

#[test]
fn what_only_skipped_steps_read_is_not_computed() -> Result<(), Error> {
    // The loss of no rows would compute a number for each class, in gigabytes.
    let loss = Loss::with(LossDims { C: 1 << 34 }).init(1)?.compile(Target::host())?;
    let mut session = loss.session();
    session.set_profiling(true);
    assert_eq!(session.run(none().view([0, 1 << 34]), [].view([0]))?.shape(), [0]);
    assert!(session.memory_bytes() < 1 << 20, "{} bytes", session.memory_bytes());
    assert_eq!(session.profile().total().bytes, 0.0, "{}", session.profile());
    Ok(())
}

#[test]
fn products_and_attention_without_elements() -> Result<(), Error> {
    let (attends, product) =
        (Attends::init(1)?.compile(Target::host())?, Product::init(1)?.compile(Target::host())?);
    let (mut a, mut p) = (attends.session(), product.session());
    for n in [1 << 31, 1 << 40] {
        let (y, c) = a.run(none().view([n, 0, 8]), none().view([n, 0, 8]))?;
        assert_eq!((y.shape(), c.shape()), (&[n, 0, 8][..], &[n, 0, 8][..]));
        assert_eq!(p.run(none().view([n, 0, 5]), none().view([n, 5, 0]))?.shape(), [n, 0, 0]);
        assert_eq!(p.run(none().view([0, 3, n]), none().view([0, n, 2]))?.shape(), [0, 3, 2]);
    }
    assert_eq!(p.run([1.0, 2.0].view([1, 1, 2]), [0.5, 3.0].view([1, 2, 1]))?.data(), [20.0]);
    // A sum of nothing is 0.
    assert_eq!(p.run(none().view([1, 2, 0]), none().view([1, 0, 3]))?.data(), [0.0; 6]);
    Ok(())
}

#[test]
fn a_value_of_two_readers_is_computed_for_the_one_that_has_work() -> Result<(), Error> {
    let compiled = Both::init(1)?.compile(Target::host())?;
    let mut session = compiled.session();
    let (none, one) = (none(), [1.0f32, 2.0, 3.0, 4.0]);
    // Changed from call to call: what was skipped in one is computed in the next.
    for (a, b) in [(0, 1), (1, 0), (1, 1), (0, 0), (1, 1), (0, 1)] {
        let (x, y) = (if a == 0 { &none[..] } else { &one }, if b == 0 { &none[..] } else { &one });
        let want = compiled.interpret(x.view([a, 4]), y.view([b, 4]))?;
        let (got_x, got_y) = session.run(x.view([a, 4]), y.view([b, 4]))?;
        for (got, want) in [(got_x, &want[0]), (got_y, &want[1])] {
            let want = want.as_f32().expect("f32");
            assert!(
                got.len() == want.len() && got.data().iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6),
                "{got} {want:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn ids_out_of_range_are_told_though_their_rows_are_empty() -> Result<(), Error> {
    let mut session = Table::init(1)?.compile(Target::host())?.session();
    assert_eq!(session.run([0, 4].view([2]))?.shape(), [2, 0]);
    assert!(matches!(session.run([0, 5].view([2])), Err(Error::IdOutOfRange { id: 5, rows: 5, .. })));
    Ok(())
}

#[test]
fn states_without_elements() -> Result<(), Error> {
    let mut session = Holding::init(1)?.compile(Target::host())?.session();
    for rows in [1, 0, 3] {
        assert_eq!(session.run(none().view([1 << 40, rows, 0]))?.shape(), [1 << 40, 0]);
    }
    assert_eq!(session.rows("P")?, 4);
    assert_eq!(session.state("seen")?.expect("it ran").shape(), [1 << 40, 4, 0]);
    Ok(())
}
