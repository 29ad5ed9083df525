//! Static dims through a format of serde.

use tancho::network;

network! {
    /// A dim with a default, one that follows it, and one that must be given.
    Block<B, D = 4, H = 2 * D, IN = _>(x: [B, IN]) -> [B, H] {
        net up: Linear<IN, D>;
        net wide: Linear<D, H>;
        wide(up(x))
    }
}

fn read(text: &str) -> Result<BlockDims, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn dims_are_written_and_read_by_name() -> Result<(), Box<dyn std::error::Error>> {
    let dims = read(r#"{"IN": 3}"#)?;
    assert_eq!((dims.D, dims.H, dims.IN), (4, None, 3));
    assert_eq!(serde_json::to_string(&dims)?, r#"{"D":4,"IN":3}"#);
    let dims = BlockDims { D: 8, H: Some(5), IN: 3 };
    let text = serde_json::to_string(&dims)?;
    assert_eq!(text, r#"{"D":8,"H":5,"IN":3}"#);
    let again = read(&text)?;
    assert_eq!((again.D, again.H, again.IN), (8, Some(5), 3));
    assert_eq!(
        Block::with(again).init(1)?.weights().get("wide.weight").map(|w| w.shape().to_vec()),
        Some(vec![5, 8])
    );
    Ok(())
}

#[test]
fn dims_that_do_not_fit_are_errors() {
    for (text, message) in [
        (r#"{"D": 4}"#, "missing field `IN`"),
        (r#"{"IN": 3, "W": 1}"#, "unknown field `W`, expected one of `D`, `H`, `IN`"),
        (r#"{"IN": -3}"#, "invalid value: integer `-3`, expected usize"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.starts_with(message), "{error}");
    }
}
