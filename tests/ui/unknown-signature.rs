use tancho::network;

network! {
    pub Body<B, D = 8>(x: [B, D]) -> [B, D] { rellu(x) }

    pub Defaults<B, D = Q>(x: [B, D]) -> [B, D] { x }

    pub Typed<B, D = 8>(ids: i32[B, Q], x: [B, D]) -> [B, D] {
        x
    }
}

// What is known of a signature is kept: rustc says nothing of these calls.
pub fn run() -> Result<(), tancho::Error> {
    use tancho::{AsView, Target};
    let x = [0.0; 8];
    Body::init(1)?.compile(Target::host())?.check(x.view([1, 8]))?;
    let defaults = Defaults::with(DefaultsDims { D: 8 }).init(1)?.compile(Target::host())?;
    defaults.check(x.view([1, 8]))?;
    let mut typed = Typed::init(1)?.compile(Target::host())?.session();
    typed.run([1].view([1, 1]), x.view([1, 8]))?;
    Ok(())
}

fn main() {}
