//! Every mistake of `tests/ui` gives the text beside it; the module `repairs` repairs it. The documents quote
//! these texts.

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

#[test]
fn documents_quote_what_is_said() {
    let read = |path: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(&path).expect("a file of the repository")
    };
    let (program, text) = (read("tests/ui/residual-shape.rs"), read("tests/ui/residual-shape.stderr"));
    let message = text.split(" --> ").next().unwrap_or_default();
    assert!(message.lines().count() == 4 && read("README.md").contains(message), "{message}");
    let tutorial = read("docs/tutorial.md");
    let text = text.replace("tests/ui/residual-shape.rs", "src/main.rs");
    assert!(tutorial.contains(&text) && tutorial.contains(&program), "{text}\n{program}");
}
