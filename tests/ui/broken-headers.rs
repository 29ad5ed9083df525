use tancho::{AsView, Target, network};

// One error each, however the networks are used.
network! {
    pub NoArrow<B, D = 4>(x: [B, D]) { x }

    pub Coder<B, D = 4> {
        net fc: Linear<D, D>;
        fn encode(x: [B, D]) [B, D] { fc(x) }
        fn decode(x: [B, D]) -> [B, D] { fc(x) }
    }
}

pub fn run() -> Result<(), tancho::Error> {
    let mut session = NoArrow::init(1)?.compile(Target::host())?.session();
    println!("{:?}", session.run([0.0; 4].view([1, 4]))?.shape());
    let coder = Coder::with(CoderDims { D: 8 }).init(1)?.compile(Target::host())?;
    coder.check_encode([0.0; 8].view([1, 8]))?.into_result()?;
    let mut session: CoderSession = coder.session();
    let code = session.encode([0.0; 8].view([1, 8]))?.data().to_vec();
    println!("{:?}", session.decode(code.view([1, 8]))?.data());
    Ok(())
}

fn main() {}
