//! `torch.nn.GRU` of two layers: 465 lines there, with `RNNBase`, 24 here.

use super::{golden, owned, parts, rows, same_rows, weights};
use tancho::{Error, network};
use tancho_support::targets;

network! {
    /// Layer `L`.
    pub GruLayer<B, S, IN = _, H = _, L = _>(x: [B, S, IN], h: [B, H]) -> ([B, S, H], [B, H]) {
        #[weights("weight_ih_l{L}")] param w_x: [3 * H, IN];
        #[weights("bias_ih_l{L}")] param b_x: [3 * H];
        #[weights("weight_hh_l{L}")] param w_h: [3 * H, H];
        #[weights("bias_hh_l{L}")] param b_h: [3 * H];

        let mut h = h;
        let y = scan x_t in x over S {
            let (r, z, n) = split(linear(x_t, w_x, b_x), axis = -1, parts = 3);
            let (own_r, own_z, own_n) = split(linear(h, w_h, b_h), axis = -1, parts = 3);
            let z = sigmoid(z + own_z);
            h = (1 - z) * tanh(n + sigmoid(r + own_r) * own_n) + z * h;
            h
        };
        (y, h)
    }

    /// Goes on where the call before ended.
    pub Gru<B, S, IN = 6, H = 10>(x: [B, S, IN]) -> ([B, S, H], [2, B, H]) {
        #[weights("")] net first: GruLayer<IN, H, L = 0>;
        #[weights("")] net second: GruLayer<H, H, L = 1>;
        state h: [2, B, H];

        let (x, h0) = first(x, h[0]);
        let (x, h1) = second(x, h[1]);
        h = concat(reshape(h0, [1, B, H]), reshape(h1, [1, B, H]), axis = 0);
        (x, h)
    }
}

#[test]
fn every_row_and_the_last_states_are_the_reference_s() -> Result<(), Error> {
    let net = Gru::load(weights("gru"))?;
    let golden = golden("gru");
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
                    let (rows, h) = session.run(x)?;
                    let (rows, h) = (owned(rows), owned(h));
                    same_rows(&rows, &y, from, from + n);
                    from += n;
                    if from == y.shape()[1] {
                        golden.matches("out.h", &h);
                    }
                }
            }
        }
    }
    Ok(())
}
