# Signals processes of this machine and waits until they have ended.
# $1 signal, or `-`  $2 tenths of a second to wait  $3 whom to signal  $4 whom to wait for: words `PID:START`,
# START as field 22 of /proc/PID/stat, or `-` where there is no /proc

lives() {
    pid=${1%%:*} start=${1#*:}
    if [ "$start" = - ]; then
        kill -0 "$pid" 2>/dev/null
        return
    fi
    line=$(cat "/proc/$pid/stat" 2>/dev/null)
    # The name may hold anything; the last `)` ends it.
    set -- ${line##*) }
    [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$start" ]
}

for word in $3; do
    # A stopped one is woken to notice.
    lives "$word" && kill -s "$1" "${word%%:*}" && kill -s CONT "${word%%:*}"
done 2>/dev/null

waited=0
while :; do
    left=
    for word in $4; do
        if lives "$word"; then
            left=1
            break
        fi
    done
    if [ -z "$left" ] || [ "$waited" -ge "$2" ]; then
        exit 0
    fi
    if sleep 0.1 2>/dev/null; then
        waited=$((waited + 1))
    else
        sleep 1
        waited=$((waited + 10))
    fi
done
