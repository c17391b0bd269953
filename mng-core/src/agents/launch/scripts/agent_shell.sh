# The shell of every pane of an agent: the host's and the agent's variables, then the person's own shell.
# usage: agent_shell.sh HOST_DIR AGENT_STATE_DIR
# mng rewrites this file at each start of an agent.

for mng_file in "$1/env" "$2/env"; do
    [ -f "$mng_file" ] || continue
    # A file that cannot be read as shell would end this shell, and the session with it.
    if (. "$mng_file"; :) >/dev/null 2>&1; then
        set -a
        . "$mng_file"
        set +a
    else
        echo "mng: cannot read $mng_file" >&2
    fi
done

case ${MNG_SAVED_DEFAULT_TMUX_COMMAND-} in
'') mng_shell=${SHELL:-sh} ;;
*[!A-Za-z0-9_./-]*) exec "${SHELL:-sh}" -c "$MNG_SAVED_DEFAULT_TMUX_COMMAND" ;;
*) mng_shell=$MNG_SAVED_DEFAULT_TMUX_COMMAND ;;
esac
case $mng_shell in
*/false | */true | */nologin) mng_shell=sh ;; # an account without a shell still runs agents
esac
command -v "$mng_shell" >/dev/null 2>&1 || mng_shell=sh
exec "$mng_shell"
