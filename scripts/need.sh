# Sourced: `need COMMAND[:PACKAGE]...` installs the packages of missing commands, with apt or Homebrew.

need() {
    local missing=() wanted command package
    for wanted in "$@"; do
        command=${wanted%%:*} package=${wanted#*:}
        command -v "$command" >/dev/null || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "installing: ${missing[*]}" >&2
    if command -v apt-get >/dev/null; then
        local sudo=()
        [ "$(id -u)" = 0 ] || sudo=(sudo)
        "${sudo[@]}" apt-get update -qq
        DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    elif command -v brew >/dev/null; then
        brew install "${missing[@]}" >&2
    else
        echo "install these by hand, then run this again: ${missing[*]}" >&2
        return 1
    fi
}

need_cargo() {
    command -v cargo >/dev/null && return 0
    # rustup puts it here; a login shell that is older than the installation does not know yet.
    [ -x "$HOME/.cargo/bin/cargo" ] && PATH="$HOME/.cargo/bin:$PATH" && return 0
    echo "cargo is missing: https://rustup.rs says how to install Rust" >&2
    return 1
}
