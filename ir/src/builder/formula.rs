//! Numbers that follow from static dims: `1 / sqrt(3 * (D / HEADS))`.

/// The value of a formula in postfix form, `1 3 D HEADS / * sqrt /`: its operands before each operator,
/// separated by spaces. `None` where a name has no value, or what is written is no formula.
pub fn evaluate(postfix: &str, value: &dyn Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut stack: Vec<f64> = Vec::new();
    for word in postfix.split_whitespace() {
        let top = match word {
            "+" | "-" | "*" | "/" | "^" => {
                let (b, a) = (stack.pop()?, stack.pop()?);
                match word {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "^" => a.powf(b),
                    _ => a / b,
                }
            }
            "neg" => -stack.pop()?,
            "sqrt" => stack.pop()?.sqrt(),
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => word.parse().ok()?,
            name => value(name)?,
        };
        stack.push(top);
    }
    let result = stack.pop()?;
    stack.is_empty().then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_have_the_value_of_their_operands() {
        let of = |text| evaluate(text, &|name| if name == "D" { Some(8.0) } else { None });
        assert_eq!(of("1 2 D * sqrt /"), Some(0.25));
        assert_eq!(of("D 3 - neg 0.5 +"), Some(-4.5));
        assert_eq!(of("1e-3"), Some(1e-3));
        assert_eq!(of("2 D 2 / neg ^"), Some(0.0625));
        for broken in ["", "1 2", "+", "1 sqrt +", "E", "1 E *", "1x"] {
            assert_eq!(of(broken), None, "{broken}");
        }
    }
}
