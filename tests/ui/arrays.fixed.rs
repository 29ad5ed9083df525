use tancho::network;

network! {
    pub Wave<B, S, D = 4, DIL = 1>(x: [B, D, S]) -> [B, D, S] {
        net conv: Conv1d<D, D, K = 3, PAD = DIL, DIL = DIL>;
        tanh(conv(x))
    }

    pub Stack<B, S, D = 4, N = 3>(x: [B, D, S]) -> [B, D, S] {
        #[weights("layers.{2 * i}")] net waves: [Wave<D = D, DIL = 2^i>; N];
        #[weights("layers.{2 * i + 1}")] net gates: [Conv1d<D, D, K = 1>; N];
        let mut y = x;
        for (wave, gate) in (waves, gates) { y += gate(wave(y)); }
        y
    }

    /// The same, net by net.
    pub OneByOne<B, S, D = 4, N = 3>(x: [B, D, S]) -> [B, D, S] {
        #[weights("layers.{2 * i}")] net waves: [Wave<D = D, DIL = 2^i>; N];
        #[weights("layers.{2 * i + 1}")] net gates: [Conv1d<D, D, K = 1>; N];
        let mut y = x + gates[0](waves[0](x));
        repeat k in 1..N { y += gates[k](waves[k](y)); }
        y
    }
}

pub fn check() {
    use tancho::{AsView, Target};
    let x: Vec<f32> = (0..48).map(|i| (i as f32 * 0.7).sin()).collect();
    let stack = Stack::init(1).unwrap();
    let names: Vec<&str> = stack.weights().names().collect();
    assert_eq!(names[..3], ["layers.0.conv.weight", "layers.0.conv.bias", "layers.1.weight"]);
    assert!(names.contains(&"layers.4.conv.weight") && names.contains(&"layers.5.bias"));
    let want = stack.compile(Target::host()).unwrap();
    let found = OneByOne::init(1).unwrap().compile(Target::host()).unwrap();
    let want = want.session().run(x.view([1, 4, 12])).unwrap().data().to_vec();
    assert_eq!(found.session().run(x.view([1, 4, 12])).unwrap().data(), want);
    let none = OneByOne::with(OneByOneDims { N: 0, ..Default::default() }).init(1).unwrap_err();
    assert!(none.to_string().contains("none of them with the number 0"), "{none}");
}
