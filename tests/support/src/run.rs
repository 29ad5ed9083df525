//! Ways to compile and run a network or a graph.

use crate::views;
use tancho::Model;
use tancho::{AnyView, Compiled, Graph, Session, Target, Tensor};

/// A session of a network that was compiled in checked mode and agrees with the interpreter.
#[macro_export]
macro_rules! checked_session {
    ($net:expr, $($x:expr),*) => {{
        let compiled = $net.compile(::tancho::Target::host().with_checked(true)).unwrap();
        let report = compiled.check($($x),*).unwrap();
        assert!(report.is_ok(), "{report}\n{}", compiled.fused_ir());
        compiled.session()
    }};
}

/// Compiles a network in checked mode, compares it with the interpreter, and gives the results as vectors.
#[macro_export]
macro_rules! run {
    ($net:expr, $($x:expr),*) => {
        $crate::checked_session!($net, $($x),*).run($($x),*).map($crate::Own::own).unwrap()
    };
}

/// The same with the results as tensors.
#[macro_export]
macro_rules! tensors {
    ($net:expr, $($x:expr),*) => {{
        let mut session = $crate::checked_session!($net, $($x),*);
        session.run($($x),*).unwrap();
        $crate::results(&session)
    }};
}

/// Every result as a vector.
pub trait Own {
    /// A vector, or a tuple of them.
    type Owned;
    /// Copies the results.
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

/// Every result of the last run.
pub fn results(session: &Session) -> Vec<Tensor> {
    (0..session.compiled().graph().outputs.len()).map(|i| session.tensor(i).expect("a result")).collect()
}

/// A graph compiled in checked mode with weights of one seed.
///
/// # Errors
/// What the compiler says.
pub fn compile(g: &Graph) -> Result<Compiled, String> {
    compile_for(g, Target::host().with_checked(true))
}

/// The same for a target.
///
/// # Errors
/// What the compiler says.
pub fn compile_for(g: &Graph, target: Target) -> Result<Compiled, String> {
    let model = Model::from_graph(g.clone(), 7).map_err(|e| e.to_string())?;
    model.compile(target).map_err(|e| e.to_string())
}

/// The results of a run divided among so many threads, down to the smallest step.
///
/// # Errors
/// What the session says.
pub fn run_on(c: &Compiled, threads: usize, inputs: &[Tensor]) -> Result<Vec<Tensor>, tancho::Error> {
    run_views_on(c, threads, &views(inputs))
}

/// The same of inputs in the element types that they are declared with.
///
/// # Errors
/// What the session says.
pub fn run_views_on(
    c: &Compiled,
    threads: usize,
    inputs: &[AnyView<'_>],
) -> Result<Vec<Tensor>, tancho::Error> {
    let mut s = c.session_with_threads(threads)?;
    s.divide_all();
    s.run_inputs(inputs)?;
    Ok(results(&s))
}

/// Compiles the text of a graph in checked mode, compares every op with the interpreter on the arguments
/// that the native code had, and gives the results.
#[track_caller]
pub fn check(text: &str, inputs: &[Tensor]) -> Vec<Tensor> {
    let g = Graph::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let c = compile(&g).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let report = c.check_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{e}\n{}", c.fused_ir()));
    assert!(report.is_ok(), "{report}\n{}", c.fused_ir());
    let mut s = c.session();
    s.run_inputs(&views(inputs)).unwrap_or_else(|e| panic!("{e}"));
    results(&s)
}
