//! Runs a declared network and gives its results as vectors.

use tancho::Target;

pub fn target() -> Target {
    Target::host().checked(true)
}

/// Compiles, compares with the interpreter, and runs.
#[macro_export]
macro_rules! run {
    ($net:expr, $($x:expr),*) => {{
        let compiled = $net.compile($crate::own::target()).unwrap();
        let report = compiled.check($($x),*).unwrap();
        assert!(report.ok(), "{report}\n{}", compiled.fused_ir());
        let mut session = compiled.session();
        session.run($($x),*).map($crate::own::Own::own).unwrap()
    }};
}

/// Every result as a vector.
pub trait Own {
    type Owned;
    fn own(self) -> Self::Owned;
}

impl<T: tancho::Element> Own for tancho::View<'_, T> {
    type Owned = Vec<T>;
    fn own(self) -> Vec<T> {
        self.to_vec()
    }
}

macro_rules! own {
    ($($t:ident)*) => {
        impl<$($t: Own),*> Own for ($($t,)*) {
            type Owned = ($($t::Owned,)*);
            #[allow(non_snake_case)]
            fn own(self) -> Self::Owned {
                let ($($t,)*) = self;
                ($($t.own(),)*)
            }
        }
    };
}
own!(A B);
own!(A B C);
own!(A B C D);
own!(A B C D E F);
