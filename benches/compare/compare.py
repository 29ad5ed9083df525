#!/usr/bin/env python3
"""Runs the cases of `examples/bench` in other engines, in turns with Tancho, and writes what it measured.

  compare.py setup                     the engines, in a folder of their own ($TANCHO_COMPARE, else target/compare)
  compare.py run [--case W3]...        measures; results go to results.json in that folder
  compare.py report --machine NAME     writes the machine's table into docs/performance.md

All get the same weights and inputs, which `bench --export` writes, and their results are compared with Tancho's. Each engine is
a process that stays; in each round each of them runs for a third of a second, so that all see the machine in the same state."""
import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = pathlib.Path(os.environ.get("TANCHO_COMPARE", ROOT / "target" / "compare")).resolve()
PYTHON = HOME / "venv" / "bin" / "python"
PACKAGES = ["numpy", "safetensors", "onnx", "onnxruntime", "openvino", "jax", "torch"]
BY_PYTHON = ["ONNX Runtime", "OpenVINO", "PyTorch", "PyTorch compiled", "JAX"]
BY_RUST = ["rten", "tract", "candle", "burn"]
TRAINING = ["PyTorch", "PyTorch compiled", "JAX"]
# An engine whose first run takes longer is left out of a case.
PATIENCE = 300


def binary(name): return HOME / "rust" / "release" / name
def bench(*args): return [str(HOME / "tancho" / "release" / "examples" / "bench"), *args]


def setup(_):
    HOME.mkdir(parents=True, exist_ok=True)
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME / "venv")], check=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    build()
    for name in BY_RUST:
        manifest = HERE / "rust" / "Cargo.toml"
        command = ["cargo", "build", "--release", "--manifest-path", str(manifest), "--bin", name, "--features", name]
        if subprocess.run(command, env={**os.environ, "CARGO_TARGET_DIR": str(HOME / "rust")}).returncode:
            print(f"{name} does not build here, and is left out", file=sys.stderr)


def build():
    command = ["cargo", "build", "--release", "--example", "bench", "--manifest-path", str(ROOT / "Cargo.toml")]
    subprocess.run(command, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(HOME / "tancho")})


class Engine:
    """A process that runs one case when it is asked to."""

    def __init__(self, name, case, folder, threads):
        self.name, self.times = name, []
        env = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        env |= {f"{k}_NUM_THREADS": str(threads) for k in ("RAYON", "CANDLE", "RTEN", "MATMUL")}
        if name == "Tancho":
            command = bench("--serve", "--case", case, "--threads", str(threads))
        elif name in BY_RUST:
            command = [str(binary(name)), case, str(folder), str(threads)]
        else:
            command = [str(PYTHON), str(HERE / "worker.py"), name, case, str(folder), str(threads)]
        # JAX and OpenMP's threads follow the cores that a process may use.
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
        log = open(HOME / "engines.log", "a")
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        self.process = subprocess.Popen(["timeout", str(4 * PATIENCE), "taskset", "-c", cores, *command], **pipes)
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        return json.loads(line) if line.strip() else {"failed": "it ended without an answer"}

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        answer = self.answer()
        if "failed" not in answer:
            self.times.append(answer["median_ms"])

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def engines(case):
    peers = TRAINING if case.startswith("W8") else BY_PYTHON + [name for name in BY_RUST if binary(name).exists()]
    return ["Tancho", *peers]


def measure(case, folder, threads, rounds, names):
    running, failed, started = [], {}, {}
    for name in names:
        engine = Engine(name, case, folder, threads)
        # Results of reduced precision would be another computation; 2e-3 is far above differences of rounding.
        error = engine.ready.get("error", 0.0)
        if "failed" in engine.ready or not error <= 2e-3:
            failed[name] = engine.ready.get("failed", f"its result differs by {error:.1e}")
            engine.end()
        else:
            running.append(engine)
            started[name] = engine.ready
    for _ in range(rounds):
        for engine in running:
            engine.run()
    for engine in running:
        engine.end()
    rows = []
    for engine in running:
        times = engine.times or [float("nan")]
        row = dict(case=case, threads=threads, engine=engine.name, ms=statistics.median(times), times=times, **started[engine.name])
        rows.append(row)
        print(f"{case:24} {threads} {engine.name:18} {row['ms']:10.4f} ms  first answer {row['first_ms']:9.1f} ms  error {row.get('error', 0):.1e}", flush=True)
    rows += [dict(case=case, threads=threads, engine=name, failed=why) for name, why in failed.items()]
    for name, why in failed.items():
        print(f"{case:24} {threads} {name:18} failed: {why}", flush=True)
    return rows


