#!/usr/bin/env bash
# Measures a release build against git, tmux, ssh and an empty program, and writes the table in
# docs/performance.md. The rows of ssh take root, and are left out without.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

need git tmux hyperfine strace time ssh:openssh-client sshd:openssh-server ip:iproute2
need_cargo

target=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Alone, so that no feature of the tests comes along. The default build comes last, and stays.
cargo build --quiet --locked --release -p mng --features ssh
cp "$target/release/mng" "$work/mng-ssh"
cargo build --quiet --locked --release -p mng
cargo build --quiet --locked -p mng-tests --bin mng-bench
echo 'fn main() {}' >"$work/empty.rs"
rustc --edition 2024 -C opt-level=s -C strip=symbols -o "$work/empty" "$work/empty.rs"

status=0
"$target/debug/mng-bench" "$target/release/mng" "$work/mng-ssh" "$work/empty" >"$work/table.md" || status=$?
[ -s "$work/table.md" ] || exit "$status"

{
    sed '/<!-- table -->/q' docs/performance.md
    echo
    echo "Measured on $(date -u +%Y-%m-%d): $(nproc) cores, $(uname -sr), $(tmux -V), $(git version)."
    echo
    cat "$work/table.md"
} >"$work/performance.md"
cp "$work/performance.md" docs/performance.md
cat "$work/table.md"
exit "$status"
