//! Abstract values: an integer or an address whose distance from its base is affine in the iteration of the
//! loop at hand.

/// What an address counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing is known.
    Unknown,
    /// No address: an integer.
    Int,
    /// A pointer argument.
    Pointer(u16),
    /// The function's code.
    Code,
    /// The stack when the function was entered.
    Stack,
    /// What the register of that number held then.
    Entry(u8),
}

/// `base + at + iteration * n` in iteration `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbstractValue {
    pub base: Base,
    pub at: i64,
    pub iteration: i64,
}

impl AbstractValue {
    /// Nothing is known of it.
    pub const UNKNOWN: AbstractValue = AbstractValue { base: Base::Unknown, at: 0, iteration: 0 };

    /// A known distance from a base.
    #[inline]
    pub fn new(base: Base, at: i64) -> AbstractValue {
        AbstractValue { base, at, iteration: 0 }
    }

    /// An integer.
    #[inline]
    pub fn int(at: i64) -> AbstractValue {
        AbstractValue::new(Base::Int, at)
    }

    /// The integer, if it is one and the same in every iteration.
    #[inline]
    pub fn fixed(self) -> Option<i64> {
        (self.base == Base::Int && self.iteration == 0).then_some(self.at)
    }

    /// Its distance from the base in an iteration.
    #[inline]
    pub fn in_iteration(self, n: i64) -> Option<i64> {
        self.iteration.checked_mul(n)?.checked_add(self.at)
    }

    #[inline]
    fn made(base: Base, at: Option<i64>, iteration: Option<i64>) -> AbstractValue {
        match (base, at, iteration) {
            (base, Some(at), Some(iteration)) if base != Base::Unknown => {
                AbstractValue { base, at, iteration }
            }
            _ => AbstractValue::UNKNOWN,
        }
    }

    #[inline]
    pub fn plus(self, other: AbstractValue) -> AbstractValue {
        let base = match (self.base, other.base) {
            (base, Base::Int) | (Base::Int, base) => base,
            _ => Base::Unknown,
        };
        AbstractValue::made(base, self.at.checked_add(other.at), self.iteration.checked_add(other.iteration))
    }

    #[inline]
    pub fn minus(self, other: AbstractValue) -> AbstractValue {
        let base = match (self.base, other.base) {
            (base, Base::Int) => base,
            (a, b) if a == b => {
                if a == Base::Unknown {
                    a
                } else {
                    Base::Int
                }
            }
            _ => Base::Unknown,
        };
        AbstractValue::made(base, self.at.checked_sub(other.at), self.iteration.checked_sub(other.iteration))
    }

    #[inline]
    pub fn times(self, factor: i64) -> AbstractValue {
        let base = if self.base == Base::Int { Base::Int } else { Base::Unknown };
        AbstractValue::made(base, self.at.checked_mul(factor), self.iteration.checked_mul(factor))
    }

    /// A product that is affine: of an integer that stays the same from iteration to iteration.
    pub fn product(self, other: AbstractValue) -> AbstractValue {
        match (self.fixed(), other.fixed()) {
            (_, Some(factor)) => self.times(factor),
            (Some(factor), _) => other.times(factor),
            _ => AbstractValue::UNKNOWN,
        }
    }

    /// A function that is not affine: of integers alone that stay the same from iteration to iteration.
    #[inline]
    pub fn map(self, f: impl FnOnce(i64) -> i64) -> AbstractValue {
        self.fixed().map_or(AbstractValue::UNKNOWN, |n| AbstractValue::int(f(n)))
    }
}

impl From<Option<i64>> for AbstractValue {
    #[inline]
    fn from(n: Option<i64>) -> AbstractValue {
        n.map_or(AbstractValue::UNKNOWN, AbstractValue::int)
    }
}
