//! Reading a polynomial from its text.

use super::{Dim, DimError, MAX_DEPTH, Result};

impl Dim {
    /// Reads a polynomial: integers, names, `+ - *`, `floor(p / c)`, `ceil(p / c)`, exact `p / c`, powers
    /// `2^i`, parentheses.
    pub fn parse(text: &str) -> Result<Dim> {
        let mut p = Parser { rest: text, depth: 0 };
        let d = p.sum()?;
        p.skip();
        if p.rest.is_empty() {
            Ok(d)
        } else {
            Err(DimError::Syntax(format!("expected the end of the dimension before `{}`", p.rest)))
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(c) {
            Some(r) => {
                self.rest = r;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.eat(c) {
            Ok(())
        } else {
            Err(DimError::Syntax(format!("expected `{c}` in a dimension, found `{}`", self.rest)))
        }
    }

    fn sum(&mut self) -> Result<Dim> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DimError::TooComplex);
        }
        let mut d = self.product()?;
        loop {
            if self.eat('+') {
                d = d.plus(&self.product()?)?;
            } else if self.eat('-') {
                d = d.minus(&self.product()?)?;
            } else {
                self.depth -= 1;
                return Ok(d);
            }
        }
    }

    fn product(&mut self) -> Result<Dim> {
        let mut d = self.factor()?;
        loop {
            if self.eat('*') {
                d = d.times(&self.factor()?)?;
            } else if self.eat('/') {
                d = d.exact_div(&self.factor()?)?;
            } else {
                return Ok(d);
            }
        }
    }

    fn word(&mut self) -> &'a str {
        self.skip();
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '#'))
            .unwrap_or(self.rest.len());
        let (w, r) = self.rest.split_at(end);
        self.rest = r;
        w
    }

    fn factor(&mut self) -> Result<Dim> {
        let mut negative = false;
        while self.eat('-') {
            negative = !negative;
        }
        let mut d = self.unsigned_factor()?;
        if self.eat('^') {
            d = d.power(&self.unsigned_factor()?)?;
        }
        if negative { d.times(&Dim::constant(-1)) } else { Ok(d) }
    }

    fn unsigned_factor(&mut self) -> Result<Dim> {
        if self.eat('(') {
            let d = self.sum()?;
            self.expect(')')?;
            return Ok(d);
        }
        let w = self.word();
        if w.is_empty() {
            return Err(DimError::Syntax(format!(
                "expected a number or a name in a dimension, found `{}`",
                self.rest
            )));
        }
        if w.starts_with(|c: char| c.is_ascii_digit()) {
            let digits: String = w.chars().filter(|c| *c != '_').collect();
            return digits.parse().map(Dim::constant).map_err(|_| DimError::Overflow);
        }
        if (w == "floor" || w == "ceil") && self.eat('(') {
            // The top-level `/` of the argument is the division to round, so the
            // dividend is read as a sum of products that stop before it.
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(DimError::TooComplex);
            }
            let p = self.dividend()?;
            self.expect('/')?;
            let c = self.factor()?;
            self.expect(')')?;
            self.depth -= 1;
            return if w == "floor" { p.floor_div(&c) } else { p.ceil_div(&c) };
        }
        Ok(Dim::sym(w))
    }

    fn dividend(&mut self) -> Result<Dim> {
        let mut d = self.factor()?;
        while self.eat('*') {
            d = d.times(&self.factor()?)?;
        }
        Ok(d)
    }
}
