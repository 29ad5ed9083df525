use tancho::network;

network! {
    pub Headless<B, D = 8>(x: [B, D]) {
        x + 1
    }

    pub Torn<B, D = 8, (x: [B, D]) -> [B, D] {
        x + 1
    }

    pub Several<B, D = 8> {
        fn encode(x: [B, D]) [B, D] { x }
        fn decode(x: [B, D]) -> [B, D] { x }
    }

    pub Body<B, D = 8>(x: [B, D]) -> [B, D] { rellu(x) }

    pub Defaults<B, D = Q>(x: [B, D]) -> [B, D] { x }

    pub Typed<B, D = 8>(ids: i32[B, Q], x: [B, D]) -> [B, D] {
        x
    }
}

// Nobody knows what these take, so that nothing is said of it.
pub fn run() -> Result<(), tancho::Error> {
    use tancho::{AsView, Target};
    let x = [0.0; 8];
    let headless = Headless::init(1)?.compile(Target::host())?;
    println!("{}", headless.check(x.view([1, 8]))?);
    println!("{}", headless.session().run(x.view([1, 8]))?);
    let torn = Torn::with(TornDims { D: 8 }).init(1)?.compile(Target::host())?;
    torn.check(x.view([1, 8]))?;
    let mut several = Several::init(1)?.compile(Target::host())?.session();
    several.encode(x.view([1, 8]))?;
    several.decode_into(x.view([1, 8]), &mut [0.0; 8])?;
    Body::init(1)?.compile(Target::host())?.check(x.view([1, 8]))?;
    let defaults = Defaults::with(DefaultsDims { D: 8 }).init(1)?.compile(Target::host())?;
    defaults.check(x.view([1, 8]))?;
    let mut typed = Typed::init(1)?.compile(Target::host())?.session();
    typed.run([1].view([1, 1]), x.view([1, 8]))?;
    Ok(())
}

fn main() {}
