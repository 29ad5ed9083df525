//! Constants of a body: tables of numbers, and those that are given when the network is made.

use super::*;

impl Scope<'_> {
    /// Declares a constant, or finds it again. A table is its shape and its numbers in row-major order, in
    /// [postfix form](evaluate) between commas; without one the values are given when the network is made.
    pub fn declare_constant(
        &mut self,
        name: &str,
        path: &str,
        ty: &str,
        table: Option<(&[usize], &str)>,
    ) -> Result<Value> {
        let full = format!("{}{}", self.path, self.numbered(path));
        let ty = self.ty(ty)?;
        if let Some(d) = ty.shape.iter().find(|d| d.as_const().is_none()) {
            return Err(self.fail(BuildError::new(format!("constant `{full}` has the run-time dim {d}"))));
        }
        let values = match table {
            None => Init::Given,
            Some((shape, numbers)) => Init::Table(self.numbers_of(&full, &ty, shape, numbers)?),
        };
        self.weight(WeightDecl::constant(full, ty, values), name)
    }

    /// The numbers of a table, as many as the type has.
    fn numbers_of(&self, name: &str, ty: &Type, shape: &[usize], numbers: &str) -> Result<Table> {
        let found: Vec<Dim> = shape.iter().map(|&n| n.into()).collect();
        if found != ty.shape {
            return Err(self.fail(BuildError::new(format!(
                "constant `{name}` is {ty}, but its table is {}",
                Shape(&found)
            ))));
        }
        let value = |name: &str| self.dims.get(name).and_then(Dim::as_const).map(|n| n as f64);
        let number = |text: &str| {
            let n = evaluate(text, &value).ok_or_else(|| {
                self.fail(BuildError::new(format!("`{text}` in constant `{name}` is no number")))
            })?;
            if fits(n, ty.dtype) {
                return Ok(n);
            }
            Err(self.fail(BuildError::new(format!("{n:?} in constant `{name}` is no {}", ty.dtype))))
        };
        let all = numbers.split(',').filter(|n| !n.is_empty()).map(number).collect::<Result<Vec<f64>>>()?;
        Ok(Table::new(all))
    }
}
