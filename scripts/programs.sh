#!/usr/bin/env bash
# Installs the real agent programs for the tests, into a cache directory of their own. Quick when they are there.
#
#   scripts/programs.sh             the versions below, those that are missing
#   scripts/programs.sh --newest    the newest of each, whatever is there: what changed since the last pin?
#
# A program that cannot be had is told and left out; the tests that need it report themselves as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/need.sh

# The one place of the versions. Claude Code comes inside the wheel `claude-agent-sdk`; the others are on npm.
programs=(
    "claude    wheel claude-agent-sdk                0.2.189"
    "codex     npm   @openai/codex                   0.169.0"
    "opencode  npm   opencode-ai                     1.18.33"
    "pi        npm   @earendil-works/pi-coding-agent 0.74.2"
)

newest=false
case ${1:-} in
'') ;;
--newest) newest=true ;;
*)
    echo "usage: scripts/programs.sh [--newest]" >&2
    exit 2
    ;;
esac

root=${MNG_TEST_PROGRAMS:-${XDG_CACHE_HOME:-$HOME/.cache}/mng-tests/programs}
mkdir -p "$root/bin"

# Two runs at once would unpack over each other.
exec 9>"$root/lock"
if command -v flock >/dev/null; then flock 9; fi

# Claude Code out of its wheel: install_wheel PACKAGE VERSION DIR. The rest of the wheel is Python.
install_wheel() {
    need python3
    python3 -m pip --version >/dev/null 2>&1 || need "no-pip:python3-pip"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest "$3/wheel" "$1${2:+==$2}"
    python3 - "$3" <<'PYTHON'
import glob, os, sys, zipfile
root = sys.argv[1]
with zipfile.ZipFile(glob.glob(f"{root}/wheel/*.whl")[0]) as wheel:
    member = next(name for name in wheel.namelist() if name.endswith("/_bundled/claude"))
    with wheel.open(member) as source, open(f"{root}/claude", "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
os.chmod(f"{root}/claude", 0o755)
PYTHON
    rm -r "$3/wheel"
}

# install_npm PACKAGE VERSION DIR NAME
install_npm() {
    need node:nodejs npm
    npm install --loglevel=error --no-audit --no-fund --no-update-notifier --prefix "$3" "$1@${2:-latest}" >&2
    ln -s "node_modules/.bin/$4" "$3/$4"
}

# install NAME KIND PACKAGE VERSION: into a directory beside the old one, which it replaces when it starts.
install() {
    local name=$1 kind=$2 package=$3 version=$4 new=$root/$1.new
    rm -rf "$new"
    mkdir -p "$new/home"
    "install_$kind" "$package" "$version" "$new" "$name"
    # `--version` may write to its home, and must not to the user's. Pi prints it on stderr.
    HOME=$new/home timeout 60 "$new/$name" --version >"$new/version" 2>&1 </dev/null
    rm -rf "$new/home" "${root:?}/$name"
    mv "$new" "$root/$name"
    ln -sfn "../$name/$name" "$root/bin/$name"
    cp "$root/$name/version" "$root/bin/$name.version"
    echo "$version" >"$root/$name/pin"
}

status=0
for program in "${programs[@]}"; do
    read -r name kind package version <<<"$program"
    if $newest; then
        version=
    elif [ "$(cat "$root/$name/pin" 2>/dev/null)" = "$version" ] && [ -x "$root/bin/$name" ]; then
        continue
    fi
    echo "installing $name (${kind} $package ${version:-newest}) into $root" >&2
    # In a shell of its own, and not as a condition: that would switch `set -e` off inside.
    set +e
    (
        set -e
        install "$name" "$kind" "$package" "$version"
    )
    failed=$?
    set -e
    if [ "$failed" != 0 ]; then
        echo "cannot install $name: tests that need it will be skipped" >&2
        status=1
    fi
done

for program in "${programs[@]}"; do
    read -r name _ <<<"$program"
    [ ! -e "$root/bin/$name" ] || echo "$name: $(cat "$root/bin/$name.version")"
done
exit "$status"
