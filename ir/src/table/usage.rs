//! How ops are called, for messages and for editors.

use super::lookup;

/// How users write an op: the reductions `max` and `min` have longer names inside.
pub fn public_name(name: &str) -> &str {
    name.strip_prefix("reduce_").unwrap_or(name)
}

/// How an op is called: `softmax(x, over = ..)`.
pub fn usage(name: &str) -> String {
    let public = public_name(name);
    let Some(row) = lookup(name) else { return format!("{public}(..)") };
    let mut parts: Vec<String> =
        row.params.iter().map(|p| if p.optional { format!("{}?", p.name) } else { p.name.into() }).collect();
    if row.variadic {
        parts.push("..".into());
    }
    parts.extend(row.options.iter().map(|o| match o.default {
        None | Some("") => format!("{} = ..", o.name),
        Some(d) => format!("{} = {d}", o.name),
    }));
    format!("{public}({})", parts.join(", "))
}
