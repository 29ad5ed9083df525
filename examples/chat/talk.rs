//! A conversation: what was said, what the session has read of it, and the next answer.

use super::model::{Failure, SmolLm2Session, checked};
use super::sample::Sampler;
use super::text::{Message, prompt};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tancho::{AsView, Error};
use tokenizers::Tokenizer;

/// Tokens of a prompt that are read in one run.
const CHUNK: usize = 256;

/// A conversation that goes on.
pub struct Chat {
    pub session: SmolLm2Session,
    pub tokenizer: Tokenizer,
    pub template: String,
    /// Tokens of the whole conversation at most.
    pub context: usize,
    /// The tokens that end an answer.
    pub ends: Vec<i32>,
    pub sampler: Sampler,
    pub messages: Vec<Message>,
    /// Whether names of special tokens in what the user says are those tokens.
    pub raw: bool,
    /// The ids that the session has read.
    pub read: Vec<i32>,
    pub stopped: Arc<AtomicBool>,
}

/// What an answer took: tokens that were read, and the time.
#[derive(Default)]
pub struct Took {
    pub prompt: (usize, Duration),
    pub answer: (usize, Duration),
}

impl Chat {
    /// Forgets what was said, but for what the model was told before.
    pub fn begin_anew(&mut self) {
        self.messages.retain(|m| m.role == "system");
    }

    fn is_stopped(&self) -> bool {
        self.stopped.swap(false, Ordering::Relaxed)
    }

    /// Reads ids, of which the session may have some already: the logits behind the last are its result then.
    /// Gives how many it read; nothing if it was stopped before all were.
    fn read(&mut self, ids: &[i32]) -> Result<Option<usize>, Error> {
        let same = self.read.iter().zip(ids).take_while(|(a, b)| a == b).count();
        // The last is read anew: its logits are wanted.
        let same = same.min(ids.len().saturating_sub(1));
        if same < self.read.len() {
            self.session.truncate("P", same)?;
            self.read.truncate(same);
        }
        for (i, part) in ids[same..].chunks(CHUNK).enumerate() {
            if i > 0 && self.is_stopped() {
                return Ok(None);
            }
            self.session.run(part.view([1, part.len()]))?;
            self.read.extend_from_slice(part);
        }
        Ok(Some(ids.len() - same))
    }

    /// Answers, and writes the answer as it comes. After an error the conversation is as it was.
    ///
    /// # Errors
    /// The conversation does not fit into the context, the model's logits are not numbers, or nobody reads
    /// the answer.
    pub fn answer(&mut self, question: String, most: usize, out: &mut dyn Write) -> Result<Took, Failure> {
        let kept = self.messages.len();
        self.messages.push(Message { role: "user", content: question });
        let done = self.reply(most, out);
        match &done {
            Ok((_, Some(said))) => self.messages.push(Message { role: "assistant", content: said.clone() }),
            Ok((_, None)) | Err(_) => self.messages.truncate(kept),
        }
        done.map(|(took, _)| took)
    }

    /// What it took and what was said; nothing if it was stopped before anything was.
    fn reply(&mut self, most: usize, out: &mut dyn Write) -> Result<(Took, Option<String>), Failure> {
        let mut all = prompt(&self.tokenizer, &self.template, &self.messages, self.raw)?;
        if all.len() > self.context {
            return Err(format!(
                "the conversation has {} tokens with this, and the context room for {}: say less, begin anew with /reset, or take a larger --context",
                all.len(),
                self.context
            )
            .into());
        }
        let (mut took, start) = (Took::default(), Instant::now());
        let Some(read) = self.read(&all)? else {
            writeln!(out)?;
            return Ok((took, None));
        };
        took.prompt = (read, start.elapsed());
        let tokenizer = self.tokenizer.clone();
        let mut words = tokenizer.decode_stream(true);
        let (mut said, mut answer, start) = (String::new(), Vec::new(), Instant::now());
        let mut stopped = false;
        loop {
            stopped = stopped || self.is_stopped();
            if stopped {
                break;
            }
            let logits = checked(self.session.output::<f32>(0)?.data())?;
            let next = self.sampler.next(logits, &all).ok_or("the model has no tokens")?;
            if self.ends.contains(&next) {
                break;
            }
            all.push(next);
            answer.push(next as u32);
            if let Some(text) = words.step(next as u32)? {
                write!(out, "{text}")?;
                out.flush()?;
                said.push_str(&text);
            }
            if answer.len() == most {
                break;
            }
            if all.len() > self.context {
                write!(out, "\n[the context of {} tokens is full]", self.context)?;
                break;
            }
            self.read(&all)?;
            took.answer = (took.answer.0 + 1, start.elapsed());
        }
        // A character that the answer ends in the middle of.
        let whole = self.tokenizer.decode(&answer, true)?;
        if let Some(rest) = whole.strip_prefix(&said) {
            write!(out, "{rest}")?;
            said = whole;
        }
        writeln!(out)?;
        out.flush()?;
        Ok((took, (!stopped || !said.is_empty()).then_some(said)))
    }
}
