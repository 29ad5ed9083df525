//! Everything under a path: a file, the files of an index, or a folder with either.

use super::entry::Entry;
use super::error::{LoadError, Problem};
use super::file::{self, MAX_HEADER, Opened};
use super::json::{Index, Place};
use super::mapping::stat;
use super::names::{cut, listed};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// All tensors under a path.
#[derive(Default)]
pub struct Found {
    pub entries: BTreeMap<String, Entry>,
    /// The files they are in.
    pub files: Vec<PathBuf>,
    pub faults: Vec<Fault>,
    /// Which part of a split model the file is, if it is one.
    pub part: Option<String>,
}

/// Something wrong with an index or its files, which is a matter of these tensors: reported if one of
/// them is needed.
pub struct Fault {
    pub names: Vec<String>,
    pub problem: Problem,
}

/// All tensors under a path, and the files they are in.
pub fn read(path: &Path) -> Result<Found, LoadError> {
    if stat(path)?.is_dir() {
        let candidates = [path.join("model.safetensors"), path.join("model.safetensors.index.json")];
        // A link to nothing, or one that may not be looked at, is reported where it is opened.
        let there = |c: &&PathBuf| !fs::symlink_metadata(c).is_err_and(|e| e.kind() == ErrorKind::NotFound);
        return match candidates.iter().find(|c| c.exists()).or_else(|| candidates.iter().find(there)) {
            Some(c) => read(c),
            None => {
                let why = "the directory holds neither `model.safetensors` nor `model.safetensors.index.json`; pass the file's own path";
                Err(LoadError::NoFile { path: path.into(), why: why.into() })
            }
        };
    }
    if path.extension().is_some_and(|e| e == "json") {
        return read_index(path);
    }
    let Opened { entries, part, .. } = file::open(path)?;
    Ok(Found { entries: entries.into_iter().collect(), files: vec![path.into()], faults: Vec::new(), part })
}

fn read_index(path: &Path) -> Result<Found, LoadError> {
    let bad = |why: String| LoadError::Index { path: path.into(), why };
    let about = stat(path)?;
    if !about.is_file() {
        return Err(LoadError::NoFile { path: path.into(), why: "it is not a regular file".into() });
    }
    if about.len() > MAX_HEADER {
        return Err(bad(format!("it has {} bytes, more than the {MAX_HEADER} that are read", about.len())));
    }
    let text = fs::read(path).map_err(|error| LoadError::Io { path: path.into(), error })?;
    let index = Index::read(&text).map_err(|why| bad(format!("it cannot be read: {}", cut(&why))))?;
    let map = index.files.ok_or_else(|| bad("it has no object `weight_map`".into()))?;
    let nameless: Vec<&String> =
        map.iter().filter(|(_, p)| p.iter().any(|p| matches!(p, Place::Other))).map(|(n, _)| n).collect();
    if !nameless.is_empty() {
        return Err(bad(format!("the file of {} is no string", listed(&nameless))));
    }
    let mut found = Found::default();
    // The names that each file has by the index.
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, places) in &map {
        for place in places {
            if let Place::File(shard) = place {
                shards.entry(shard).or_default().push(name);
            }
        }
        if places.len() > 1 {
            let problem = Problem::Twice { name: name.clone(), files: vec![path.into()] };
            found.faults.push(Fault { names: vec![name.clone()], problem });
        }
    }
    // Where each tensor was found, by the index or without it.
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut beyond = Vec::new();
    for (shard, names) in shards {
        let file = path.with_file_name(shard);
        // An index comes with its shards; a path that leads elsewhere is a mistake or worse.
        let opened = match Path::new(shard).components().all(|c| matches!(c, Component::Normal(_))) {
            true => file::open(&file).map_err(|e| e.to_string()),
            false => Err(format!("`{}` is not below the directory of the index", cut(shard))),
        };
        let mut entries: BTreeMap<String, Entry> = match opened {
            Ok(o) => o.entries.into_iter().collect(),
            Err(why) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                found
                    .faults
                    .push(Fault { problem: Problem::Shard { file, why, names: names.clone() }, names });
                continue;
            }
        };
        for name in entries.keys() {
            places.entry(name.clone()).or_default().push(file.clone());
        }
        for name in names {
            match entries.remove(name) {
                Some(e) => drop(found.entries.insert(name.into(), e)),
                // It is there twice, and reported as that.
                None if found.entries.contains_key(name) => {}
                None => {
                    let problem = Problem::NotInShard { name: name.into(), file: file.clone() };
                    found.faults.push(Fault { names: vec![name.into()], problem });
                }
            }
        }
        beyond.extend(entries);
        found.files.push(file);
    }
    for (name, files) in places.into_iter().filter(|(_, files)| files.len() > 1) {
        found.faults.push(Fault { names: vec![name.clone()], problem: Problem::Twice { name, files } });
    }
    // What shards hold beyond the index is reported as unexpected, like anything else.
    for (name, e) in beyond {
        found.entries.entry(name).or_insert(e);
    }
    Ok(found)
}
