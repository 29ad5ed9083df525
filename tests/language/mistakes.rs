//! Every mistake of `tests/ui` gives the text beside it; the module `repairs` repairs it.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    let files =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui")).expect("the folder of the cases");
    let mut all: Vec<_> = files.map(|f| f.expect("a file").path()).collect();
    all.sort();
    for path in all {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_string();
        if name.ends_with(".rs") && !name.ends_with(".fixed.rs") {
            cases.compile_fail(format!("tests/ui/{name}"));
        }
    }
}
