//! Saving: whole or not at all, whoever else saves or loads meanwhile, and to the place that was meant.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tancho::{Error, network};
use tancho_support::alone::{child, is_child, must_pass};

network! {
    Square<B, D = 64, H = 4 * D>(x: [B, D]) -> [B, D] {
        param up: [H, D];
        param down: [D, H];
        (x @ up.t) @ down.t
    }
}

fn same(a: &Square, b: &Square) -> bool {
    ["up", "down"].iter().all(|n| {
        a.weights().get(n).map(|v| v.data().to_vec()) == b.weights().get(n).map(|v| v.data().to_vec())
    })
}

/// What stands in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    all.sort();
    all
}

/// Two networks are saved to one path by several threads, while others load it: each save succeeds, and each
/// load gives one of the two, whole.
#[test]
fn saves_and_loads_of_one_path_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let nets = [Square::init(1).unwrap(), Square::init(2).unwrap()];
    nets[0].weights().save(&path).unwrap();
    let (done, loads) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                s.spawn(|| {
                    while !done.load(Ordering::Relaxed) || loads.load(Ordering::Relaxed) < 10 {
                        let net = Square::load(&path).unwrap();
                        assert!(
                            nets.iter().any(|n| same(n, &net)),
                            "some weights of one network, and some of the other"
                        );
                        loads.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let writers: Vec<_> = nets
            .iter()
            .chain(&nets)
            .map(|n| s.spawn(|| (0..30).try_for_each(|_| n.weights().save(&path))))
            .collect();
        let saved: Vec<_> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|r| r.join().unwrap());
        saved.into_iter().for_each(|s| s.unwrap());
    });
    assert_eq!(names(dir.path()), ["m.safetensors"]);
}

/// Other processes may have this one's number: what they would have put beside the file is not touched or
/// followed.
#[test]
fn nothing_beside_the_file_is_touched() {
    let dir = tempfile::tempdir().unwrap();
    let net = Square::init(1).unwrap();
    fs::write(dir.path().join("victim"), "mine").unwrap();
    let beside = format!(".m.safetensors.{}", std::process::id());
    symlink("victim", dir.path().join(&beside)).unwrap();
    net.weights().save(dir.path().join("m.safetensors")).unwrap();
    assert_eq!(fs::read(dir.path().join("victim")).unwrap(), b"mine");
    assert_eq!(names(dir.path()), [beside.as_str(), "m.safetensors", "victim"]);
}

#[test]
fn names_of_255_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let net = Square::init(1).unwrap();
    for n in [240, 254, 255] {
        let path = dir.path().join("é".repeat((n - 12) / 2) + &"x".repeat((n - 12) % 2) + ".safetensors");
        net.weights().save(&path).unwrap();
        assert!(same(&Square::load(&path).unwrap(), &net));
    }
    let e = net.weights().save(dir.path().join("x".repeat(256))).unwrap_err();
    assert!(matches!(e, Error::Save { .. }), "{e}");
    assert_eq!(names(dir.path()).len(), 3);
}

#[test]
fn the_mode_of_a_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (path, net) = (dir.path().join("m.safetensors"), Square::init(1).unwrap());
    // A new file has the mode that any new file has.
    fs::write(dir.path().join("any"), "").unwrap();
    net.weights().save(&path).unwrap();
    let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), mode(&dir.path().join("any")));
    for m in [0o600, 0o640, 0o666, 0o444] {
        fs::set_permissions(&path, fs::Permissions::from_mode(m)).unwrap();
        let before = fs::metadata(&path).unwrap();
        net.weights().save(&path).unwrap();
        let after = fs::metadata(&path).unwrap();
        assert_eq!((mode(&path), after.uid(), after.gid()), (m, before.uid(), before.gid()));
        assert_ne!(after.ino(), before.ino(), "a mapping of the old file stays whole");
    }
}

#[test]
fn links_are_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let nets = [Square::init(1).unwrap(), Square::init(2).unwrap()];
    fs::create_dir(at("blobs")).unwrap();
    nets[0].weights().save(at("blobs/real")).unwrap();
    symlink("blobs/real", at("near")).unwrap();
    symlink(at("near"), at("far")).unwrap();
    symlink("blobs/new", at("dangling")).unwrap();
    nets[1].weights().save(at("far")).unwrap();
    nets[1].weights().save(at("dangling")).unwrap();
    for file in ["blobs/real", "blobs/new"] {
        assert!(
            !fs::symlink_metadata(at(file)).unwrap().is_symlink()
                && same(&Square::load(at(file)).unwrap(), &nets[1]),
            "{file}"
        );
    }
    for link in ["near", "far", "dangling"] {
        assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
    }
    symlink("circle", at("circle")).unwrap();
    let e = nets[0].weights().save(at("circle")).unwrap_err();
    assert!(e.to_string().ends_with("its symbolic links lead in a circle"), "{e}");
    assert_eq!((names(dir.path()).len(), names(&at("blobs"))), (5, vec!["new".to_string(), "real".into()]));
}

#[test]
fn what_is_no_file_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let net = Square::init(1).unwrap();
    let socket = dir.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    for (path, says) in [
        (socket, "is not a regular file"),
        (dir.path().join("folder"), "it is a directory"),
        ("/dev/null".into(), "is not a regular file"),
    ] {
        let e = net.weights().save(&path).unwrap_err();
        assert!(matches!(e, Error::Save { .. }) && e.to_string().contains(says), "{e}");
    }
    assert_eq!(names(dir.path()), ["folder", "socket"]);
}

/// A disk that is full, as a limit on the size of files: the old file is as it was, and nothing is left
/// beside it.
#[test]
fn a_save_that_fails_leaves_nothing() {
    const SAVE_TO: &str = "TANCHO_SAVE_TO";
    let fails = || {
        let path = std::env::var_os(SAVE_TO).expect("where to");
        let e = Square::init(2).unwrap().weights().save(path).unwrap_err();
        assert!(
            matches!(&e, Error::Save { error, .. } if error.kind() == std::io::ErrorKind::FileTooLarge),
            "{e}"
        );
    };
    if is_child(&fails) {
        return fails();
    }
    let dir = tempfile::tempdir().unwrap();
    let (path, net) = (dir.path().join("m.safetensors"), Square::init(1).unwrap());
    net.weights().save(&path).unwrap();
    // 20 blocks of 512 or 1,024 bytes, and an error instead of a signal.
    must_pass(child("trap '' XFSZ; ulimit -f 20", &fails).env(SAVE_TO, &path));
    assert!(same(&Square::load(&path).unwrap(), &net));
    assert_eq!(names(dir.path()), ["m.safetensors"]);
}
