//! `torch.nn.LSTM` of two layers: 524 lines there, with `RNNBase`, 29 here.

use super::{golden, owned, parts, rows, same_rows, weights};
use tancho::{Error, network};
use tancho_support::targets;

network! {
    /// Layer `L`.
    pub LstmLayer<B, S, IN = _, H = _, L = _>(x: [B, S, IN], h: [B, H], c: [B, H])
        -> ([B, S, H], [B, H], [B, H])
    {
        #[weights("weight_ih_l{L}")] param w_x: [4 * H, IN];
        #[weights("bias_ih_l{L}")] param b_x: [4 * H];
        #[weights("weight_hh_l{L}")] param w_h: [4 * H, H];
        #[weights("bias_hh_l{L}")] param b_h: [4 * H];

        let mut h = h;
        let mut c = c;
        let y = scan x_t in x over S {
            let gates = linear(x_t, w_x, b_x) + linear(h, w_h, b_h);
            let (i, f, g, o) = split(gates, axis = -1, parts = 4);
            c = sigmoid(f) * c + sigmoid(i) * tanh(g);
            h = sigmoid(o) * tanh(c);
            h
        };
        (y, h, c)
    }

    /// Goes on where the call before ended.
    pub Lstm<B, S, IN = 6, H = 10>(x: [B, S, IN]) -> ([B, S, H], [2, B, H], [2, B, H]) {
        #[weights("")] net first: LstmLayer<IN, H, L = 0>;
        #[weights("")] net second: LstmLayer<H, H, L = 1>;
        state h: [2, B, H];
        state c: [2, B, H];

        let (x, h0, c0) = first(x, h[0], c[0]);
        let (x, h1, c1) = second(x, h[1], c[1]);
        h = concat(reshape(h0, [1, B, H]), reshape(h1, [1, B, H]), axis = 0);
        c = concat(reshape(c0, [1, B, H]), reshape(c1, [1, B, H]), axis = 0);
        (x, h, c)
    }
}

#[test]
fn every_row_and_the_last_states_are_the_reference_s() -> Result<(), Error> {
    let net = Lstm::load(weights("lstm"))?;
    let golden = golden("lstm");
    let (x, y) = (golden.tensor("in.x"), golden.tensor("out.y"));
    for target in targets() {
        let compiled = net.compile(target)?;
        for threads in [1, 2] {
            for parts in parts(x.shape()[1]) {
                let mut session = compiled.session_with_threads(threads)?;
                let mut from = 0;
                for n in parts {
                    let part = rows(&x, from, from + n);
                    let x = part.as_view().expect("floats");
                    session.check(x)?.into_result()?;
                    let (rows, h, c) = session.run(x)?;
                    let (rows, h, c) = (owned(rows), owned(h), owned(c));
                    same_rows(&rows, &y, from, from + n);
                    from += n;
                    if from == y.shape()[1] {
                        golden.matches("out.h", &h);
                        golden.matches("out.c", &c);
                    }
                }
            }
        }
    }
    Ok(())
}
