# Runs at the events of an agent's Claude Code; mng writes this file. $1 is the event, stdin its JSON.
# Needs sh, sed, cat, mv, ln, rm, tail and date. Never fails: some hooks would stop the program.
payload=$(cat)
A=${MNG_AGENT_STATE_DIR:-}
[ -d "$A" ] || exit 0

# Programs that the agent starts inherit its environment; those that are Claude Code too are not the agent.
if [ -n "${CLAUDE_PROJECT_DIR:-}" ] && [ -n "${MNG_AGENT_WORK_DIR:-}" ]; then
    work_dir=$(cd -- "$MNG_AGENT_WORK_DIR" 2>/dev/null && pwd -P)
    project_dir=$(cd -- "$CLAUDE_PROJECT_DIR" 2>/dev/null && pwd -P)
    [ -z "$work_dir" ] || [ "$project_dir" = "$work_dir" ] || exit 0
fi
main_pid=
{ read -r main_pid <"$A/claude_main_pid"; } 2>/dev/null
if [ -n "${CLAUDE_PID:-}" ] && [ -n "$main_pid" ] && [ "$CLAUDE_PID" != "$main_pid" ]; then
    name=
    { read -r name <"/proc/$main_pid/comm"; } 2>/dev/null
    [ "$name" != claude ] || exit 0
fi

# The string of that name in the JSON. Free text cannot pose as one: a quote inside a string has a backslash.
field() {
    printf '%s' "$payload" | sed -n '1s/^[^{]*{\(.*\)$/,\1/;1s/.*,[[:space:]]*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p'
}

put() { # put FILE TEXT
    printf '%s\n' "$2" >"$A/.$1.$$" && mv -f "$A/.$1.$$" "$A/$1"
}

now() {
    date -u +%Y-%m-%dT%H:%M:%SZ
}

# Whoever watches the host looks at the agent at once.
tell() {
    [ -d "${MNG_HOST_DIR:-}" ] || return 0
    dir=$MNG_HOST_DIR/events/mng/activity
    [ -d "$dir" ] || mkdir -p "$dir" || return 0
    id=
    { read -r id </proc/sys/kernel/random/uuid; } 2>/dev/null
    id=$(printf '%s' "$id" | sed 's/-//g')
    [ -n "$id" ] || id=$(printf '%016x%016x' "$$" "$(date +%s)")
    printf '{"source":"mng/activity","type":"activity","event_id":"evt-%s","timestamp":"%s","agent_id":"%s"}\n' \
        "$id" "$(now)" "${MNG_AGENT_ID:-}" >>"$dir/events.jsonl"
}

# A message that was typed while the program worked is taken up without a further event.
is_message_queued() {
    transcript=$(field transcript_path)
    [ -r "$transcript" ] || return 1
    last=$(tail -c 65536 "$transcript" | sed -n '/"type":"queue-operation"/h;${x;p;}')
    case $last in
        *'"operation":"enqueue"'*'"content":"/'* | *'"content":"/'*'"operation":"enqueue"'*) return 1 ;;
        *'"operation":"enqueue"'*) return 0 ;;
    esac
    return 1
}

end_turn() {
    rm -f "$A/active" "$A/permissions_waiting"
    put idle_since "$(now)"
    tell
}

{
    case ${1:-} in
        session-start)
            source=$(field source)
            id=${CLAUDE_CODE_SESSION_ID:-$(field session_id)}
            if [ -n "${CLAUDE_PID:-}" ]; then
                put claude_main_pid "$CLAUDE_PID"
                # Who asks for the state then opens one file.
                link=$A/.claude_registry.$$
                ln -s "${CLAUDE_CONFIG_DIR:-$HOME/.claude}/sessions/$CLAUDE_PID.json" "$link" &&
                    mv -f "$link" "$A/claude_registry"
            fi
            if [ -n "$id" ]; then
                put claude_session_id "$id"
                printf '%s %s\n' "$id" "${source:-unknown}" >>"$A/claude_session_id_history"
            fi
            path=$(field transcript_path)
            [ -z "$path" ] || put claude_transcript_path "$path"
            model=$(field model)
            [ -z "$model" ] || put model_state.json "{\"model\": \"$model\", \"effort\": null, \"fast\": null}"
            case $source in
                startup | resume | '')
                    touch "$A/claude_process_started"
                    rm -f "$A/active" "$A/permissions_waiting" "$A/compacting"
                    tell
                    ;;
            esac
            # Last: whoever waits for it finds the rest.
            touch "$A/session_started"
            ;;
        submit)
            touch "$A/active"
            rm -f "$A/permissions_waiting" "$A/idle_since"
            put claude_conversation "${CLAUDE_CODE_SESSION_ID:-$(field session_id)}"
            tell
            ;;
        permission) touch "$A/permissions_waiting" ;;
        tool-done) rm -f "$A/permissions_waiting" ;;
        notification)
            case $(field notification_type) in
                idle_prompt) end_turn ;;
            esac
            ;;
        turn-end)
            if is_message_queued; then
                rm -f "$A/permissions_waiting"
            else
                end_turn
            fi
            ;;
        compact-start)
            trigger=$(field trigger)
            put compacting "{\"trigger\":\"${trigger:-unknown}\",\"started_at\":\"$(now)\"}"
            ;;
        compact-end)
            started=
            { read -r started <"$A/compacting"; } 2>/dev/null
            started=${started%\}}
            [ -n "$started" ] || started='{"trigger":"unknown","started_at":null'
            put last_compaction.json "$started,\"ended_at\":\"$(now)\"}"
            rm -f "$A/compacting"
            ;;
    esac
} >/dev/null 2>&1

# What SessionStart prints enters the model's context.
if [ "${1:-}" = session-start ] && [ "${2:-}" = --announce-base ] && [ -n "${MNG_GIT_BASE_BRANCH:-}" ]; then
    printf 'The branch that this work started from is %s.\n' "$MNG_GIT_BASE_BRANCH"
fi
exit 0
