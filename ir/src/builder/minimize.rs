//! What a `train fn` minimises.

use super::*;
use crate::training::settings;

impl Scope<'_> {
    /// `minimize loss with adamw(lr = rate, weight_decay = 0.1);`
    pub fn minimize(
        &mut self,
        loss: Value,
        rate: Value,
        optimizer: &str,
        given: &[(&'static str, OptionValue)],
    ) -> Result<()> {
        let number = |(name, value): &(&'static str, OptionValue)| match scalar_for(DType::F32, *value) {
            Some(Scalar::F32(x)) => Ok((*name, x.0)),
            _ => Err(self.fail(BuildError::new(format!("`{name}` of `{optimizer}` is no number")))),
        };
        let given: Vec<(&str, f64)> = given.iter().map(number).collect::<Result<_>>()?;
        let made = settings::optimizer(optimizer, &given);
        let (optimizer, clip) = made.map_err(|why| self.fail(BuildError::new(why)))?;
        self.known.minimize = Some(Minimize { loss, rate, optimizer, clip });
        Ok(())
    }
}
