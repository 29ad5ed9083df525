//! Learning rates that change from step to step.

/// A learning rate by the number of the step.
///
/// ```
/// use tancho_runtime::train::Schedule;
/// // 100 steps up to 3e-4, then half a cosine down to 3e-5 at step 1000.
/// let rate = Schedule::cosine(3e-4, 3e-5, 1000).warm_up(100);
/// assert_eq!(rate.at(49), 1.5e-4);
/// assert_eq!(rate.at(100), 3e-4);
/// assert!((rate.at(550) - 1.65e-4).abs() < 1e-9);
/// assert_eq!(rate.at(5000), 3e-5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Schedule {
    from: f64,
    to: f64,
    /// The step from which on it is `to`.
    end: u64,
    warm_up: u64,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Line,
    Cosine,
}

impl Schedule {
    /// The same rate at every step.
    pub const fn constant(rate: f64) -> Schedule {
        Schedule::linear(rate, rate, 0)
    }

    /// From one rate in a line to the other at step `end`, and the other from there on.
    pub const fn linear(from: f64, to: f64, end: u64) -> Schedule {
        Schedule { from, to, end, warm_up: 0, shape: Shape::Line }
    }

    /// The same by half a cosine (Loshchilov and Hutter 2017).
    pub const fn cosine(from: f64, to: f64, end: u64) -> Schedule {
        Schedule { from, to, end, warm_up: 0, shape: Shape::Cosine }
    }

    /// The first `steps` steps go up to the first rate in a line: step 0 has its part `1 / steps`. The line
    /// or cosine goes down from there to the same end.
    pub const fn warm_up(mut self, steps: u64) -> Schedule {
        self.warm_up = steps;
        self
    }

    /// The rate of a step; the first is number 0.
    pub fn at(&self, step: u64) -> f32 {
        let rate = if step < self.warm_up {
            self.from * (step + 1) as f64 / self.warm_up as f64
        } else if step >= self.end {
            self.to
        } else {
            let part = (step - self.warm_up) as f64 / (self.end - self.warm_up) as f64;
            let left = match self.shape {
                Shape::Line => 1.0 - part,
                Shape::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * part).cos()),
            };
            self.to + left * (self.from - self.to)
        };
        rate as f32
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn rates_at_ends_and_beyond() {
        assert_eq!([0, 7, u64::MAX].map(|s| Schedule::constant(0.5).at(s)), [0.5; 3]);
        let line = Schedule::linear(1.0, 0.0, 4);
        assert_eq!([0, 1, 2, 3, 4, 5].map(|s| line.at(s)), [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
        let warm = line.warm_up(2);
        assert_eq!([0, 1, 2, 3, 4].map(|s| warm.at(s)), [0.5, 1.0, 1.0, 0.5, 0.0]);
        // A warm-up that is longer than all of it.
        assert_eq!([0, 3, 4, 9].map(|s| line.warm_up(8).at(s)), [0.125, 0.5, 0.625, 0.0]);
        let cosine = Schedule::cosine(2.0, 1.0, 2);
        assert_eq!([0, 1, 2].map(|s| cosine.at(s)), [2.0, 1.5, 1.0]);
    }
}
