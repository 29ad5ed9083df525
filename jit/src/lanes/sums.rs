//! Long sums are made of partial sums, in the same way on every back end.

/// How many iterations of the loop over a sum one partial sum takes.
///
/// The rounding error of a chain of additions grows with its length, so longer sums are made of partial sums.
/// Before an iteration, if the number of iterations left, that one included, is a multiple of this number,
/// each accumulator is added to its [`Total`] and begins anew. Back ends split the sums of tiles exactly so.
/// They may split the sums of rows elsewhere.
pub const PART: i64 = 128;

/// How partial sums become one sum.
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
    /// The parts of a sum of so many iterations, if their number is known.
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
    /// The sum so far.
    pub sum: f32,
    /// What rounding took from it so far.
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

    /// The sum of all, with the last part. What is lost is NaN where the sum is infinite, and does not count
    /// there.
    pub fn with(self, part: f32) -> f32 {
        let all = self.sum + (part + self.lost);
        if all.is_nan() { self.sum + part } else { all }
    }
}
