# Starts an agent's OpenCode: PROGRAM ARGUMENTS..., where PROGRAM is shell text. mng writes this file.
# Needs sh, cat, mv, rm, mkdir.
A=$MNG_AGENT_STATE_DIR
P=$A/plugin/opencode
program=$1
shift

rm -f "$A/opencode_ready" "$A/opencode_server_port" "$A/opencode_pid" "$A/active" "$A/permissions_waiting"

# Its native library is unpacked there, and does not load from where nothing may be executed.
rm -rf "$P/tmp"
mkdir -p "$P/tmp" && chmod 700 "$P/tmp"
TMPDIR=$P/tmp
export TMPDIR

# Stands in for the person's own directory, with links to all of it but OpenCode's part.
if [ -d "$P/xdg_config" ]; then
    XDG_CONFIG_HOME=$P/xdg_config
    export XDG_CONFIG_HOME
fi

# Conversations that wait to become its own; the last one is the one to go on with.
for seed in "$P"/seed/ses_*.json; do
    [ -f "$seed" ] || continue
    id=${seed##*/}
    id=${id%.json}
    eval "$program import \"\$seed\"" || break
    printf '%s' "$id" >"$A/.opencode_root_session" && mv -f "$A/.opencode_root_session" "$A/opencode_root_session"
    rm -f "$seed"
done

# Whoever may connect to the port may run commands as this user; others do not know the password.
OPENCODE_SERVER_PASSWORD=$(cat "$P/server_password")
MNG_OPENCODE_MAIN=1
export OPENCODE_SERVER_PASSWORD MNG_OPENCODE_MAIN

session=
{ read -r session <"$A/opencode_root_session"; } 2>/dev/null
if [ -n "$session" ]; then
    eval "$program --port 0 --hostname 127.0.0.1 --session \"\$session\" \"\$@\""
else
    eval "$program --port 0 --hostname 127.0.0.1 \"\$@\""
fi
code=$?
rm -f "$A/opencode_ready" "$A/opencode_server_port" "$A/opencode_pid" "$A/active" "$A/permissions_waiting"
exit "$code"
