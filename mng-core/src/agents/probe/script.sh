# One look at a host and its agents, printed in frames: a line `NONCE KIND REST`, then a body up to the next
# such line. Whoever writes the files that are quoted here cannot know the nonce.
#
# $1 nonce  $2 what else is wanted: u (usage), r (resources)  $3 host dir  $4 `*`, or ids of agents
# $5 files of the agents' types, a line each: KIND|NEWEST|PATTERN  $6 format of a tmux row
#
# For dash, busybox and bash, with the tools of Linux or BSD. Few processes: a host may have many agents.
n=$1 extras=$2 root=$3 ids=$4 watched=$5 format=$6
nl='
'
LC_ALL=C
export LC_ALL
unset TMUX TMUX_PANE

mark() {
    printf '\n%s' "$n"
    printf ' %s' "$@"
    printf '\n'
}

# Time of the last change, size, name: of those files that exist. Links are followed.
case $(stat -c %.9Y / 2>/dev/null) in
*[0-9].[0-9]*) stamps() { stat -L -c '%.9Y %s %n' -- "$@" 2>/dev/null; } ;;
[0-9]*) stamps() { stat -L -c '%Y %s %n' -- "$@" 2>/dev/null; } ;;
*) stamps() { stat -L -f '%Fm %z %N' -- "$@" 2>/dev/null; } ;;
esac

# $1 kind  $2 name  $3 size. `W` at most 256 KiB of it, `P` and `U` 4 KiB; `E` the first line and the last
# 16 KiB, `L` the last 512 KiB; `T` nothing, `A` later. What is no plain file could block.
part() {
    end=0
    case $1 in
    W) limit=262144 ;;
    P | U) limit=4096 ;;
    A) mark part A 0 "$2" && return ;;
    E) limit=32768 end=16384 ;;
    L) limit=1048576 end=524288 ;;
    *) return ;;
    esac
    [ -f "$2" ] && [ -r "$2" ] || return
    if [ "$end" != 0 ] && [ "$3" -gt "$limit" ]; then
        mark part "$1" 0 "$2"
        head -n 1 "$2" | head -c 65536
        mark part "$1" $(($3 - end)) "$2"
        tail -c +$(($3 - end + 1)) "$2" | head -c "$end"
        return
    fi
    mark part "$1" 0 "$2"
    head -c "$limit" "$2"
}

# The agent whose state dir we are in.
agent() {
    mark files "$1"
    set -- data.json launch active permissions_waiting activity/start activity/user activity/agent status/url
    IFS=$nl
    set -f
    for want in $watched; do
        want=${want#*|}
        newest=${want%%|*}
        pattern=${want#*|}
        set +f
        for file in $pattern; do
            [ -e "$file" ] || continue
            if [ "$newest" != 0 ]; then
                for file in $(ls -td -- $pattern 2>/dev/null | head -n "$newest"); do
                    case $file in *[!A-Za-z0-9._/-]*) continue ;; esac
                    [ -d "$file" ] || set -- "$@" "$file"
                done
                break
            fi
            # Others would break the lines of this answer.
            case $file in *[!A-Za-z0-9._/-]*) continue ;; esac
            [ -d "$file" ] || set -- "$@" "$file"
        done
        set -f
    done
    known=$(stamps "$@")
    printf '%s\n' "$known"
    for line in $known; do
        line=${line#* }
        size=${line%% *}
        file=${line#* }
        case $file in
        data.json | launch) part W "$file" "$size" ;;
        status/url) part U "$file" "$size" ;;
        permissions_waiting) part U "$file" "$size" ;;
        active | activity/*) ;;
        *)
            kind=T
            for want in $watched; do
                case $file in ${want#*|*|}) kind=${want%%|*} && break ;; esac
            done
            part "$kind" "$file" "$size"
            ;;
        esac
    done
    set +f
    unset IFS
}

mark probe 1
mark clock "$(date +%s.%N)"
if { read -r uptime rest </proc/uptime; } 2>/dev/null; then
    mark uptime "$uptime"
else
    mark boot "$(sysctl -n kern.boottime 2>/dev/null)"
fi
cd -- "$root" 2>/dev/null || {
    if [ -e "$root" ]; then mark unreadable; else mark absent; fi
    mark end
    exit 0
}

# A shared lock is refused as long as somebody holds the exclusive one. Any other failure tells nothing.
lock() {
    [ -e host_lock ] || return 0
    [ -r host_lock ] || return 2
    (flock -s -n 9) 9<host_lock 2>/dev/null
    case $? in 0) return 0 ;; 1) return 1 ;; esac
    lockf -k -s -t 0 host_lock true 2>/dev/null
    case $? in 0) return 0 ;; 75) return 1 ;; esac
    perl -e 'use Fcntl ":flock"; open(F, "<", "host_lock") or exit 2; exit(flock(F, LOCK_SH | LOCK_NB) ? 0 : 1)' 2>/dev/null
}
lock
case $? in 0) mark lock free ;; 1) mark lock held ;; *) mark lock unknown ;; esac
mark host
stamps host_lock activity/ssh data.json
size=$(wc -c 2>/dev/null <data.json) && part W data.json $((size))

case $extras in *r*)
    mark cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null)"
    if [ -r /proc/meminfo ]; then
        while read -r key value rest; do
            case $key in MemTotal:) mark memory $((value * 1024)) && break ;; esac
        done </proc/meminfo
    else
        mark memory "$(sysctl -n hw.memsize 2>/dev/null || sysctl -n hw.physmem 2>/dev/null)"
    fi
    mark disk "$(df -Pk / 2>/dev/null | tail -n 1)"
    ;;
esac

any=
if [ -d agents ]; then
    cd agents 2>/dev/null && [ -r . ] || mark unreadable agents
    agents=$PWD
    case $ids in '*') set -- agent-* ;; *) set -- $ids ;; esac
    for id; do
        case $id in *[!a-z0-9-]*) continue ;; esac
        cd -- "$agents/$id" 2>/dev/null || continue
        any=1
        agent "$id"
    done
fi

if [ -n "$any" ]; then
    mark tmux
    tmux -u list-panes -a -F "$n	$format" 2>&1
    mark code $?
    if [ -r /proc/self/stat ]; then
        mark proc
        cat /proc/[0-9]*/stat 2>/dev/null
        case $extras in *u*) mark units "$(getconf CLK_TCK 2>/dev/null)" "$(getconf PAGESIZE 2>/dev/null)" ;; esac
    else
        mark ps
        ps -A -o pid=,ppid=,rss=,lstart=,comm= 2>&1
        mark code $?
    fi
fi
mark end
