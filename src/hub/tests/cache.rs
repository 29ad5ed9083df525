//! Caches in odd states.

use super::*;
use crate::hub::Folder;

#[test]
fn what_the_cache_has_is_found_without_a_hub() {
    // As Python's program leaves it.
    let cache = folder();
    let root = cache.path().join("models--made--up");
    let snapshot = root.join("snapshots").join(COMMIT);
    fs::create_dir_all(snapshot.join("onnx"))
        .and_then(|()| fs::create_dir_all(root.join("refs")))
        .expect("folders");
    fs::create_dir_all(root.join("blobs"))
        .and_then(|()| fs::write(root.join("blobs/abc"), "w"))
        .expect("a blob");
    std::os::unix::fs::symlink("../../../blobs/abc", snapshot.join("onnx/w")).expect("a link");
    std::os::unix::fs::symlink("../../blobs/gone", snapshot.join("gone")).expect("a link");
    fs::write(root.join("refs/main"), COMMIT).expect("a ref");
    let found = Folder::new(cache.path(), "made/up");
    assert_eq!(found.cached("onnx/w"), Some(snapshot.join("onnx/w")));
    assert_eq!(found.cached("gone"), None, "its blob is not there");
    assert_eq!(found.cached("onnx"), None, "a folder is no file");
    for odd in ["", "../../elsewhere", "..", "/", "\0"] {
        fs::write(root.join("refs/main"), odd).expect("a ref");
        assert_eq!(found.cached("onnx/w"), None, "{odd:?}");
    }
}

/// A blob of another size or with other bytes, a link that leads nowhere, a ref to an older commit.
#[test]
fn damage_is_mended() {
    let etag = sha256(&content());
    for blob in [&b"<html>blocked</html>"[..], &[7; 102_400], &content()] {
        let cache = folder();
        let root = cache.path().join("models--made--up");
        for folder in ["blobs", "refs", &format!("snapshots/{COMMIT}")] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        fs::write(root.join("blobs").join(&etag), blob).expect("a blob");
        fs::write(root.join("refs/main"), "an-older-one").expect("a ref");
        std::os::unix::fs::symlink("../../blobs/gone", root.join(format!("snapshots/{COMMIT}/weights.bin")))
            .expect("a link");
        let tag = etag.clone();
        let hub = Hub::new(move |r| right(r, &content(), &tag));
        let path = fetch(&hub, &cache).expect("a file");
        assert_eq!(fs::read(&path).expect("read"), content());
        assert_eq!(hub.downloads().len(), usize::from(blob != content()), "a good blob is taken");
        assert_eq!(fs::read_to_string(root.join("refs/main")).expect("a ref"), COMMIT);
        assert_eq!(blobs(&cache), [etag.clone()]);
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let cache = folder();
    fs::write(cache.path().join(".locks"), "a file where a folder should be").expect("written");
    let hub = Hub::new(|r| right(r, &content(), NO_HASH));
    let e = fetch(&hub, &cache).expect_err("no place");
    assert!(
        matches!(&e, HubCause::Cache { path, .. } if path.starts_with(cache.path().join(".locks"))),
        "{e}"
    );
    assert!(e.to_string().starts_with("the cache cannot be used: "), "{e}");
}
