#!/usr/bin/env python3
"""Fetches the data that the training examples learn from, checks their SHA-256, and keeps them outside of the repository.

    python3 scripts/fetch_data.py

Needs Python 3.8 or later, and Debian's apt-get and dpkg-deb with an archive that they reach. Files go to the folder
of scripts/fetch_models.py. A file that is there and has the right checksum is not fetched again.

`austen.txt` has the six novels of Jane Austen, in the public domain, from the package r-cran-janeaustenr.
`fashion-mnist` has 70,000 images of clothes in ten classes (Xiao, Rasul and Vollgraf 2017, MIT licence).
"""
import bz2, gzip, hashlib, lzma, os, pathlib, struct, subprocess, sys, tempfile, zlib

from fetch_models import cache_dir

FASHION = "usr/share/datasets/fashion-mnist/"
NOVELS = "usr/lib/R/site-library/janeaustenr/data/Rdata"
# package: {file here: (how it is made of the unpacked package, SHA-256)}
DATA = {
    "r-cran-janeaustenr": {
        "austen/austen.txt": (lambda root: novels(root / NOVELS), "32432b75ad045648fc586b923f9d38cddee6ecfa14cfe8968b9a028c36a19c23"),
    },
    "dataset-fashion-mnist": {
        f"fashion-mnist/{name}": (lambda root, name=name: gzip.decompress((root / FASHION / f"{name}.gz").read_bytes()), sha)
        for name, sha in {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        }.items()
    },
}


class R:
    """Reads what R's `serialize` writes (R Internals, 1.8): the few types that names, numbers and lines need."""

    def __init__(self, data):
        assert data[:2] == b"X\n", "not in R's XDR form"
        self.data, self.at, self.symbols = data, 14, []
        if struct.unpack(">i", data[2:6])[0] == 3:
            self.at += 4 + struct.unpack(">i", data[14:18])[0]

    def int(self):
        self.at += 4
        return struct.unpack(">i", self.data[self.at - 4:self.at])[0]

    def item(self):
        flags = self.int()
        kind = flags & 255
        if kind in (254, 242, 253, 241, 251):  # nothing, environments without content
            return None
        if kind == 255:  # a symbol that was there
            return self.symbols[(flags >> 8) - 1 if flags >> 8 else self.int() - 1]
        if kind == 1:  # a symbol
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == 2:  # a pairlist: attributes, a tag, a value, the rest
            if flags & 512:
                self.item()
            tag = self.item() if flags & 1024 else None
            value = self.item()
            return {tag: value, **(self.item() or {})}
        n = self.int()
        if kind == 9:  # characters; -1 stands for NA
            self.at += max(n, 0)
            return self.data[self.at - n:self.at].decode("utf-8", "replace") if n >= 0 else ""
        if kind in (10, 13):  # logical, integer
            values = [self.int() for _ in range(n)]
        elif kind == 14:  # real
            values = list(struct.unpack(f">{n}d", self.data[self.at:self.at + 8 * n]))
            self.at += 8 * n
        elif kind in (16, 19, 20):  # strings, lists
            values = [self.item() for _ in range(n)]
        else:
            raise ValueError(f"R's type {kind} is not known here")
        attributes = self.item() if flags & 512 else {}
        return dict(zip(attributes["names"], values)) if "names" in (attributes or {}) else values


def block(data):
    """A compressed object of R's lazy-loading database: its length, maybe a letter for the method, and the data."""
    methods = {b"2": bz2.decompress, b"Z": lambda d: lzma.decompress(d, lzma.FORMAT_ALONE if d[:1] == b"]" else lzma.FORMAT_XZ)}
    body = data[4:]
    out = methods[body[:1]](body[1:]) if body[:1] in methods else zlib.decompress(body)
    return R(out).item()


def novels(path):
    """The text of the novels, one after another, each paragraph as it is printed."""
    index = R(zlib.decompress(path.with_suffix(".rdx").read_bytes(), 47)).item()["variables"]
    database = path.with_suffix(".rdb").read_bytes()
    order = ["sensesensibility", "prideprejudice", "mansfieldpark", "emma", "northangerabbey", "persuasion"]
    texts = []
    for name in order:
        start, length = index[name]
        texts.append("\n".join(line.rstrip() for line in block(database[start:start + length])))
    return ("\n\n\n".join(texts) + "\n").encode()


def main():
    here = cache_dir()
    for package, files in DATA.items():
        wrong = {name: how for name, how in files.items() if not is_right(here / name, how[1])}
        if not wrong:
            print(f"{package}: there")
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
                deb = next(pathlib.Path(folder).glob("*.deb"))
                subprocess.run(["dpkg-deb", "-x", str(deb), folder], check=True)
            except (OSError, subprocess.CalledProcessError, StopIteration) as e:
                sys.exit(f"cannot fetch the package {package} ({e}): apt-get and dpkg-deb of a Debian system are needed, "
                         f"with an archive that they reach")
            for name, (make, sha) in wrong.items():
                data = make(pathlib.Path(folder))
                found = hashlib.sha256(data).hexdigest()
                if found != sha:
                    sys.exit(f"{name} has the SHA-256 {found}, and should have {sha}")
                partial = here / f"{name}.part"
                try:
                    (here / name).parent.mkdir(parents=True, exist_ok=True)
                    partial.write_bytes(data)
                    os.replace(partial, here / name)
                except OSError as e:
                    sys.exit(f"{here / name} cannot be written: {e.strerror or e}; set TANCHO_MODELS to a folder that can")
                print(f"{name}: {len(data)} bytes")


def is_right(path, sha):
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha


if __name__ == "__main__":
    main()
