#!/bin/sh
# mng writes this file. It stops the machine when nothing has happened on it for long enough, and keeps the
# times by which that is told. `activity_watcher.sh HOST_DIR`; rules: `mng help idle_detection`.
set -u
umask 077
LC_ALL=C
export LC_ALL
host_dir=$1
cd /

period=${MNG_WATCHER_PERIOD:-15}
grace=${MNG_WATCHER_GRACE:-120}
lock_wait=${MNG_WATCHER_LOCK_WAIT:-60}
# How long the machine may take to go down, and how long a shutdown that failed is left alone.
after_stop=${MNG_WATCHER_AFTER_STOP:-300}
# Ends after so many rounds; for ever if empty.
rounds=${MNG_WATCHER_ROUNDS:-}

log() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

if stat -c %Y / >/dev/null 2>&1; then stat_option=-c stat_format=%Y; else stat_option=-f stat_format=%m; fi

# A lock belongs to the open file, so it outlives the program that takes it. No descriptor is handed to
# children: one that lives on would keep the lock.
by_perl='use Fcntl ":flock"; open(my $f, ">>&=", $ARGV[0]) or exit 2; exit(flock($f, LOCK_EX|LOCK_NB) ? 0 : 75)'
if command -v flock >/dev/null 2>&1; then
    take() { flock -n "$1"; }
elif command -v perl >/dev/null 2>&1; then
    take() { perl -e "$by_perl" "$1"; }
else
    lockf -s -t 0 8 8>>/dev/null 2>/dev/null
    case $? in
    0|75) take() { lockf -s -t 0 "$1"; } ;;
    *) log "nothing here can hold a lock (flock, perl, lockf): the machine is never stopped"; exit 1 ;;
    esac
fi

# One watcher a host dir.
exec 8>>"$host_dir/activity_watcher.pid"
take 8 || exit 0
echo $$ >"$host_dir/activity_watcher.pid"

# The newest of the times of some files, in `latest`; empty if there is none. Times to come do not count.
newest() {
    latest=
    now=$(date +%s)
    for time in $(stat "$stat_option" "$stat_format" "$@" 2>/dev/null); do
        [ "$time" -le "$now" ] || continue
        if [ -z "$latest" ] || [ "$time" -gt "$latest" ]; then latest=$time; fi
    done
}

# `key<TAB>value` for the plain values and lists of texts of a JSON object, those of nested objects left out.
top_level='
{ text = text $0 "\n" }
END {
    size = length(text)
    for (at = 1; at <= size; at++) {
        c = substr(text, at, 1)
        if (c == "\"") {
            word = ""
            for (at++; at <= size; at++) {
                d = substr(text, at, 1)
                if (d == "\\") { word = word substr(text, at, 2); at++; continue }
                if (d == "\"") break
                word = word d
            }
            if (depth == 1 && is_key) { key = word; is_key = 0 }
            else if (depth == 1) value = word
            else if (depth == 2 && is_list) value = value word " "
        } else if (c == "{" || c == "[") {
            depth++
            if (depth == 1) is_key = 1
            if (depth == 2) { is_list = (c == "["); value = "" }
        } else if (c == "}" || c == "]") {
            if (depth == 1 && key != "") print key "\t" value
            depth--
        } else if (depth == 1 && c == ",") {
            print key "\t" value
            key = ""; value = ""; is_key = 1
        } else if (depth == 1 && c == ":") {
            value = ""
        } else if (depth == 1 && c !~ /[ \t\r\n]/) {
            value = value c
        }
    }
}'

# What the record of the host says now.
read_settings() {
    host_id= timeout= sources= max_age= prefix=
    [ -f "$host_dir/data.json" ] || return 1
    while IFS='	' read -r key value; do
        case $key in
        host_id) host_id=$value ;;
        idle_timeout_seconds) timeout=${value%%[!0-9]*} ;;
        activity_sources) sources=" $value" ;;
        max_host_age) max_age=${value%%[!0-9]*} ;;
        tmux_session_prefix) prefix=$value ;;
        esac
    done <<EOF
$(awk "$top_level" "$host_dir/data.json" 2>/dev/null)
EOF
    [ -n "$timeout" ] || return 1
    case $prefix in ''|null) prefix=mng- ;; esac
}

