//! The repaired twin of every case in `tests/ui`: what its help line says, compiled and run.

use std::collections::BTreeSet;
use std::path::Path;

macro_rules! twins {
    ($($name:ident = $file:literal,)*) => {
        $(#[path = $file] mod $name;)*

        const TWINS: &[&str] = &[$($file),*];

        #[test]
        fn every_repair_works() {
            $($name::check();)*
        }
    };
}

twins! {
    arguments = "../ui/arguments.fixed.rs",
    arrays = "../ui/arrays.fixed.rs",
    article_gain = "../ui/article-gain.fixed.rs",
    assignments = "../ui/assignments.fixed.rs",
    attributes = "../ui/attributes.fixed.rs",
    axes = "../ui/axes.fixed.rs",
    branches_differ = "../ui/branches-differ.fixed.rs",
    broken_headers = "../ui/broken-headers.fixed.rs",
    broken_still_usable = "../ui/broken-still-usable.fixed.rs",
    constants = "../ui/constants.fixed.rs",
    counted_loops = "../ui/counted-loops.fixed.rs",
    dim_cycle = "../ui/dim-cycle.fixed.rs",
    duplicate_names = "../ui/duplicate-names.fixed.rs",
    element_types = "../ui/element-types.fixed.rs",
    elements_differ = "../ui/elements-differ.fixed.rs",
    entry_points = "../ui/entry-points.fixed.rs",
    entry_states = "../ui/entry-states.fixed.rs",
    experts = "../ui/experts.fixed.rs",
    foreign_broken = "../ui/foreign-broken.fixed.rs",
    foreign_input = "../ui/foreign-input.fixed.rs",
    foreign_inputs = "../ui/foreign-inputs.fixed.rs",
    foreign_no_annotation = "../ui/foreign-no-annotation.fixed.rs",
    foreign_promise = "../ui/foreign-promise.fixed.rs",
    foreign_unresolved = "../ui/foreign-unresolved.fixed.rs",
    foreign_use = "../ui/foreign-use.fixed.rs",
    foreign_where = "../ui/foreign-where.fixed.rs",
    generated_names = "../ui/generated-names.fixed.rs",
    habits = "../ui/habits.fixed.rs",
    handed_on = "../ui/handed-on.fixed.rs",
    headers = "../ui/headers.fixed.rs",
    heads_divide = "../ui/heads-divide.fixed.rs",
    incomplete_line = "../ui/incomplete-line.fixed.rs",
    keywords = "../ui/keywords.fixed.rs",
    known_when_compiled = "../ui/known-when-compiled.fixed.rs",
    last_rows = "../ui/last-rows.fixed.rs",
    leading_axes = "../ui/leading-axes.fixed.rs",
    loop_shape = "../ui/loop-shape.fixed.rs",
    many_axes = "../ui/many-axes.fixed.rs",
    masks = "../ui/masks.fixed.rs",
    matmul_inner = "../ui/matmul-inner.fixed.rs",
    matmul_transpose_help = "../ui/matmul-transpose-help.fixed.rs",
    missing_dim = "../ui/missing-dim.fixed.rs",
    mixed_operators = "../ui/mixed-operators.fixed.rs",
    never_used = "../ui/never-used.fixed.rs",
    no_gradient = "../ui/no-gradient.fixed.rs",
    no_gradient_foreign = "../ui/no-gradient-foreign.fixed.rs",
    no_path_to_loss = "../ui/no-path-to-loss.fixed.rs",
    optimiser_settings = "../ui/optimiser-settings.fixed.rs",
    norm_axis = "../ui/norm-axis.fixed.rs",
    norm_gain = "../ui/norm-gain.fixed.rs",
    not_a_network = "../ui/not-a-network.fixed.rs",
    not_a_value = "../ui/not-a-value.fixed.rs",
    numbers_in_range = "../ui/numbers-in-range.fixed.rs",
    of_pytorch = "../ui/of-pytorch.fixed.rs",
    of_rust = "../ui/of-rust.fixed.rs",
    one_cause = "../ui/one-cause.fixed.rs",
    one_slip_one_error = "../ui/one-slip-one-error.fixed.rs",
    operators = "../ui/operators.fixed.rs",
    options_of_windows = "../ui/options-of-windows.fixed.rs",
    promise_body = "../ui/promise-body.fixed.rs",
    pushed_error = "../ui/pushed-error.fixed.rs",
    pytorch_names = "../ui/pytorch-names.fixed.rs",
    rearrange_names = "../ui/rearrange-names.fixed.rs",
    recursive = "../ui/recursive.fixed.rs",
    repeat_shape = "../ui/repeat-shape.fixed.rs",
    repeat_weights = "../ui/repeat-weights.fixed.rs",
    residual_broadcast = "../ui/residual-broadcast.fixed.rs",
    residual_shape = "../ui/residual-shape.fixed.rs",
    rope_options = "../ui/rope-options.fixed.rs",
    rows_and_heads = "../ui/rows-and-heads.fixed.rs",
    run_time_dims = "../ui/run-time-dims.fixed.rs",
    rust_habits = "../ui/rust-habits.fixed.rs",
    scans = "../ui/scans.fixed.rs",
    shared_states = "../ui/shared-states.fixed.rs",
    similar_networks = "../ui/similar-networks.fixed.rs",
    sizes_and_places = "../ui/sizes-and-places.fixed.rs",
    slices = "../ui/slices.fixed.rs",
    small_slips = "../ui/small-slips.fixed.rs",
    state_outgrows = "../ui/state-outgrows.fixed.rs",
    state_pushes = "../ui/state-pushes.fixed.rs",
    swapped_arguments = "../ui/swapped-arguments.fixed.rs",
    training = "../ui/training.fixed.rs",
    tuples = "../ui/tuples.fixed.rs",
    two_errors_one_file = "../ui/two-errors-one-file.fixed.rs",
    two_macros = "../ui/two-macros.fixed.rs",
    types_of_inputs = "../ui/types-of-inputs.fixed.rs",
    unknown_dim_case = "../ui/unknown-dim-case.fixed.rs",
    unknown_op = "../ui/unknown-op.fixed.rs",
    unknown_signature = "../ui/unknown-signature.fixed.rs",
    unsupported = "../ui/unsupported.fixed.rs",
    unused_buffer = "../ui/unused-buffer.fixed.rs",
    unused_param = "../ui/unused-param.fixed.rs",
    weights_index = "../ui/weights-index.fixed.rs",
    where_divides = "../ui/where-divides.fixed.rs",
    whole_lines = "../ui/whole-lines.fixed.rs",
    widths = "../ui/widths.fixed.rs",
    windows = "../ui/windows.fixed.rs",
    wrong_calls = "../ui/wrong-calls.fixed.rs",
    wrong_inputs = "../ui/wrong-inputs.fixed.rs",
}

/// The names of the files in `tests/ui` with this ending.
fn named(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui"))
        .expect("the folder of the cases");
    let names = files.map(|f| f.expect("a file").file_name().into_string().expect("a name"));
    names.filter_map(|n| Some(n.strip_suffix(ending)?.to_string())).filter(|n| !n.contains('.')).collect()
}

#[test]
fn every_case_is_whole() {
    let cases = named(".rs");
    assert!(cases.len() > 50, "{}", cases.len());
    assert_eq!(cases, named(".stderr"), "a case has a text it must give");
    assert_eq!(cases, named(".fixed.rs"), "a case has a twin");
    let listed: BTreeSet<String> = TWINS
        .iter()
        .filter_map(|t| Some(t.strip_prefix("../ui/")?.strip_suffix(".fixed.rs")?.to_string()))
        .collect();
    assert_eq!(listed, cases, "a twin is listed here");
    let errors = include_str!("../../docs/errors.md");
    let unexplained: Vec<&String> = cases.iter().filter(|c| !errors.contains(&format!("`{c}`"))).collect();
    assert!(unexplained.is_empty(), "docs/errors.md does not name {unexplained:?}");
}
