//! The next token from the logits.

use fastrand::Rng;

/// How tokens are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// Only so many of the likeliest; 0 for all.
    pub top_k: usize,
    /// Only the likeliest whose probabilities add up to this.
    pub top_p: f32,
    /// Divides the logits above 0 of tokens that were there already, and multiplies those below (Keskar et
    /// al. 2019).
    pub repetition: f32,
    /// Equal seeds give equal answers.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Sampling {
        Sampling { temperature: 0.0, top_k: 0, top_p: 1.0, repetition: 1.0, seed: 0 }
    }
}

/// Chooses tokens one after another.
#[derive(Clone, Debug)]
pub struct Sampler {
    how: Sampling,
    rng: Rng,
    logits: Vec<f32>,
    order: Vec<u32>,
}

impl Sampler {
    /// A sampler that has chosen nothing yet.
    pub fn new(how: Sampling) -> Sampler {
        Sampler { rng: Rng::with_seed(how.seed), how, logits: Vec::new(), order: Vec::new() }
    }

    /// The next token behind `before`; nothing if there is none to choose. Logits that are NaN are never
    /// chosen.
    pub fn next(&mut self, logits: &[f32], before: &[i32]) -> Option<i32> {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        if self.how.repetition != 1.0 {
            for id in before {
                if let Some((x, from)) = self.logits.get_mut(*id as usize).zip(logits.get(*id as usize)) {
                    *x = if *from > 0.0 { from / self.how.repetition } else { from * self.how.repetition };
                }
            }
        }
        let all = &self.logits;
        if self.how.temperature <= 0.0 {
            let best = (0..all.len())
                .filter(|i| !all[*i].is_nan())
                .reduce(|a, b| if all[b] > all[a] { b } else { a });
            return best.map(|i| i as i32);
        }
        self.order.clear();
        self.order.extend((0..all.len() as u32).filter(|i| !all[*i as usize].is_nan()));
        let likelier = |a: &u32, b: &u32| all[*b as usize].total_cmp(&all[*a as usize]).then(a.cmp(b));
        let keep = match self.how.top_k {
            0 => self.order.len(),
            k => k.min(self.order.len()),
        };
        if keep == 0 {
            return None;
        }
        if keep < self.order.len() {
            self.order.select_nth_unstable_by(keep - 1, likelier);
            self.order.truncate(keep);
        }
        self.order.sort_unstable_by(likelier);
        let top = all[self.order[0] as usize];
        let weights: Vec<f32> =
            self.order.iter().map(|i| ((all[*i as usize] - top) / self.how.temperature).exp()).collect();
        let total: f32 = weights.iter().sum();
        let (mut within, mut count) = (0.0, 0);
        while count < weights.len() && (count == 0 || within < self.how.top_p * total) {
            within += weights[count];
            count += 1;
        }
        let mut left = self.rng.f32() * within;
        let chosen = weights[..count].iter().position(|w| {
            left -= w;
            left < 0.0
        });
        Some(self.order[chosen.unwrap_or(count - 1)] as i32)
    }
}
