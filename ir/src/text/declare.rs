//! Reading of what a network declares: promises, weights and states.

use super::parse::{parse_axes, parse_type, parse_value, quoted};
use crate::dim::Dim;
use crate::graph::*;
use crate::types::{split_commas, split_element_type};

pub fn parse_constraint(s: &str) -> Result<Constraint, String> {
    let dim = |t: &str| Dim::parse(t.trim()).map_err(|e| e.to_string());
    if let Some((l, r)) = s.split_once('%') {
        let r = r.trim().strip_suffix("== 0").ok_or("expected `p % c == 0`")?;
        return Ok(Constraint { left: dim(l)?, relation: Relation::Multiple, right: dim(r)? });
    }
    for (sign, relation) in [("==", Relation::Equal), ("<=", Relation::AtMost), ("<", Relation::Less)] {
        if let Some((l, r)) = s.split_once(sign) {
            return Ok(Constraint { left: dim(l)?, relation, right: dim(r)? });
        }
    }
    Err(format!("`{s}` is no relation: expected `==`, `<=`, `<` or `% .. == 0`"))
}

pub fn parse_input(name: &str, ty: &str) -> Result<InputDecl, String> {
    let (given, axes) = split_element_type(ty).ok_or_else(|| format!("`{}` is no type", ty.trim()))?;
    Ok(InputDecl::converted(name, given, parse_axes(&axes)?))
}

pub fn parse_weight(rest: &str) -> Result<WeightDecl, String> {
    let (name, rest) = quoted(rest)?;
    let (ty, init) =
        rest.strip_prefix(':').and_then(|r| r.rsplit_once(" = ")).ok_or("expected `: type = init`")?;
    let mut words = split_commas(init).into_iter();
    let init = words.next().unwrap_or_default();
    let init = parse_init(init).ok_or_else(|| {
        format!(
            "`{init}` is no initialiser: expected `zeros`, `ones`, `xavier`, `normal(std)` or `uniform(from, to)`"
        )
    })?;
    let mut decl = WeightDecl::new(name, parse_type(ty)?, init);
    words.try_for_each(|w| {
        parse_mark(&mut decl.marks, w).ok_or_else(|| {
            format!(
                "`{w}` is no attribute of a weight: expected `buffer`, `frozen`, `no_decay` or `part [a..b]`"
            )
        })
    })?;
    Ok(decl)
}

pub fn parse_constant(rest: &str) -> Result<WeightDecl, String> {
    let (name, rest) = quoted(rest)?;
    let (ty, values) =
        rest.strip_prefix(':').and_then(|r| r.split_once(" = ")).ok_or("expected `: type = values`")?;
    let values = values.trim();
    if values == "given" {
        return Ok(WeightDecl::constant(name, parse_type(ty)?, Init::Given));
    }
    let table = values.strip_prefix('[').and_then(|v| v.strip_suffix(']'));
    let table = table.ok_or_else(|| format!("`{values}` is neither `given` nor a table"))?;
    let number = |n: &str| n.trim().parse::<f64>().map_err(|_| format!("`{n}` is no number"));
    let numbers = table.split(',').filter(|n| !n.trim().is_empty()).map(number);
    let table = Table::new(numbers.collect::<Result<Vec<f64>, _>>()?);
    Ok(WeightDecl::constant(name, parse_type(ty)?, Init::Table(table)))
}

pub fn parse_state(rest: &str) -> Result<StateDecl, String> {
    let (name, rest) = quoted(rest)?;
    let rest = rest.strip_prefix(':').ok_or("expected `: type`")?;
    let (rest, next) = match rest.split_once(" = ") {
        // What the state becomes is checked when all is read.
        Some((rest, v)) => (rest, Some(parse_value(v, u32::MAX as usize)?)),
        None => (rest, None),
    };
    let keeps_last = rest.contains(" last axis ");
    let (ty, grows) = match rest.split_once(if keeps_last { " last axis " } else { " grow axis " }) {
        Some((ty, axis)) => (ty, Some(axis.trim().parse().map_err(|_| format!("`{axis}` is no axis"))?)),
        None => (rest, None),
    };
    Ok(StateDecl { name, ty: parse_type(ty)?, grows, keeps_last, next })
}

fn parse_init(s: &str) -> Option<Init> {
    let nums = |rest: &str| -> Option<Vec<f64>> {
        split_commas(rest.strip_suffix(')')?).iter().map(|x| x.parse().ok()).collect()
    };
    Some(match s {
        "zeros" => Init::Zeros,
        "ones" => Init::Ones,
        "xavier" => Init::Xavier,
        _ if s.starts_with("normal(") => Init::Normal(*nums(&s[7..])?.first()?),
        _ => match nums(s.strip_prefix("uniform(")?)?.as_slice() {
            [a, b] => Init::Uniform(*a, *b),
            _ => return None,
        },
    })
}

fn parse_mark(marks: &mut Marks, word: &str) -> Option<()> {
    match word {
        "buffer" => marks.buffer = true,
        "frozen" => marks.frozen = true,
        "no_decay" => marks.no_decay = true,
        _ => {
            let inner = word.strip_prefix("part [")?.strip_suffix(']')?;
            let (range, axis) = inner.strip_prefix(":, ").map_or((inner, 0), |r| (r, 1));
            let (start, end) = range.split_once("..")?;
            marks.part = Some(Part { axis, start: start.parse().ok()?, end: end.parse().ok()? });
        }
    }
    Some(())
}
