//! Redirects, statuses, and headers that nobody can use.

use super::*;

fn cause(answers: impl Fn(&hub::Request) -> Answer + Send + Sync + 'static) -> (HubCause, TempDir) {
    let cache = folder();
    (fetch(&Hub::new(answers), &cache).expect_err("no file"), cache)
}

#[test]
fn files_that_lie_elsewhere_are_followed_and_the_token_is_not_told_there() {
    let (cache, other) = (folder(), Hub::new(|r| right(r, &content(), "of-another-server")));
    let there = format!("{}/bytes?sign=1", other.address);
    let hub = Hub::new(move |r| match r.path.as_str() {
        "/made/up/resolve/main/a%20b/weights.bin" => {
            answer("307 Temporary Redirect", &[("location", "/new/weights.bin")], b"")
        }
        _ => {
            let tag = sha256(&content());
            let headers = [
                ("location", there.as_str()),
                ("x-repo-commit", COMMIT),
                ("x-linked-etag", &tag),
                ("x-linked-size", "102400"),
            ];
            answer("302 Found", &headers, b"")
        }
    });
    let path = client_with(&hub, cache.path(), Some("secret"))
        .fetch("made/up", "a b/weights.bin", &mut |_, _| ())
        .expect("a file");
    assert_eq!(fs::read(&path).expect("read"), content());
    assert_eq!(fs::read_link(&path).expect("a link"), Path::new("../../../blobs").join(sha256(&content())));
    assert!(hub.requests().iter().all(|r| r.header("authorization") == Some("bearer secret")));
    assert_eq!(other.requests().len(), 1);
    assert!(
        other.requests().iter().all(|r| r.path == "/bytes?sign=1" && r.header("authorization").is_none())
    );
}

#[test]
fn redirects_that_lead_nowhere_are_told() {
    for (location, why) in [
        (None, "without saying where to"),
        (Some("/made/up/resolve/main/weights.bin"), "in a circle"),
        (Some("ftp://127.0.0.1/x"), "to no address: `ftp://127.0.0.1/x`"),
        (Some("http://"), "to no address: `http://`"),
        (Some("http://[::1"), "to no address: `http://[::1`"),
    ] {
        let (e, _) = cause(move |_| match location {
            Some(to) => answer("302 Found", &[("location", to)], b""),
            None => answer("302 Found", &[], b""),
        });
        assert!(matches!(&e, HubCause::Redirect { why: found, .. } if found == why), "{location:?}: {e}");
        // The same for the bytes, when the question was answered.
        let (e, _) = cause(move |r| match (r.is_question(), location) {
            (true, _) => right(r, &content(), NO_HASH),
            (_, Some(to)) => answer("302 Found", &[("location", to)], b""),
            (_, None) => answer("302 Found", &[], b""),
        });
        assert!(matches!(&e, HubCause::Redirect { why: found, .. } if found == why), "{location:?}: {e}");
    }
    // Two that refer to each other, and one that goes on for ever.
    let (e, _) =
        cause(|r| answer("302 Found", &[("location", if r.path == "/b" { "/a" } else { "/b" })], b""));
    assert!(e.to_string().ends_with(" redirects in a circle"), "{e}");
    let (e, _) = cause(|r| answer("302 Found", &[("location", &format!("{}x", r.path))], b""));
    assert!(e.to_string().ends_with(" redirects once more, after 10 others"), "{e}");
}

#[test]
fn each_status_has_its_words() {
    for (status, words) in [
        ("401 Unauthorized", "needs a token in HF_TOKEN"),
        ("403 Forbidden", "gated"),
        ("404 Not Found", "there is no such file in the repository"),
        ("429 Too Many Requests", "too many requests"),
        ("500 Internal Server Error", "the server is in trouble"),
        ("503 Service Unavailable", "the server is in trouble"),
        ("204 No Content", "that is no file"),
    ] {
        let (e, cache) = cause(move |_| answer(status, &[], b"words"));
        let code: u16 = status[..3].parse().expect("a number");
        assert!(matches!(e, HubCause::Status { status, .. } if status == code), "{status}: {e}");
        assert!(e.to_string().contains(words), "{status}: {e}");
        assert_eq!(fs::read_dir(cache.path()).expect("a folder").count(), 0, "nothing is written");
    }
}

#[test]
fn what_is_stated_has_to_be_usable() {
    let head = |commit: &str, etag: &str, size: &str| -> HubCause {
        let (commit, etag, size) = (commit.to_string(), etag.to_string(), size.to_string());
        let all = [("x-repo-commit", commit), ("etag", etag), ("content-length", size)];
        let (e, cache) = cause(move |_| {
            let headers: Vec<(&str, &str)> =
                all.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (*n, v.as_str())).collect();
            answer("200 OK", &headers, b"weights")
        });
        assert_eq!(fs::read_dir(cache.path()).expect("a folder").count(), 0, "{e}: nothing is written");
        e
    };
    for (e, name) in [
        (head("", "abc", "7"), "x-repo-commit"),
        (head(COMMIT, "", "7"), "etag"),
        (head(COMMIT, "abc", ""), "content-length"),
        (head("../../out", "abc", "7"), "x-repo-commit"),
        (head("..", "abc", "7"), "x-repo-commit"),
        (head(COMMIT, "\"../../out\"", "7"), "etag"),
        (head(COMMIT, "\"..\"", "7"), "etag"),
        (head(COMMIT, "\"\"", "7"), "etag"),
        (head(COMMIT, "a/b", "7"), "etag"),
    ] {
        assert!(matches!(&e, HubCause::Header { name: found, .. } if *found == name), "{name}: {e}");
    }
    let (e, _) = cause(|_| {
        answer(
            "206 Partial Content",
            &[("x-repo-commit", COMMIT), ("etag", "abc"), ("content-range", "bytes 0-0/many")],
            b"w",
        )
    });
    assert!(
        matches!(&e, HubCause::Header { name: "content-range", value: Some(v) } if v == "bytes 0-0/many"),
        "{e}"
    );
}

/// The range that comes is not the one that was asked for.
#[test]
fn another_range_is_refused() {
    let (e, cache) = cause(|r| match r.is_question() {
        true => right(r, &content(), NO_HASH),
        false => {
            answer("206 Partial Content", &[("content-range", "bytes 5-102399/102400")], &content()[5..])
        }
    });
    assert!(matches!(&e, HubCause::Header { name: "content-range", .. }), "{e}");
    assert_eq!(blobs(&cache), [""; 0]);
    let (e, _) = cause(|r| match r.is_question() {
        true => right(r, &content(), NO_HASH),
        false => answer("206 Partial Content", &[("content-range", "bytes 0-9/10")], &content()[..10]),
    });
    assert!(matches!(e, HubCause::Size { stated: 102_400, received: 10 }), "{e}");
}

#[test]
fn nobody_and_nonsense_at_the_address_are_told() {
    let mut hub = Hub::new(|_| answer("200 OK", &[], b""));
    hub.address = "http://127.0.0.1:1".into();
    let e = fetch(&hub, &folder()).expect_err("nobody is there");
    assert!(matches!(&e, HubCause::Unreachable { host, .. } if host == "127.0.0.1:1"), "{e}");
    for head in ["", "\r\n\r\n", "SSH-2.0-server\r\n", "HTTP/1.1 abc\r\n\r\n"] {
        let (e, _) = cause(move |_| Answer { head: head.into(), body: Vec::new(), silent: false });
        assert!(matches!(e, HubCause::Unreachable { .. }), "{head:?}: {e}");
    }
}
