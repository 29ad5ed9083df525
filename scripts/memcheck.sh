#!/usr/bin/env bash
# Packing, weights, states and sessions, generated code included, under valgrind's memcheck. It knows no AVX-512 and says so to
# programs: code is generated for AVX2 at most. With arguments: those of `cargo test`, such as `--test kernels convolutions`.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="valgrind --quiet --error-exitcode=9 --leak-check=no --max-stackframe=8388608"
export RUST_TEST_THREADS=1
if [ $# -gt 0 ]; then
    exec cargo test "$@"
fi
cargo test -p tancho-runtime --lib
# Random networks by the hundred take too long there.
cargo test --test session -- states:: bad_input:: --skip random
