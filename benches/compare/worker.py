"""worker.py ENGINE CASE FOLDER THREADS: one engine with one case, as `bench --serve` is one.

It says when it is ready, in an object on a line; then it answers each line by the times of some runs."""
import json
import os
import statistics
import sys
import time

ENGINE, NAME, FOLDER, THREADS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(THREADS)
RUNS, SPAN = 5, 0.3


def engine(case):
    if ENGINE.startswith("PyTorch"):
        import of_torch
        return of_torch.engine(case, THREADS, "compiled" in ENGINE)
    if ENGINE == "JAX":
        import of_jax
        return of_jax.engine(case, THREADS, True)
    import of_onnx
    path = f"{FOLDER}/{NAME}.onnx"
    if ENGINE == "ONNX Runtime":
        return of_onnx.ort(case, THREADS, path)
    return of_onnx.openvino(case, THREADS, path, "bf16" if "bf16" in ENGINE else "f32")


def answer(**what): print(json.dumps(what), flush=True)


def main():
    from case import Case
    case, start = Case(NAME, FOLDER), time.perf_counter()
    once, result = engine(case)
    first = once()
    ready = time.perf_counter() - start
    answer(first_ms=1e3 * ready, error=case.error(result(first)))
    begin, warm = time.perf_counter(), 0
    while warm < 3 or (time.perf_counter() - begin < SPAN / 3 and warm < RUNS):
        once()
        warm += 1
    for _ in sys.stdin:
        once()
        times, begin = [], time.perf_counter()
        while len(times) < RUNS or time.perf_counter() - begin < SPAN:
            before = time.perf_counter()
            once()
            times.append(1e3 * (time.perf_counter() - before))
        answer(median_ms=statistics.median(times), min_ms=min(times))


try:
    main()
except Exception as error:  # the driver names it in the table
    answer(failed=f"{type(error).__name__}: {error}"[:300])
    sys.exit(1)
