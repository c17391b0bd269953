#!/usr/bin/env bash
# Shows mng at work, in a private state directory with a tmux server of its own: an agent in a worktree is
# created, listed, messaged, looked at, destroyed and brought back. Nothing of yours is touched.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
. "$project/scripts/need.sh"
need git tmux

# MNG names a binary to try instead of the one that this script builds.
if [ -z "${MNG:-}" ]; then
    need_cargo
    echo "building mng ..."
    (cd "$project" && cargo build --quiet --locked -p mng)
    MNG=$(cd "$project" && cargo metadata --format-version 1 --no-deps --locked |
        sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/mng
fi

# tmux's socket lies in it, and a socket path may hold about a hundred bytes: so /tmp, not $TMPDIR.
world=$(mktemp -d /tmp/mng-try-XXXXXX)
export HOME=$world/home MNG_HOST_DIR=$world/state TMUX_TMPDIR=$world/tmux
unset TMUX TMUX_PANE
mkdir -p "$HOME" "$TMUX_TMPDIR" "$world/bin"
ln -s "$MNG" "$world/bin/mng"
PATH=$world/bin:$PATH
trap 'tmux kill-server 2>/dev/null || true; rm -rf "$world"' EXIT

say() { printf '\n# %s\n' "$*"; }
show() {
    printf '$ %s\n' "$*"
    bash -c "$*"
}
# Waits until the agent's screen shows the text: it answers when it answers.
until_screen_shows() {
    for _ in $(seq 100); do
        if mng capture "$1" | grep -qF "$2"; then return 0; fi
        sleep 0.1
    done
    echo "the agent did not show: $2" >&2
    return 1
}

git config --global user.name 'A Person'
git config --global user.email person@example.com
git init --quiet --initial-branch main "$world/shop"
cd "$world/shop"
echo 'fn main() {}' >main.rs
git add . && git commit --quiet -m 'first commit'

say "An agent in a worktree of its own, on branch mng/fix-auth. Any program can be one; this one echoes."
show "mng create fix-auth --type command --no-connect -- 'while read -r line; do echo \"you said: \$line\"; done'"
show "mng list"

say "A message arrives as it was typed; nothing in it is executed."
show "mng message fix-auth -m 'hello; \$(touch x) \"quoted\"'"
until_screen_shows fix-auth 'you said: hello; $(touch x) "quoted"'
show "mng capture fix-auth"

say "Why is it in this state?"
show "mng why fix-auth"

say "Work in its directory: one commit and one file that nobody has committed."
show "mng exec fix-auth 'echo fixed >auth.rs && git add . && git commit -q -m \"fix auth\" && echo idea >notes.txt'"
show "mng exec fix-auth 'git log --oneline && git status --short'"

say "Destroying it keeps a way back."
show "mng destroy fix-auth --force"
show "mng list"
show "mng undo"
show "mng exec fix-auth 'git log --oneline && cat notes.txt'"

say "Gone for good: agent, session and worktree."
show "mng destroy fix-auth --force"
show "git worktree list"
echo
echo "That was mng. It ran in $world, which is removed now."
