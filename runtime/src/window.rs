//! Whether the windows of convolutions and poolings fit the images of a call. Both the interpreter and a
//! session ask.

use crate::error::Error;
use tancho_ir::{Dim, Graph, Sight, Value};

/// The window of a convolution or a pooling under values of its dims; `None` for other ops.
///
/// # Errors
/// The window is larger than the image with its padding, or a dim has no value.
pub fn window_fits(
    graph: &Graph,
    v: Value,
    value: &dyn Fn(&Dim) -> Result<i64, Error>,
    place: &dyn Fn() -> String,
) -> Result<Option<Sight>, Error> {
    let Some(sight) = graph.sight(v) else { return Ok(None) };
    let fault = |e: tancho_ir::DimError| Error::Graph(format!("{}: {e}", place()));
    for (axis, name) in ["rows", "columns"].into_iter().enumerate() {
        let (image, kernel) = (&sight.image[axis], &sight.kernel[axis]);
        let slack = value(&sight.window.slack(axis, image, kernel).map_err(fault)?)?;
        if slack < 0 {
            let spans = value(&sight.window.extent(axis, kernel).map_err(fault)?)?;
            return Err(Error::Window { op: place(), axis: name, spans, padded: spans + slack });
        }
    }
    Ok(Some(sight))
}
