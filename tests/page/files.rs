//! What `report` writes, and what it refuses.

use crate::{Blocks, BlocksDims, ResidualNorm, Sums, numbers};
use serde_json::Value;
use tancho::{AsView, Error, Target};

/// The data in a page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"data\">").expect("the page has data");
    let (data, _) = rest.split_once("</script>").expect("the data ends");
    serde_json::from_str(data).expect("the data is JSON")
}

#[test]
fn an_unwritable_path_is_an_error_before_any_work() {
    let compiled = ResidualNorm::init(1).unwrap().compile(Target::host()).unwrap();
    let path = std::env::temp_dir().join("no such folder").join("page.html");
    // The dim is unknown as well: that would be found by the first work that is done.
    let error = compiled.report(&path, &[("no such dim", 3)]).unwrap_err();
    assert!(matches!(&error, Error::Save { path: at, .. } if *at == path), "{error}");
    let error = compiled.session().report(&path, &[]).unwrap_err();
    assert!(matches!(error, Error::Save { .. }), "{error}");
}

#[test]
fn where_there_is_nothing_to_show_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let compiled = ResidualNorm::init(1).unwrap().compile(Target::host()).unwrap();
    let error = compiled.report(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("`B`") && error.contains("it is not given"), "{error}");
    assert!(compiled.session().report(&path, &[[1.0; 4].view([4]).into()]).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_page_has_what_was_measured_and_the_session_keeps_its_states() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let session = ResidualNorm::init(1).unwrap().compile(Target::host()).unwrap().session();
    let x = numbers(64 * 48);
    session.report(&path, &[x.view([64, 48]).into()]).unwrap();
    let page = data(&std::fs::read_to_string(&path).unwrap());
    assert_eq!((&page["network"], &page["dims"][0][1]), (&"ResidualNorm".into(), &64.into()));
    let measured = &page["measured"];
    assert!(measured["runs"].as_u64().unwrap() > 0 && measured["roof"][0].as_f64().unwrap() > 0.0);
    assert!(!measured["errors"].as_array().unwrap().is_empty() && measured["diverges"].is_null());
    let step = &page["units"][0]["steps"][0];
    assert_eq!(step["name"], "matmul+residual+layer_norm");
    assert!(page["units"][0]["costs"][0][2].as_u64().unwrap() > 0, "nanoseconds were measured");
    // The source is that of this crate, as it was compiled.
    let file = &page["files"][0];
    assert_eq!(file["name"], "tests/page/main.rs");
    let first = file["first"].as_u64().unwrap();
    let shows =
        |line: u64, text: &str| file["lines"][(line - first) as usize].as_str().unwrap().contains(text);
    let sources = page["sources"].as_array().unwrap();
    let norm = sources.iter().find(|s| s[3] == "norm(h)").expect("the line of the norm");
    assert!(shows(norm[1].as_u64().unwrap(), "norm(h)"));
}

#[test]
fn pages_of_bodies_have_their_graphs_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let compiled = Sums::init(1).unwrap().compile(Target::host()).unwrap();
    compiled.report(&path, &[("B", 2), ("S", 5)]).unwrap();
    let page = data(&std::fs::read_to_string(&path).unwrap());
    let names: Vec<&str> =
        page["units"].as_array().unwrap().iter().filter_map(|u| u["name"].as_str()).collect();
    assert_eq!(names, ["", "body 0"]);
    assert!(page["measured"].is_null());
}

#[test]
fn equal_blocks_share_their_code_in_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    let size = |layers: usize| {
        let net = Blocks::with(BlocksDims { LAYERS: layers, ..Default::default() }).init(1).unwrap();
        net.compile(Target::host()).unwrap().report(&path, &[("B", 2)]).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        let functions = data(&page)["units"][0]["functions"].as_array().unwrap().len();
        (page.len(), functions)
    };
    let (one, few) = (size(2), size(24));
    assert_eq!(one.1, few.1, "as many functions");
    assert!(few.0 < one.0 + 22 * 12_000, "{} bytes for two blocks, {} for 24", one.0, few.0);
}
