//! Names and settings that are refused before anybody is asked.

use super::*;
use crate::hub::{names, settings};
use std::ffi::OsString;

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let hub = Hub::new(|r| right(r, &content(), NO_HASH));
    let cache = folder();
    let refused = |repository: &str, file: &str| {
        client(&hub, cache.path()).fetch(repository, file, &mut |_, _| ()).expect_err("refused")
    };
    let long = "a".repeat(97);
    for repository in [
        "", "/", "a/", "/a", "a/b/c", "..", "../a", "a/..", "a/../b", "a..b", "a--b/c", "-a", "a.", "a b",
        "a\\b", "a?b", "ü", &long,
    ] {
        assert!(matches!(refused(repository, "weights.bin"), HubCause::Repository), "{repository}");
    }
    for file in [
        "",
        "/",
        "/etc/passwd",
        "a//b",
        "a/",
        ".",
        "./a",
        "..",
        "../../../x",
        "a/../b",
        "a/..",
        "a\\b",
        "..\\x",
        "a\0b",
        "a\nb",
    ] {
        assert!(matches!(refused("made/up", file), HubCause::File), "{file:?}");
    }
    assert_eq!(hub.requests().len(), 0, "nobody was asked");
    assert_eq!(fs::read_dir(cache.path()).expect("a folder").count(), 0, "nothing was written");
    for repository in ["gpt2", "openai-community/gpt2", "a_b/C.d-1"] {
        names::check_repository(repository).expect(repository);
    }
    for file in ["a", "onnx/model.onnx", "a b/ü..x", "..a", "a:b#c?d%"] {
        names::check_file(file).expect(file);
    }
    assert_eq!(names::escaped("a b/ü?#%"), "a%20b/%C3%BC%3F%23%25");
}

/// Variables of an environment.
fn vars(all: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> + Copy {
    move |name| all.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into())
}

#[test]
fn the_cache_is_where_python_has_it() {
    let user = Some(Path::new("/home/somebody"));
    let at = |all, user| {
        settings::cache(vars(all), user).map(|p| p.to_string_lossy().into_owned()).map_err(|e| e.to_string())
    };
    assert_eq!(at(&[], user), Ok("/home/somebody/.cache/huggingface/hub".into()));
    assert_eq!(at(&[("XDG_CACHE_HOME", "/c"), ("HF_HOME", "")], user), Ok("/c/huggingface/hub".into()));
    assert_eq!(at(&[("XDG_CACHE_HOME", "/c"), ("HF_HOME", "/h")], None), Ok("/h/hub".into()));
    assert_eq!(at(&[("HF_HUB_CACHE", "/b"), ("HF_HOME", "/h")], None), Ok("/b".into()));
    let none = Err("there is no home directory for the cache; set HF_HOME to a folder".to_string());
    assert_eq!(at(&[], None), none);
    assert_eq!(at(&[("HF_HOME", "")], Some(Path::new(""))), none);
}

#[test]
fn addresses_and_tokens_are_read_with_care() {
    let endpoint = |all| settings::endpoint(vars(all)).map_err(|e| e.to_string());
    assert_eq!(endpoint(&[]), Ok("https://huggingface.co".into()));
    assert_eq!(
        endpoint(&[("HF_ENDPOINT", "http://127.0.0.1:80/hub/")]),
        Ok("http://127.0.0.1:80/hub".into())
    );
    for wrong in [
        &[("HF_ENDPOINT", "huggingface.co")],
        &[("HF_ENDPOINT", "ftp://a")],
        &[("HF_ENDPOINT", "http://")],
        &[("HF_ENDPOINT", "a b")],
    ] {
        let e = endpoint(wrong).expect_err("no address");
        assert!(e.starts_with("HF_ENDPOINT is no http or https address"), "{e}");
    }
    let folder = folder();
    let token = |all, home| settings::token(vars(all), home).map_err(|e| e.to_string());
    assert_eq!(token(&[], Some(folder.path())), Ok(None));
    assert_eq!(token(&[], None), Ok(None));
    let file = folder.path().join(".cache/huggingface/token");
    fs::create_dir_all(file.parent().expect("a folder"))
        .and_then(|()| fs::write(&file, "hf_file\n"))
        .expect("written");
    assert_eq!(token(&[], Some(folder.path())), Ok(Some("hf_file".into())));
    assert_eq!(token(&[("HF_TOKEN", " hf_var ")], Some(folder.path())), Ok(Some("hf_var".into())));
    for odd in [&[("HF_TOKEN", "a\nb")], &[("HF_TOKEN", "tökén")]] {
        let e = token(odd, None).expect_err("no token");
        assert_eq!(e, "HF_TOKEN is no token: it has characters that no token has");
    }
}
