//! Several processes at one file, and one without a home.

use super::*;
use crate::hub::HubError;
use std::process::{Command, Output};
use std::sync::mpsc;

/// Set in processes that tests here start: they fetch a file and say what came of it.
const CHILD: &str = "TANCHO_TEST_HUB_CHILD";

/// Not a test of its own: what the processes do that the others start.
#[test]
fn fetched_by_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_some() {
        match crate::hub::fetch("made/up", "weights.bin") {
            Ok(path) => println!("fetched {}", path.display()),
            Err(e) => println!("failed {e}"),
        }
    }
}

/// A process that fetches from this hub.
fn process(address: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", "hub::tests::processes::fetched_by_a_process_of_its_own", "--nocapture"]);
    command.env(CHILD, "1").env("HF_ENDPOINT", address).env("NO_PROXY", "127.0.0.1");
    for name in ["HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    command
}

fn said(out: &Output) -> String {
    assert!(out.status.success(), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn three_processes_at_once_download_once() {
    let (etag, home) = (sha256(&content()), folder());
    let tag = etag.clone();
    let hub = Hub::new(move |r| right(r, &content(), &tag));
    let run = || process(&hub.address).env("HF_HOME", home.path()).output().expect("it runs");
    let all: Vec<Output> = std::thread::scope(|s| {
        let threads: Vec<_> = (0..3).map(|_| s.spawn(run)).collect();
        threads.into_iter().map(|t| t.join().expect("it ends")).collect()
    });
    let path = home.path().join(format!("hub/models--made--up/snapshots/{COMMIT}/weights.bin"));
    for out in &all {
        assert!(said(out).contains(&format!("fetched {}\n", path.display())), "{out:?}");
    }
    assert_eq!(fs::read(&path).expect("read"), content());
    assert_eq!(hub.downloads(), [0], "the others waited");
}

/// However long another holds the lock: here until this one has asked what the file is, and then until it is
/// let go.
#[test]
fn who_waits_finds_the_file_of_who_downloaded() {
    let (etag, cache) = (sha256(&content()), folder());
    let (asked, wait) = mpsc::channel();
    let tag = etag.clone();
    let hub = Hub::new(move |r| {
        asked.send(()).expect("the test listens");
        right(r, &content(), &tag)
    });
    let place = crate::hub::Folder::new(cache.path(), "made/up");
    let lock = place.lock(&etag).expect("a lock");
    std::thread::scope(|s| {
        let waiting = s.spawn(|| fetch(&hub, &cache));
        wait.recv_timeout(Duration::from_secs(20)).expect("it asks");
        let part = place.part(&etag).expect("a place");
        fs::write(&part, content()).and_then(|()| fs::rename(&part, place.blob(&etag))).expect("written");
        drop(lock);
        let path = waiting.join().expect("it ends").expect("a file");
        assert_eq!(fs::read(path).expect("read"), content());
    });
    assert_eq!(hub.downloads(), [0; 0], "it was there");
}

#[test]
fn errors_name_file_and_repository() {
    let e = HubError::new("made/up", "a\u{1b}[2J", HubCause::NoHome);
    assert_eq!(
        e.to_string(),
        "cannot fetch `a\\u{1b}[2J` of `made/up` from the hub: there is no home directory for the cache; set HF_HOME to a folder"
    );
    assert!(matches!(e.cause(), HubCause::NoHome));
}
