use tancho::network;

// One error: the struct, its dims and its methods exist all the same.
network! {
    pub Broken<B, D = 768>(x: [B, D]) -> [B, D] {
        rellu(x)
    }
}

pub fn load() -> Result<Broken, tancho::Error> {
    println!("{}", Broken::D);
    Broken::with(BrokenDims { D: 8 }).init(1)?;
    Broken::load("weights.safetensors")
}

fn main() {}