counts() { case $sources in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# Whether the program of an agent runs, by the file that its launch wrote. Without the file an older version
# started it: then a session speaks for all.
is_alive() {
    if [ ! -f "$1/launch" ]; then
        [ -n "$sessions" ]
        return
    fi
    pid= started=
    while read -r line; do
        case $line in
        *'"exit_code"'*) pid= ;;
        *'"pid":'*)
            pid=${line#*'"pid":'}
            pid=${pid%%[!0-9]*}
            started=${line#*'"start_time":"'}
            started=${started%%'"'*} ;;
        esac
    done <"$1/launch"
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    [ -r /proc/self/stat ] || return 0
    { read -r line <"/proc/$pid/stat"; } 2>/dev/null || return 1
    # The name may hold blanks and parentheses; behind it the start is the 20th word.
    set -f
    set -- ${line##*) }
    set +f
    [ "${20}" = "$started" ]
}

# Looks at sessions and agents, and writes down what is going on: `activity/process` while a program runs,
# `activity/agent` while it works on something, `activity/ssh` while somebody looks at it.
look() {
    sessions= has_agents= is_any_alive= is_any_working=
    for name in $(tmux -u list-sessions -F '#{session_name}' 2>/dev/null 8>&-); do
        case $name in "$prefix"*) sessions="$sessions $name" ;; esac
    done
    for agent in "$host_dir"/agents/*; do
        [ -e "$agent/data.json" ] || continue
        has_agents=yes
        is_alive "$agent" || continue
        is_any_alive=yes
        [ -d "$agent/activity" ] || continue
        touch "$agent/activity/process"
        if [ -e "$agent/active" ]; then
            is_any_working=yes
            touch "$agent/activity/agent"
        fi
    done
    if [ -n "$sessions" ] && [ -n "$(tmux -u list-clients -F x 2>/dev/null 8>&-)" ]; then
        touch "$host_dir/activity/ssh"
    fi
}

# Whether it is time to stop, with the `reason`.
is_idle() {
    [ -n "$sources" ] && [ "$sources" != ' ' ] || return 1
    if counts AGENT && [ -n "$is_any_working" ]; then return 1; fi
    if [ -n "$has_agents" ] && [ -z "$sessions" ] && [ -z "$is_any_alive" ]; then
        newest "$host_dir"/agents/* "$host_dir/activity/boot"
        if [ -n "$latest" ] && [ $((latest + grace)) -le "$now" ]; then
            reason=STOPPED
            return 0
        fi
    fi
    set --
    for source in USER AGENT SSH CREATE START BOOT PROCESS; do
        counts "$source" || continue
        case $source in
        USER) set -- "$@" "$host_dir/activity/user" "$host_dir"/agents/*/activity/user ;;
        AGENT) set -- "$@" "$host_dir"/agents/*/activity/agent ;;
        SSH) set -- "$@" "$host_dir/activity/ssh" ;;
        CREATE) set -- "$@" "$host_dir"/agents/*/activity/create ;;
        START) set -- "$@" "$host_dir"/agents/*/activity/start ;;
        BOOT) set -- "$@" "$host_dir/activity/boot" ;;
        PROCESS) set -- "$@" "$host_dir"/agents/*/activity/process ;;
        esac
    done
    newest "$@"
    [ -n "$latest" ] && [ $((latest + timeout)) -le "$now" ] || return 1
    reason=PAUSED
}

is_too_old() {
    [ -n "$max_age" ] || return 1
    newest "$host_dir/activity/boot"
    [ -n "$latest" ] && [ $((latest + max_age)) -le "$now" ]
}

# `lock SECONDS`: takes the lock of the host, which everybody holds who changes something on it.
lock() {
    exec 9>>"$host_dir/host_lock"
    tries=$1
    until take 9; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 1 8>&- 9>&-
    done
}

unlock() { exec 9>&-; }

# Stops the machine; returns when it did not go down. The lock is held meanwhile.
stop() {
    generation=0
    { read -r generation <"$host_dir/host_lock.generation"; } 2>/dev/null
    generation=${generation%%[!0-9]*}
    echo $((${generation:-0} + 1)) >"$host_dir/host_lock.generation.new"
    mv -f "$host_dir/host_lock.generation.new" "$host_dir/host_lock.generation"
    printf '{"host_id":"%s","stop_reason":"%s","at":"%s"}\n' \
        "$host_id" "$1" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$host_dir/stop_reason.json.new"
    mv -f "$host_dir/stop_reason.json.new" "$host_dir/stop_reason.json"
    sync
    log "stopping: $1, $2"
    if sh "$host_dir/commands/shutdown.sh" "$1" 8>&- 9>&- </dev/null; then
        sleep "$after_stop" 8>&- 9>&-
        log "still up ${after_stop} s after the shutdown command"
        rm -f "$host_dir/stop_reason.json"
        unlock
    else
        log "the shutdown command failed with exit code $?"
        rm -f "$host_dir/stop_reason.json"
        unlock
        sleep "$after_stop" 8>&- 9>&-
    fi
}

round() {
    read_settings || return 0
    look
    if is_too_old; then
        # The age is a promise of how long the machine runs at most: who holds the lock gets some time.
        lock "$lock_wait" || log "the lock is held for more than $lock_wait s"
        stop PAUSED "older than $max_age s"
        return 0
    fi
    is_idle || return 0
    if lock 0; then
        # Something may have begun since.
        read_settings && look && is_idle && stop "$reason" "idle by$sources"
    fi
    unlock
}

mkdir -p "$host_dir/activity"
# Of a machine that was booted without us knowing, or for the first time.
booted=$(sed -n 's/^btime //p' /proc/stat 2>/dev/null)
newest "$host_dir/activity/boot"
if [ -z "$latest" ] || [ "$latest" -lt "${booted:-0}" ]; then touch "$host_dir/activity/boot"; fi

written=$(cksum <"$0")
log "watching"
# Without its directory there is nothing to watch.
while [ -d "$host_dir" ]; do
    round
    if [ -n "$rounds" ]; then
        rounds=$((rounds - 1))
        [ "$rounds" -gt 0 ] || exit 0
    fi
    sleep "$period" 8>&- 9>&-
    # A newer mng has written a newer watcher.
    if [ -r "$0" ] && [ "$(cksum <"$0")" != "$written" ]; then exec sh "$0" "$host_dir"; fi
done
