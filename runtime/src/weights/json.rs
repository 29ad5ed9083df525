//! The JSON of headers and indexes, read entry by entry: a map would keep one of two entries of a name, and a
//! tree of values would take many times the bytes of the file.

use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::marker::PhantomData;

/// What reads an object, one entry after the other.
trait Entries: Default {
    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error>;
}

struct Object<T>(T);

impl<'de, T: Entries> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Entries> Visitor<'de> for Read<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<T>, A::Error> {
                let mut all = T::default();
                while let Some(name) = map.next_key::<String>()? {
                    all.entry(name, &mut map)?;
                }
                Ok(Object(all))
            }
        }
        d.deserialize_map(Read(PhantomData))
    }
}

/// The header of a safetensors file.
#[derive(Default)]
pub struct Header {
    pub tensors: Vec<(String, TensorInfo)>,
    /// Names that occur several times.
    pub twice: BTreeSet<String>,
    /// What the file says besides.
    pub metadata: HashMap<String, String>,
    seen: BTreeSet<String>,
}

/// The entry of a header that is no tensor.
const METADATA: &str = "__metadata__";

impl Entries for Header {
    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        if !self.seen.insert(name.clone()) {
            self.twice.insert(name.clone());
        }
        if name == METADATA {
            self.metadata = map.next_value()?;
        } else {
            self.tensors.push((name, map.next_value()?));
        }
        Ok(())
    }
}

impl Header {
    /// The tensors in the order of the file, and the bytes they have; offsets leave no gap or overlap, and
    /// fit shape and type.
    ///
    /// # Errors
    /// In words.
    pub fn read(json: &[u8]) -> Result<Header, String> {
        let Object(mut header) = serde_json::from_slice::<Object<Header>>(json).map_err(|e| e.to_string())?;
        if header.twice.is_empty() {
            header.tensors.sort_by_key(|(_, info)| info.data_offsets);
            Metadata::new(None, header.tensors.clone()).map_err(|e| e.to_string())?;
        }
        Ok(header)
    }

    /// Where the last tensor ends.
    pub fn data_len(&self) -> usize {
        self.tensors.last().map_or(0, |(_, info)| info.data_offsets.1)
    }
}

/// Which file of a sharded model a tensor is in: all that the index has for a name.
#[derive(Default)]
pub struct Index {
    /// `None` where the file has no `weight_map`.
    pub files: Option<BTreeMap<String, Vec<Place>>>,
}

impl Entries for Index {
    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        if name != "weight_map" {
            map.next_value::<IgnoredAny>()?;
        } else if self.files.replace(map.next_value::<Object<Files>>()?.0.0).is_some() {
            return Err(A::Error::custom("`weight_map` is there twice"));
        }
        Ok(())
    }
}

impl Index {
    /// # Errors
    /// In words.
    pub fn read(json: &[u8]) -> Result<Index, String> {
        serde_json::from_slice::<Object<Index>>(json).map(|o| o.0).map_err(|e| e.to_string())
    }
}

#[derive(Default)]
struct Files(BTreeMap<String, Vec<Place>>);

impl Entries for Files {
    fn entry<'de, A: MapAccess<'de>>(&mut self, name: String, map: &mut A) -> Result<(), A::Error> {
        let place = map.next_value()?;
        self.0.entry(name).or_default().push(place);
        Ok(())
    }
}

/// What an index has for a name.
pub enum Place {
    File(String),
    /// Something that is no text.
    Other,
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Place;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a file")
            }

            fn visit_str<E: Error>(self, v: &str) -> Result<Place, E> {
                Ok(Place::File(v.into()))
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Place, E> {
                Ok(Place::Other)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Place, E> {
                Ok(Place::Other)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Place, E> {
                Ok(Place::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Place, E> {
                Ok(Place::Other)
            }

            fn visit_unit<E: Error>(self) -> Result<Place, E> {
                Ok(Place::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Place, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Place::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Place, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Place::Other)
            }
        }
        d.deserialize_any(Read)
    }
}
