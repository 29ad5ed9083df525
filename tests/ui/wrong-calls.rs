use tancho::{AsView, Target, network};

network! {
    pub Scale<B, D = 4>(x: [B, D], by: i32[B]) -> [B, D] { x * expand(reshape(cast(by, f32), [B, 1]), [B, D]) }

    pub Coder<B, D = 4> {
        net fc: Linear<D, D>;
        fn encode(x: [B, D]) -> [B, D] { fc(x) }
        fn decode(x: [B, D]) -> [B, D] { relu(x) }
    }
}

pub fn calls() -> Result<(), tancho::Error> {
    let (x, by) = ([0.0; 4], [1]);
    let mut scale = Scale::init(1)?.compile(Target::host())?.session();
    scale.run(x.view([1, 4]))?;
    scale.run(by.view([1]), x.view([1, 4]))?;
    let mut coder = Coder::init(1)?.compile(Target::host())?.session();
    coder.encod(x.view([1, 4]))?;
    coder.run(x.view([1, 4]))?;
    Ok(())
}

fn main() {}
