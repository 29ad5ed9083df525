#!/usr/bin/env bash
# The tests on aarch64, from an x86-64 Debian or Ubuntu: a cross toolchain and an emulator of Debian's packages, in a folder of
# their own. It asks for root, as `debootstrap` and `chroot` do, for 8 GB of disk, and for a mirror of Debian.
#
#   scripts/aarch64.sh                                  all tests that run on the machine at hand
#   scripts/aarch64.sh test --test kernels matmul       some of them: the arguments are those of cargo
#   scripts/aarch64.sh run --example quickstart
#
# TANCHO_AARCH64 names the folder (target/aarch64), TANCHO_DEBIAN_MIRROR the mirror if not debootstrap's own.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$(realpath -m "${TANCHO_AARCH64:-target/aarch64}")
triple=aarch64-unknown-linux-gnu
packages="rustc cargo gcc libc6-dev libstd-rust-dev:arm64 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

if [ ! -e "$root/.ready" ]; then
    command -v debootstrap > /dev/null || { apt-get update -q && apt-get install -yq --no-install-recommends debootstrap; }
    [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase sid "$root" ${TANCHO_DEBIAN_MIRROR:+"$TANCHO_DEBIAN_MIRROR"}
    # A mirror that is a snapshot has lists whose date has passed. They are signed all the same.
    echo 'Acquire::Check-Valid-Until "false";' > "$root/etc/apt/apt.conf.d/90snapshot"
    chroot "$root" dpkg --add-architecture arm64
    chroot "$root" apt-get update -q
    # shellcheck disable=SC2086 # several packages
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -yq --no-install-recommends $packages
    touch "$root/.ready"
fi

# The project as it is here, with files that are not committed yet. Times of files stay, so that cargo builds what changed.
project="$root/project"
mkdir -p "$project"
find "$project" -mindepth 1 -maxdepth 1 ! -name target ! -name vendor ! -name Cargo.lock.vendored -exec rm -r {} +
git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --create --null --files-from=- | tar --extract --directory "$project"

# The crates come from here: the other cargo may know of no registry.
if ! cmp -s Cargo.lock "$project/Cargo.lock.vendored"; then
    rm -rf "$project/vendor"
    cargo vendor --quiet --locked "$project/vendor" > /dev/null
    cp Cargo.lock "$project/Cargo.lock.vendored"
fi
mkdir -p "$project/.cargo"
cat > "$project/.cargo/config.toml" << END
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "vendor"
[build]
target = "$triple"
[target.$triple]
linker = "aarch64-linux-gnu-gcc"
runner = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
END

# Programs find themselves and their limits there.
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT

inside() {
    chroot "$root" env -C /project -u CARGO_TARGET_DIR HOME=/root CARGO_HOME=/root/.cargo CARGO_NET_OFFLINE=true \
        PATH=/usr/bin:/bin TMPDIR=/tmp "$@"
}

if [ $# -gt 0 ]; then
    inside cargo "$@"
    exit
fi
# The tests of compile errors and of scripts run other programs, and say the same on every machine.
inside cargo test -p tancho-ir -p tancho-jit -p tancho-runtime
inside cargo test --test kernels --test models --test training
# Some start themselves once more, which the emulator does not do for them.
own="dumps_are_the_same_in_every_process limited_memory:: refused_code_memory:: perf_maps:: a_folder_of_the_environment_gets_them
    fewer_threads_than_were_asked_for"
# shellcheck disable=SC2046,SC2086 # several arguments
inside cargo test --test session -- $(printf -- '--skip %s ' $own)
inside cargo test --test weights -- --skip fuzz:: --skip a_save_that_fails_leaves_nothing
inside cargo run --release --example quickstart
