#!/usr/bin/env bash
# Installs what the tests need and runs them all. Arguments go to the test runner: scripts/test.sh create::
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

need git tmux rsync unison
[ "$(uname)" != Linux ] || need ps:procps setsid:util-linux cc:gcc sshd:openssh-server ssh:openssh-client ip:iproute2 dash busybox
need_cargo
# What is missing afterwards shows as tests that are skipped.
bash scripts/programs.sh || true

# Most tests wait for tmux and git, not for a core: more of them at once than cores.
cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((cores * 2))}

# Tests whose program is missing write themselves into it: `PROGRAM TEST`.
skipped=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/skipped-tests
rm -f "$skipped"

if [ "${CI:-}" = true ] || [ $# -eq 0 ]; then
    cargo test --quiet --workspace --doc
fi
status=0
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --test-threads "$RUST_TEST_THREADS" "$@" || status=$?
else
    cargo test --workspace --lib --bins --tests "$@" || status=$?
fi

if [ -s "$skipped" ]; then
    echo "skipped, because a program is missing:"
    sort -u "$skipped" | sed 's/^/    /'
fi
exit "$status"
