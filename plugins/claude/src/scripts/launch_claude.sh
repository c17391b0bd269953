# Called as: launch_claude.sh PROGRAM [ARG...]; PROGRAM is shell text, each ARG one word.

# Only bash can copy what the program says on stderr while it is shown.
if [ -z "${BASH_VERSION:-}" ] && command -v bash >/dev/null 2>&1; then
    exec bash "$0" "$@"
fi
mng_program=$1
shift
mng_state=${MNG_AGENT_STATE_DIR:?}

# What a Claude Code around this shell has left would confuse ours.
unset CLAUDECODE CLAUDE_CODE_ENTRYPOINT CLAUDE_CODE_SESSION_ID CLAUDE_CODE_SSE_PORT CLAUDE_PID CLAUDE_PROJECT_DIR
# Its installer puts it where not every shell looks.
if ! command -v claude >/dev/null 2>&1 && [ -x "$HOME/.local/bin/claude" ]; then
    PATH=$HOME/.local/bin:$PATH
fi

mng_run() {
    eval "$mng_program"' "$@"'
}

if [ "$mng_mode" = headless ]; then
    mng_prompt=$mng_state/.mng-prompt
    if [ -f "$mng_state/initial_prompt" ]; then
        mv -f "$mng_state/initial_prompt" "$mng_prompt"
    fi
    [ -f "$mng_prompt" ] || mng_prompt=/dev/null
    # The prompt is no argument: those are limited, and everybody can read them.
    mng_run --print "$@" <"$mng_prompt" >"$mng_state/stdout.jsonl" 2>"$mng_state/stderr.log"
    exit
fi

mng_sessions=${CLAUDE_CONFIG_DIR:-$HOME/.claude}/projects
mng_has_session() {
    for mng_file in "$mng_sessions"/*/"$1.jsonl"; do
        [ ! -s "$mng_file" ] || return 0
    done
    return 1
}

MAIN_CLAUDE_SESSION_ID=
{ read -r MAIN_CLAUDE_SESSION_ID <"$mng_state/claude_session_id"; } 2>/dev/null
case $MAIN_CLAUDE_SESSION_ID in
    '' | *[!0-9A-Za-z-]*) MAIN_CLAUDE_SESSION_ID=$mng_id ;;
esac
export MAIN_CLAUDE_SESSION_ID
rm -f "$mng_state/session_started" "$mng_state/claude_main_pid" "$mng_state/claude_registry" "$mng_state/active" \
    "$mng_state/permissions_waiting" "$mng_state/compacting"

mng_has_text=
if [ -f "$mng_state/initial_prompt" ]; then
    mv -f "$mng_state/initial_prompt" "$mng_state/initial_prompt.sent"
    # The dot keeps the line breaks at the end.
    mng_text=$(cat "$mng_state/initial_prompt.sent" && echo .)
    mng_text=${mng_text%.}
    mng_has_text=1
fi

# Runs the program with the message, if there is one; keeps its exit code and how long it ran.
mng_try() {
    mng_begun=$(date +%s)
    if [ -n "$mng_has_text" ]; then
        mng_run "$@" -- "$mng_text"
    else
        mng_run "$@"
    fi
    mng_code=$?
    mng_ran=$(($(date +%s) - mng_begun))
}

# A resume that does not even begin ends at once. Whoever quits a conversation does not want another one.
mng_is_over() {
    [ "$mng_code" -eq 0 ] || [ "$mng_ran" -gt 3 ] || [ -e "$mng_state/session_started" ]
}

mng_launch() {
    if mng_has_session "$MAIN_CLAUDE_SESSION_ID"; then
        mng_try --resume "$MAIN_CLAUDE_SESSION_ID" "$@"
        if mng_is_over; then return "$mng_code"; fi
    fi
    if [ "$MAIN_CLAUDE_SESSION_ID" != "$mng_id" ] && mng_has_session "$mng_id"; then
        export MAIN_CLAUDE_SESSION_ID="$mng_id"
        mng_try --resume "$mng_id" "$@"
        if mng_is_over; then return "$mng_code"; fi
    fi
    if [ -e "$mng_state/claude_conversation" ]; then
        echo "mng: conversation $MAIN_CLAUDE_SESSION_ID cannot be continued; a new one begins" >&2
    fi
    export MAIN_CLAUDE_SESSION_ID="$mng_id"
    if mng_has_session "$mng_id"; then
        # It cannot be resumed, and its id cannot be used again.
        mng_try "$@"
    else
        mng_try --session-id "$mng_id" "$@"
    fi
    return "$mng_code"
}

if [ -n "${BASH_VERSION:-}" ]; then
    # In a string, since other shells cannot read it.
    eval 'mng_launch "$@" 2> >(exec tee -i "$mng_state/stderr.log" >&2)'
else
    mng_launch "$@"
fi
