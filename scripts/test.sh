#!/usr/bin/env bash
# Installs what the tests need and runs them all. Arguments go to the test runner: scripts/test.sh create::
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

need git tmux rsync
[ "$(uname)" != Linux ] || need ps:procps setsid:util-linux cc:gcc
need_cargo

# Most tests wait for tmux and git, not for a core: more of them at once than cores.
cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((cores * 2))}

if [ "${CI:-}" = true ] || [ $# -eq 0 ]; then
    cargo test --quiet --workspace --doc
fi
if cargo nextest --version >/dev/null 2>&1; then
    exec cargo nextest run --workspace --test-threads "$RUST_TEST_THREADS" "$@"
fi
exec cargo test --workspace --lib --bins --tests "$@"
