//! How long sums are made: of partial sums, the same on every back end.

/// Iterations of a loop over a sum that one partial sum takes.
///
/// The rounding error of a chain of additions grows with its length, so longer sums are made of partial sums.
/// Where the iterations that are left, the one at hand among them, are a multiple of this number, an
/// accumulator is added to its [`Total`] and begins anew. Back ends split the sums of tiles in this way and
/// no other; where they split those of rows is theirs to choose.
pub const PART: i64 = 128;

/// How partial sums become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// There are none: the loop has fewer iterations than one part.
    None,
    /// A few: they are added.
    Few,
    /// Any number: a total keeps what additions to it lose to rounding, so that its error is that of the
    /// partial sums, however many they are.
    Many,
}

impl Parts {
    /// Those of a sum of so many iterations, if that is known.
    pub fn of(iterations: Option<i64>) -> Parts {
        match iterations {
            Some(n) if n < PART => Parts::None,
            Some(n) if n <= 16 * PART => Parts::Few,
            _ => Parts::Many,
        }
    }
}

/// The sum of partial sums, with what the additions to it lost to rounding (Fast2Sum, Dekker 1971).
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    /// What the partial sums make.
    pub sum: f32,
    /// What rounding took from it.
    pub lost: f32,
}

impl Total {
    /// Adds a partial sum.
    pub fn add(&mut self, part: f32, parts: Parts) {
        let sum = self.sum + part;
        if parts == Parts::Many {
            self.lost += part - (sum - self.sum);
        }
        self.sum = sum;
    }

    /// The sum of all, with the last part. What is lost is no number where the sum is infinite, and does not
    /// count there.
    pub fn with(self, part: f32) -> f32 {
        let all = self.sum + (part + self.lost);
        if all.is_nan() { self.sum + part } else { all }
    }
}
