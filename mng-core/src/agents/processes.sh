# All processes, in frames as the look at a host prints them. $1 nonce  $2 host dir  $3 anything: marks too
n=$1
LC_ALL=C
export LC_ALL

mark() {
    printf '\n%s' "$n"
    printf ' %s' "$@"
    printf '\n'
}

mark probe 1
mark root "$(cd -- "$2" 2>/dev/null && pwd -P)"
if [ -r /proc/self/stat ]; then
    mark proc
    cat /proc/[0-9]*/stat 2>/dev/null
    [ -z "$3" ] || for file in $(grep -lF MNG_AGENT_ID= /proc/[0-9]*/environ 2>/dev/null); do
        pid=${file#/proc/}
        mark environ "${pid%/environ}"
        cat "$file" 2>/dev/null
    done
elif known=$(ps -A -o pid=,ppid=,rss=,lstart=,comm=); then
    mark ps
    printf '%s\n' "$known"
    [ -z "$3" ] || {
        mark commands
        ps -A -E -ww -o pid=,command= 2>/dev/null
    }
fi
mark end
