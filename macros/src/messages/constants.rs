//! Messages about constants.

use crate::errors::Message;
use tancho_ir::infer::show_type;
use tancho_ir::{Facts, Type};

pub fn type_of_constant(name: &str, dtype: &str) -> Message {
    Message::new(format!("the constant `{name}` is {dtype}, and constants are f32 or i32"))
        .help("convert it where it is used: `cast(.., bool)`")
}

pub fn attribute_of_constant(attribute: &str) -> Message {
    Message::new(format!(
        "`#[{attribute}]` has no meaning before a constant, which is in no file and never learned"
    ))
    .help("leave it out, or declare a `buffer`, which is loaded and saved")
}

pub fn uneven_table(name: &str) -> Message {
    Message::new(format!("this part of the table of `{name}` has another shape than the first"))
        .help("the rows of a table are equally long: `[[1, 2], [3, 4]]`")
}

pub fn table_shape(name: &str, ty: &Type, found: &[usize], facts: &Facts) -> Message {
    let help = match found {
        [] => "a table of one axis is `[1, 2, 3]`; one number alone is a constant `[]`",
        _ => "write as many numbers as the shape has, or change the shape",
    };
    Message::new(format!("the constant `{name}` is {}, but its table is {found:?}", show_type(ty, facts)))
        .help(help)
}

pub fn no_number_of_table(text: &str) -> Message {
    Message::new(format!("`{text}` is no number of a table")).help(
        "numbers and static dimensions are, with `+ - * / ^` and `sqrt`; what is computed otherwise is given by Rust: \
         `const name: [N];` and `Name::with(..).constant(\"name\", values)`",
    )
}

pub fn number_of_type(text: &str, value: f64, dtype: &str) -> Message {
    let is = if text == format!("{value:?}") || text == format!("{value}") {
        String::new()
    } else {
        format!(", which is {value:?},")
    };
    Message::new(format!("`{text}`{is} is no {dtype}"))
}
