//! The page in a browser.

use crate::browser::Browser;
use crate::{Blocks, ResidualNorm, Sums, numbers};
use serde_json::json;
use std::path::PathBuf;
use tancho::{AsView, Graph, Model, Target};
use tempfile::TempDir;

/// A page in a folder of its own, and a browser that shows it.
struct Shown {
    path: PathBuf,
    browser: Browser,
    _folder: TempDir,
}

/// Writes a page and opens it, if there is a browser.
fn shown(write: impl FnOnce(&PathBuf)) -> Option<Shown> {
    let mut browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    write(&path);
    browser.show_as(1280, 800, false);
    browser.open(&path, "");
    Some(Shown { path, browser, _folder: folder })
}

/// The page of the article's formula, measured.
fn residual_norm(path: &PathBuf) {
    let session = ResidualNorm::init(1).unwrap().compile(Target::host()).unwrap().session();
    session.report(path, &[numbers(64 * 48).view([64, 48]).into()]).unwrap();
}

fn by_layers(path: &PathBuf) {
    let compiled = Blocks::init(1).unwrap().compile(Target::host()).unwrap();
    compiled.session().report(path, &[numbers(4 * 32).view([4, 32]).into()]).unwrap();
}

/// A selector of the source line with this text: elements have the texts of their lines only.
fn mark_line(browser: &mut Browser, text: &str) -> &'static str {
    let found = browser.eval(&format!(
        "(() => {{ const l = [...document.querySelectorAll('#source .has-ops')]\
         .find(l => l.textContent.includes({})); if (l) l.id = 'wanted'; return Boolean(l); }})()",
        json!(text)
    ));
    assert_eq!(found, true, "a line with {text}");
    "#wanted"
}

