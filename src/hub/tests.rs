//! Files of a hub on loopback, of hubs that misbehave, and of caches in odd states.

mod cache;
mod hub;
mod names;
mod processes;
mod redirects;

use super::{Hub as Client, HubCause, Server, server};
use hub::{Answer, Hub, answer, right};
use ring::digest::{SHA256, digest};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// An ETag that is no hash.
const NO_HASH: &str = "abc";

/// Bytes that are no two alike for a while.
fn content() -> Vec<u8> {
    (0..102_400u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// The ETag of a large file.
fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

fn client(hub: &Hub, cache: &Path) -> Client {
    client_with(hub, cache, None)
}

/// What gives up soon, and asks no proxy.
fn client_with(hub: &Hub, cache: &Path, token: Option<&str>) -> Client {
    let config = server::agent().proxy(None).timeout_per_read(Some(Duration::from_secs(10))).build();
    Client { server: Server::new(hub.address.clone(), token.map(Into::into), config), cache: cache.into() }
}

fn fetch(hub: &Hub, cache: &TempDir) -> Result<PathBuf, HubCause> {
    client(hub, cache.path()).fetch("made/up", "weights.bin", &mut |_, _| ())
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// What is left in the folder of blobs.
fn blobs(cache: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(cache.path().join("models--made--up/blobs"));
    let mut all: Vec<String> = entries
        .into_iter()
        .flatten()
        .map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    all.sort();
    all
}

#[test]
fn a_file_is_fetched_once_and_has_its_place_in_the_cache() {
    let (content, etag, cache) = (content(), sha256(&content()), folder());
    let (body, tag) = (content.clone(), etag.clone());
    let hub = Hub::new(move |r| right(r, &body, &tag));
    let path = fetch(&hub, &cache).expect("a file");
    assert_eq!(path, cache.path().join(format!("models--made--up/snapshots/{COMMIT}/weights.bin")));
    assert_eq!(fs::read(&path).expect("read"), content);
    assert_eq!(fs::read_link(&path).expect("a link"), Path::new("../../blobs").join(&etag));
    assert_eq!(fs::read_to_string(cache.path().join("models--made--up/refs/main")).expect("a ref"), COMMIT);
    assert_eq!(blobs(&cache), [etag]);
    let asked = hub.requests().len();
    assert_eq!(fetch(&hub, &cache).expect("a file"), path);
    assert_eq!(hub.requests().len(), asked, "the cache has it");
    assert_eq!(hub.requests()[0].path, "/made/up/resolve/main/weights.bin");
}

#[test]
fn git_s_hash_of_a_small_file_is_checked() {
    // `printf hello | git hash-object --stdin`
    const HELLO: &str = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
    let cache = folder();
    let hub = Hub::new(|r| right(r, b"hello", HELLO));
    assert_eq!(fs::read(fetch(&hub, &cache).expect("a file")).expect("read"), b"hello");
    let (hub, cache) = (Hub::new(|r| right(r, b"hallo", HELLO)), folder());
    let e = fetch(&hub, &cache).expect_err("other bytes");
    assert!(matches!(&e, HubCause::Hash { stated, .. } if stated == HELLO), "{e}");
    assert_eq!(blobs(&cache), [""; 0], "nothing is kept");
}

#[test]
fn an_empty_file_is_a_file() {
    // `git hash-object --stdin < /dev/null`
    let cache = folder();
    let hub = Hub::new(|_| {
        let headers = [
            ("x-repo-commit", COMMIT),
            ("etag", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            ("content-range", "bytes */0"),
        ];
        answer("416 Range Not Satisfiable", &headers, b"")
    });
    assert_eq!(fs::read(fetch(&hub, &cache).expect("a file")).expect("read"), b"");
}

/// A proxy answers with a page of its own, and with success.
#[test]
fn an_error_page_with_status_200_is_no_file() {
    for (etag, stated) in [
        (NO_HASH.to_string(), true),
        (sha256(&content()), true),
        (NO_HASH.to_string(), false),
        (sha256(&content()), false),
    ] {
        let (tag, cache) = (etag.clone(), folder());
        let page = b"<html>blocked</html>";
        let bad = Hub::new(move |r| match r.is_question() {
            true => right(r, &content(), &tag),
            false if stated => answer("200 OK", &[("content-length", "20")], page),
            false => answer("200 OK", &[], page),
        });
        let e = fetch(&bad, &cache).expect_err("a page");
        let size = matches!(e, HubCause::Size { stated: 102_400, received: 20 });
        let cut = matches!(e, HubCause::Cut { received: 20, size: 102_400, .. });
        assert!(if stated { size } else { cut }, "{e}");
        assert_eq!(super::Folder::new(cache.path(), "made/up").cached("weights.bin"), None);
        // The right bytes come later.
        let good = Hub::new(move |r| right(r, &content(), &etag));
        assert_eq!(fs::read(fetch(&good, &cache).expect("a file")).expect("read"), content());
    }
}

#[test]
fn more_bytes_than_stated_are_refused() {
    let cache = folder();
    let hub = Hub::new(|r| match r.is_question() {
        true => right(r, &content()[..100], NO_HASH),
        false => answer("200 OK", &[], &content()),
    });
    let e = fetch(&hub, &cache).expect_err("too long");
    assert!(matches!(e, HubCause::Size { stated: 100, received } if received > 100), "{e}");
    assert_eq!(blobs(&cache), [""; 0]);
}

/// Half of the bytes and then the end, or silence; with a length or without.
#[test]
fn a_body_that_is_cut_is_no_file_and_the_next_call_goes_on() {
    for (with_length, silent) in [(false, false), (true, false), (false, true)] {
        let (etag, cache) = (sha256(&content()), folder());
        let tag = etag.clone();
        let cut = Hub::new(move |r| {
            let mut all = right(r, &content(), &tag);
            if !r.is_question() {
                let from = r.from();
                // Nothing more from there on.
                all.body = content()[from..from.max(50_000)].to_vec();
                all.silent = silent;
                all.head = match with_length {
                    true => all.head,
                    false => all.head.replace(&format!("content-length: {}\r\n", content().len() - from), ""),
                };
            }
            all
        });
        let mut client = client(&cut, cache.path());
        if silent {
            let config = server::agent().proxy(None).timeout_per_read(Some(Duration::from_secs(2))).build();
            client.server = Server::new(cut.address.clone(), None, config);
        }
        let e = client.fetch("made/up", "weights.bin", &mut |_, _| ()).expect_err("half");
        assert!(matches!(e, HubCause::Cut { received: 50_000, size: 102_400, .. }), "{e}");
        assert_eq!(blobs(&cache), [format!("{etag}.incomplete")]);
        assert_eq!(cut.downloads(), [0, 50_000], "it goes on by itself, while there is something to have");
        let good = Hub::new(move |r| right(r, &content(), &etag));
        assert_eq!(fs::read(fetch(&good, &cache).expect("a file")).expect("read"), content());
        assert_eq!(good.downloads(), [50_000]);
    }
}

#[test]
fn a_server_that_ignores_ranges_sends_all_of_it_and_all_of_it_is_taken() {
    for etag in [sha256(&content()), NO_HASH.to_string()] {
        let cache = folder();
        let part = super::Folder::new(cache.path(), "made/up").part(&etag).expect("a folder");
        fs::write(&part, &content()[..50_000]).expect("written");
        let hub = Hub::new(move |_| {
            let tag = format!("\"{etag}\"");
            answer(
                "200 OK",
                &[("x-repo-commit", COMMIT), ("etag", &tag), ("content-length", "102400")],
                &content(),
            )
        });
        assert_eq!(fs::read(fetch(&hub, &cache).expect("a file")).expect("read"), content());
    }
}

#[test]
fn a_part_of_something_else_is_found_out() {
    let (etag, cache) = (sha256(&content()), folder());
    let part = super::Folder::new(cache.path(), "made/up").part(&etag).expect("a folder");
    for wrong in [vec![7; 50_000], vec![7; 102_400], vec![7; 200_000]] {
        fs::write(&part, &wrong).expect("written");
        let tag = etag.clone();
        let hub = Hub::new(move |r| right(r, &content(), &tag));
        let path = fetch(&hub, &cache).expect("a file");
        assert_eq!(fs::read(&path).expect("read"), content(), "{}", wrong.len());
        assert_eq!(hub.downloads().last(), Some(&0), "{}", wrong.len());
        fs::remove_file(path).and_then(|()| fs::remove_file(part.with_file_name(&etag))).expect("removed");
    }
}

#[test]
fn progress_is_told_up_to_the_end() {
    let cache = folder();
    let hub = Hub::new(|r| right(r, &content(), &sha256(&content())));
    let mut told = Vec::new();
    client(&hub, cache.path())
        .fetch("made/up", "weights.bin", &mut |had, size| told.push((had, size)))
        .expect("a file");
    assert_eq!((told.first(), told.last()), (Some(&(0, 102_400)), Some(&(102_400, 102_400))));
    assert!(told.is_sorted());
}
