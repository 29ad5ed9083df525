use tancho::network;

network! {
    /// Values inside of a body have any number of axes.
    pub Nine<A>(x: [A, 2]) -> [A, 1, 1, 1, 1, 1, 1, 2] {
        let y = reshape(x + 1, [A, 1, 1, 1, 1, 1, 1, 1, 2]);
        reshape(y * 2, [A, 1, 1, 1, 1, 1, 1, 2])
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let compiled = Nine::init(1).unwrap().compile(Target::host()).unwrap();
    let mut session = compiled.session();
    let y = session.run([1.0, 2.0, 3.0, 4.0].view([2, 2])).unwrap();
    assert_eq!((y.shape(), y.data()), (&[2, 1, 1, 1, 1, 1, 1, 2][..], &[4.0, 6.0, 8.0, 10.0][..]));
    assert!(compiled.check([1.0, 2.0].view([1, 2])).unwrap().is_ok());
}
