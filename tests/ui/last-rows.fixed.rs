use tancho::network;

network! {
    pub Mixed<B, S, P: ..=8, D = 4>(x: [B, S, D]) -> [B, D] {
        state keys: [B, P, D] last P;
        state values: [B, P, D] last P;
        sum(keys.push(x), over = 1) + sum(values.push(x), over = 1)
    }

    pub Turned<B, S, P: ..=8, D = 4>(x: [B, 1, S, D]) -> [B, D] {
        state keys: [B, 1, P, D] last P;
        state seen: i32[];
        let at = seen + arange(S);
        seen += S;
        sum(keys.push(rope(x, positions = at)), over = (1, 2))
    }

    pub Rows<B, S, P: ..=8, D = 4, T = 64>(x: [B, S, D]) -> [B, D] {
        param places: [T, D];
        state keys: [B, P, D] last P;
        state seen: i32[];
        let at = seen + arange(S);
        seen += S;
        sum(keys.push(x + places[at]), over = 1)
    }

    pub Many<B, P: ..=9, D = 4>(x: [B, 9, D]) -> [B, D] {
        state keys: [B, P, D] last P;
        sum(keys.push(x), over = 1)
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    macro_rules! goes_on {
        ($network:ident, $input:expr) => {{
            let compiled = $network::init(1).unwrap().compile(Target::host()).unwrap();
            let mut session = compiled.session();
            for _ in 0..5 {
                assert!(session.check($input).unwrap().is_ok(), stringify!($network));
                session.run($input).unwrap();
            }
        }};
    }
    let x = [0.5; 3 * 4];
    goes_on!(Mixed, x.view([1, 3, 4]));
    goes_on!(Turned, x.view([1, 1, 3, 4]));
    goes_on!(Rows, x.view([1, 3, 4]));
    goes_on!(Many, [0.5; 9 * 4].view([1, 9, 4]));
    let compiled = Mixed::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = compiled.session();
    // Of what earlier calls pushed, eight rows are kept.
    for rows in [3.0, 6.0, 9.0, 11.0, 11.0] {
        assert_eq!(session.run(x.view([1, 3, 4])).unwrap().data(), [rows; 4]);
    }
}