def cases(wanted):
    text = subprocess.run(bench("--help"), check=True, capture_output=True, text=True).stdout
    names = text.split("\ncases\n")[1].split()
    unknown = [w for w in wanted if not any(name.startswith(w) for name in names)]
    if unknown:
        sys.exit(f"no case begins with {' or '.join(unknown)}; there are {' '.join(names)}")
    # A whole name is that case alone, though others begin with it.
    fits = lambda name, w: name == w if w in names else name.startswith(w)
    return [name for name in names if not wanted or any(fits(name, w) for w in wanted)]


def versions():
    listed = subprocess.run([str(PYTHON), "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    found = {p["name"]: p["version"] for p in json.loads(listed.stdout)}
    names = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch", "jax": "JAX"}
    result = {title: found[name] for name, title in names.items() if name in found}
    lock = HERE / "rust" / "Cargo.lock"
    packages = lock.read_text().split("[[package]]") if lock.exists() else []
    for crate, title in (("rten", "rten"), ("tract-onnx", "tract"), ("candle-core", "candle"), ("burn", "burn")):
        for package in packages:
            if f'name = "{crate}"\n' in package:
                result[title] = package.split('version = "')[1].split('"')[0]
    return result


def run(args):
    if not PYTHON.exists():
        sys.exit(f"there are no engines in {HOME}: `compare.py setup` puts them there")
    build()
    folder = HOME / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    file = HOME / "results.json"
    old = json.loads(file.read_text())["rows"] if file.exists() and args.add else []
    for case in cases(args.case):
        subprocess.run(bench("--export", str(folder), "--case", case), check=True)
        if not case.startswith("W8"):
            write = "import sys, of_onnx; from case import Case; of_onnx.write(Case(*sys.argv[1:3]), sys.argv[3])"
            command = [str(PYTHON), "-c", write, case, str(folder), str(folder / f"{case}.onnx")]
            subprocess.run(command, check=True, cwd=HERE)
        for threads in args.threads:
            names = [name for name in engines(case) if not args.engine or name in ["Tancho", *args.engine]]
            old = [row for row in old if (row["case"], row["threads"]) != (case, threads)]
            old += measure(case, folder, threads, args.rounds, names)
            about = dict(date=str(datetime.date.today()), versions=versions(), cpu=cpu(), rounds=args.rounds)
            file.write_text(json.dumps(dict(about=about, rows=old)))
        for written in folder.glob(f"{case}.*"):
            written.unlink()


def cpu():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    wide = [flag for flag in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in flags]
    return f"{model}, {os.cpu_count()} cores, {' '.join(wide)}"


def table(rows, threads):
    """A row for each case: milliseconds, how many times as long the others take, and how far rounds lie apart."""
    rows = [row for row in rows if row["threads"] == threads]
    names = [name for name in BY_PYTHON + BY_RUST if any(row["engine"] == name and "ms" in row for row in rows)]
    lines = ["| case | Tancho, ms | spread | " + " | ".join(names) + " | best of them |", "|---" * (len(names) + 4) + "|"]
    products = {True: [], False: []}
    for case in dict.fromkeys(row["case"] for row in rows):
        of = {row["engine"]: row for row in rows if row["case"] == case}
        own = of.get("Tancho", {})
        if "ms" not in own:
            continue
        ratio = lambda name: statistics.median(b / a for a, b in zip(own["times"], of[name]["times"]))
        ratios = {name: ratio(name) for name in names if "ms" in of.get(name, {})}
        cells = [f"{ratios[name]:.2f}" if name in ratios else "-" for name in names]
        best = min(ratios, key=ratios.get) if ratios else None
        spread = (max(own["times"]) - min(own["times"])) / own["ms"]
        shown = f"{ratios[best]:.2f} ({best})" if best else "-"
        lines.append(f"| {case} | {own['ms']:.4g} | {100 * spread:.0f} % | " + " | ".join(cells) + f" | {shown} |")
        if best:
            products[case.startswith("W8")].append(ratios[best])
    for trains, title in ((False, "inference"), (True, "training")):
        if products[trains]:
            mean = statistics.geometric_mean(products[trains])
            lines.append(f"\nGeometric mean of the last column, {title}: **{mean:.2f}** of {len(products[trains])} cases, the least {min(products[trains]):.2f}.")
    return "\n".join(lines)


def starts(rows):
    """From the start of loading to the first answer, on one thread."""
    rows = [row for row in rows if row["threads"] == 1 and "ms" in row]
    names = ["Tancho", *BY_PYTHON, *BY_RUST]
    names = [name for name in names if any(row["engine"] == name for row in rows)]
    lines = ["| case | compile | pack | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for case in dict.fromkeys(row["case"] for row in rows):
        of = {row["engine"]: row for row in rows if row["case"] == case}
        own = of.get("Tancho", {})
        cells = [f"{of[name]['first_ms']:.0f}" if name in of else "-" for name in names]
        lines.append(f"| {case} | {own.get('compile_ms', 0):.1f} | {own.get('pack_ms', 0):.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(args):
    results = HOME / "results.json"
    if not results.exists():
        sys.exit(f"there is no {results}: `compare.py run` measures")
    measured = json.loads(results.read_text())
    about, rows = measured["about"], measured["rows"]
    failures = {(row["engine"], row["case"], row["failed"]) for row in rows if "failed" in row}
    named = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    parts = [
        f"### {args.machine}, {about['date']}",
        f"{about['cpu']}. {named}. `benches/compare/compare.py run --rounds {about['rounds']}`.",
        "A number is how many times as long the other engine takes as Tancho: the median over the rounds, in each of which all run in\n"
        "turns. Below 1 the other is faster. The spread is how far Tancho's rounds lie apart.",
    ]
    for threads in sorted({row["threads"] for row in rows}):
        parts += [f"**{threads} thread{'s' if threads > 1 else ''}**", table(rows, threads)]
    parts += ["**Start** in ms, one thread: Tancho's compiling and packing, then from loading to the first answer. Tancho's has the making of random\n"
        "weights in it, which take longer than a file, and for engines of Python the import.", starts(rows)]
    if failures:
        parts += ["Not measured: " + "; ".join(f"{e} with {c} ({why.splitlines()[0][:90]})" for e, c, why in sorted(failures)) + "."]
    text = "\n\n".join(parts)
    if args.print:
        return print(text)
    file = ROOT / "docs" / "performance.md"
    old, begin, end = file.read_text(), f"<!-- compare: {args.machine} -->", "<!-- compare: end -->"
    new = f"{begin}\n\n{text}\n\n{end}"
    if begin in old:
        before, rest = old.split(begin, 1)
        file.write_text(before + new + rest.split(end, 1)[1])
    else:
        file.write_text(old.rstrip("\n") + f"\n\n{new}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    commands.add_parser("setup").set_defaults(do=setup)
    runs = commands.add_parser("run")
    runs.set_defaults(do=run)
    runs.add_argument("--case", action="append", default=[], help="all whose name begins so; several times; else all")
    runs.add_argument("--engine", action="append", default=[], help="beside Tancho; several times; else all")
    runs.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    runs.add_argument("--rounds", type=int, default=7)
    runs.add_argument("--add", action="store_true", help="keeps what other cases gave before")
    reports = commands.add_parser("report")
    reports.set_defaults(do=report)
    reports.add_argument("--machine", required=True, help="what the table is called, such as `Zen 4`")
    reports.add_argument("--print", action="store_true", help="prints it instead")
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
