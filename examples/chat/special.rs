//! Special tokens: where a text names them, and how a text that names them goes through a template as
//! letters.

use super::super::model::Failure;
use std::collections::{BTreeSet, HashSet};
use tokenizers::Tokenizer;

/// The names of special tokens and their ids, longer ones first.
pub struct Special(Vec<(String, i32)>);

impl Special {
    /// Those of a tokenizer.
    pub fn of(tokenizer: &Tokenizer) -> Special {
        let added = tokenizer
            .get_added_tokens_decoder()
            .into_iter()
            .filter(|(_, token)| token.special && !token.content.is_empty());
        let mut all: Vec<(String, i32)> = added.map(|(id, token)| (token.content, id as i32)).collect();
        all.sort_by_key(|(name, id)| (std::cmp::Reverse(name.len()), *id));
        Special(all)
    }

    /// Ids of a text, in which these names are those tokens, and what is between them is for `plain`.
    pub fn ids(
        &self,
        text: &str,
        plain: impl Fn(&str) -> Result<Vec<i32>, Failure>,
    ) -> Result<Vec<i32>, Failure> {
        let (mut ids, mut from, mut at) = (Vec::new(), 0, 0);
        while at < text.len() {
            // A name begins where a character does, and so it ends where one does.
            match self.0.iter().find(|(name, _)| text.as_bytes()[at..].starts_with(name.as_bytes())) {
                Some((name, id)) => {
                    ids.extend(plain(&text[from..at])?);
                    ids.push(*id);
                    at += name.len();
                    from = at;
                }
                None => at += 1,
            }
        }
        ids.extend(plain(&text[from..])?);
        Ok(ids)
    }
}

/// Characters that stand for those that names of special tokens begin with. A template may trim and cut what
/// was said, so the text itself has to carry what is a letter in it.
pub struct StandIns(Vec<(char, char)>);

impl StandIns {
    /// Characters of a private use area that none of these texts has.
    ///
    /// # Errors
    /// The texts have all of them.
    pub fn new<'a>(special: &Special, texts: impl Iterator<Item = &'a str>) -> Result<StandIns, Failure> {
        let used: HashSet<char> = texts.flat_map(str::chars).collect();
        let firsts: BTreeSet<char> = special.0.iter().filter_map(|(name, _)| name.chars().next()).collect();
        let free = ('\u{f0000}'..='\u{ffffd}').filter(|c| !used.contains(c));
        let pairs: Vec<(char, char)> = firsts.iter().copied().zip(free).collect();
        match pairs.len() == firsts.len() {
            true => Ok(StandIns(pairs)),
            false => Err("the conversation has every character of Unicode's private use area A".into()),
        }
    }

    /// The text with stand-ins.
    pub fn hide(&self, text: &str) -> String {
        text.chars()
            .map(|c| self.0.iter().find(|(first, _)| *first == c).map_or(c, |(_, other)| *other))
            .collect()
    }

    /// The text without them.
    pub fn show(&self, text: &str) -> String {
        text.chars()
            .map(|c| self.0.iter().find(|(_, other)| *other == c).map_or(c, |(first, _)| *first))
            .collect()
    }
}