#[test]
fn every_view_is_drawn_in_every_size_and_colour_without_complaint() {
    let Some(Shown { path, mut browser, _folder }) = shown(residual_norm) else { return };
    let views = ["Graph", "IR", "Kernels", "Memory", "Roofline", "Threads", "Compiling"];
    for (width, height) in [(1280, 800), (1920, 1080)] {
        for dark in [false, true] {
            browser.show_as(width, height, dark);
            browser.open(&path, "");
            for (key, view) in ["1", "2", "3", "4", "5", "6", "7"].into_iter().zip(views) {
                browser.press(key);
                let selected =
                    browser.eval("document.querySelector('#tabs [aria-selected=true]').textContent");
                assert_eq!(selected, view);
                let drawn = format!("[data-view={view}]:not([hidden]) *");
                assert!(browser.count(&drawn) > 5, "{view} is drawn");
            }
            let wide = browser.eval("document.documentElement.scrollWidth > innerWidth");
            assert_eq!(wide, false, "the page is as wide as the window of {width}");
            let contrast = browser.eval(CONTRAST).as_f64().unwrap();
            assert!(contrast >= 4.5, "the contrast of text is {contrast} where dark is {dark}");
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

/// The least contrast of a text and what is behind it (WCAG 2.2).
const CONTRAST: &str = "(() => {
    const light = (text) => {
        const at = document.createElement('canvas').getContext('2d');
        at.fillStyle = text; at.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...at.getImageData(0, 0, 1, 1).data].map(c => c / 255)
            .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const style = getComputedStyle(document.documentElement);
    const of = (name) => light(style.getPropertyValue(name));
    const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return Math.min(...['--panel', '--ground', '--lit'].flatMap(behind =>
        (behind === '--lit' ? ['--ink'] : ['--ink', '--soft']).map(text => contrast(of(text), of(behind)))));
})()";

#[test]
fn a_line_leads_to_all_that_belongs_to_it_and_an_instruction_back_to_its_line() {
    let Some(Shown { mut browser, _folder, .. }) = shown(residual_norm) else { return };
    let line = mark_line(&mut browser, "norm(h)");
    browser.click(line);
    for (place, what) in [
        ("#wanted.lit", "the line"),
        ("[data-view=Graph] .op.lit", "its op in the graph"),
        ("#kernel .line.lit", "its instructions"),
    ] {
        assert!(browser.count(place) >= 1, "{what}");
    }
    assert_eq!(browser.count("[data-view=Graph] .op.lit"), 1, "no other op of the kernel");
    let norm = browser.eval("document.querySelector('[data-view=Graph] .op.lit .name').textContent");
    assert_eq!(norm, "layer_norm");
    assert!(browser.eval("location.hash").as_str().unwrap().starts_with("#line=tests%2Fpage%2Fmain.rs:"));
    browser.press("3");
    assert_eq!(browser.count("[data-view=Kernels] tr.lit"), 1, "its kernel in the table");
    // Another op's instruction leads back to that op's line.
    let place = "#kernel .line.has-ops:not(.lit)";
    assert!(browser.count(place) > 0, "instructions of other lines");
    browser.click(place);
    assert_eq!(browser.count("#source .line.lit"), 1);
    assert_eq!(
        browser.count("#wanted.lit"),
        0,
        "the line of the instruction, and no longer that of the norm"
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn keys_search_and_fragments_lead_anywhere() {
    let Some(Shown { path, mut browser, _folder }) = shown(by_layers) else { return };
    browser.press("j");
    let first = browser.eval("location.hash");
    browser.press("j");
    assert_ne!(browser.eval("location.hash"), first);
    browser.press("k");
    assert_eq!(browser.eval("location.hash"), first);
    browser.press("Escape");
    assert_eq!((browser.eval("location.hash"), browser.count(".lit")), (json!(""), 0));

    browser.press("/");
    assert_eq!(browser.eval("document.activeElement.id"), "search");
    for key in ["g", "e", "l", "u", "("] {
        browser.press(key);
    }
    assert!(browser.count("#found li") > 0);
    browser.press("Enter");
    assert!(browser.eval("location.hash").as_str().unwrap().starts_with("#line="));

    browser.open(&path, "#kernel=1");
    let heading = browser.eval("document.querySelector('#kernel h2').textContent");
    assert!(heading.as_str().unwrap().starts_with("step 1 "), "{heading}");
    browser.press("n");
    assert_eq!(browser.eval("location.hash"), "#kernel=2");
    browser.press("?");
    assert_eq!(browser.count("dialog[open]"), 1);
    browser.press("Escape");

    let value = browser.eval("'#value=' + document.querySelectorAll('.op')[1].dataset.value.slice(2)");
    browser.open(&path, value.as_str().unwrap());
    assert_eq!((browser.eval("location.hash"), browser.count(".op.lit")), (value, 1));
    // What is not there selects nothing.
    for fragment in ["#kernel=999", "#line=none.rs:3", "#value=x", "#<b>"] {
        browser.open(&path, fragment);
        assert_eq!(browser.count(".lit"), 0, "{fragment}");
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn equal_blocks_are_drawn_once_and_unfold() {
    let Some(Shown { mut browser, _folder, .. }) = shown(by_layers) else { return };
    let folded =
        browser.eval("[...document.querySelectorAll('.folded .sub')].map(e => e.textContent).join('; ')");
    assert!(folded.as_str().unwrap().contains("11 blocks like 0"), "{folded}");
    let drawn = browser.count(".op");
    browser.eval("[...document.querySelectorAll('.folded')].find(e => e.textContent.includes('blocks like')).dispatchEvent(new MouseEvent('click'))");
    assert!(browser.count(".folded") >= 11, "the others are there on demand");
    assert_eq!(browser.count(".op"), drawn);
    browser.press("g");
    let kernels = browser.count(".op[style*=hue], .folded[style*=hue], .box[data-step]");
    assert!(kernels >= 24, "{kernels} boxes of kernels");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn bodies_are_graphs_of_their_own() {
    let write = |path: &PathBuf| {
        let compiled = Sums::init(1).unwrap().compile(Target::host()).unwrap();
        compiled.session().report(path, &[numbers(2 * 5 * 8).view([2, 5, 8]).into()]).unwrap();
    };
    let Some(Shown { mut browser, _folder, .. }) = shown(write) else { return };
    let line = mark_line(&mut browser, "tanh(h + x)");
    browser.click(line);
    browser.eval("setUnit(1)");
    assert!(browser.count("[data-view=Graph] .op.lit") >= 1);
    assert!(
        browser
            .eval("document.querySelector('#kernel h2').textContent")
            .as_str()
            .unwrap()
            .contains("of body 0")
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn names_are_shown_as_they_are_and_run_nothing() {
    let name = "</script><img src=x onerror=alert(1)>\\u{e9}\\\"'`&amp;";
    let text = format!(
        "network Strange<B>\ninput x: f32[B, 4]\nweight \"<b>w\": f32[4, 4] = xavier\n\
         %0: f32[B, 4] = input(index = 0)\n%1: f32[4, 4] = weight(index = 0)\n\
         %2: f32[B, 4] = linear(%0, %1) as \"{name}\" // \"<i>x</i> @ w\" \"<u>.rs\":3:1 \"<s>a.0\"\nreturn %2"
    );
    let write = |path: &PathBuf| {
        let graph = Graph::parse(&text).unwrap();
        let compiled = Model::from_graph(graph, 0).unwrap().compile(Target::host()).unwrap();
        compiled.session().report(path, &[numbers(8).view([2, 4]).into()]).unwrap();
    };
    let Some(Shown { mut browser, _folder, .. }) = shown(write) else { return };
    for key in ["1", "2", "3", "4", "5", "6", "7"] {
        browser.press(key);
    }
    assert_eq!(browser.count("img, b, i, u, s, script:not([type]) ~ script"), 0);
    let seen = browser.eval("document.body.innerText");
    for part in ["<i>x</i> @ w", "<u>.rs"] {
        assert!(seen.as_str().unwrap().contains(part), "{part}");
    }
    browser.press("1");
    let label = browser
        .eval("[...document.querySelectorAll('.op')].map(e => e.getAttribute('aria-label')).join('; ')");
    assert!(label.as_str().unwrap().contains("</script><img src=x onerror"), "{label}");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_network_of_ten_thousand_ops_opens() {
    let mut text = "network Deep<B>\ninput x: f32[B, 8]\n%0: f32[B, 8] = input(index = 0)\n".to_string();
    for i in 1..=10_000 {
        text += &format!("%{i}: f32[B, 8] = {}(%{})\n", ["tanh", "relu"][i % 2], i - 1);
    }
    text += "return %10000";
    let write = |path: &PathBuf| {
        let graph = Graph::parse(&text).unwrap();
        Model::from_graph(graph, 0)
            .unwrap()
            .compile(Target::host())
            .unwrap()
            .report(path, &[("B", 2)])
            .unwrap();
    };
    let Some(Shown { mut browser, _folder, .. }) = shown(write) else { return };
    assert!(browser.count(".op, .folded") < 400, "most is folded");
    browser.press("2");
    assert!(browser.count("[data-view=IR] .line") >= 10_000);
    browser.eval("select('value', '0.5001')");
    browser.press("1");
    assert_eq!(browser.count(".op.lit"), 1, "what is selected unfolds");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
