//! Static dims of a declared network to and from formats of serde, by their names.
//!
//! What `network!` emits with the feature `serde` calls these functions; users have the traits of serde.

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{SerializeMap, Serializer};
use std::collections::BTreeMap;

/// Writes dims as a map; one that follows others, and was not given, is left out.
///
/// # Errors
/// Those of the format.
pub fn serialize<S: Serializer>(dims: &[(&str, Option<usize>)], to: S) -> Result<S::Ok, S::Error> {
    let given = || dims.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let mut map = to.serialize_map(Some(given().count()))?;
    for (name, value) in given() {
        map.serialize_entry(name, &value)?;
    }
    map.end()
}

/// Reads the dims of these names, in their order; `None` for what is not given.
///
/// # Errors
/// Those of the format, or a name that is no dim.
pub fn deserialize<'de, D: Deserializer<'de>>(
    from: D,
    names: &'static [&'static str],
) -> Result<Vec<Option<usize>>, D::Error> {
    let mut given = BTreeMap::<String, usize>::deserialize(from)?;
    let values = names.iter().map(|name| given.remove(*name)).collect();
    match given.keys().next() {
        Some(unknown) => Err(D::Error::unknown_field(unknown, names)),
        None => Ok(values),
    }
}

/// The value of a dim that must have one.
///
/// # Errors
/// It is not given and has no default.
pub fn required<E: Error>(
    given: &[Option<usize>],
    at: usize,
    default: Option<usize>,
    name: &'static str,
) -> Result<usize, E> {
    let value = given.get(at).copied().flatten().or(default);
    value.ok_or_else(|| E::missing_field(name))
}
