# Makes the programs of an agent's session repaint after a terminal attached to it or changed its size.
# usage: sigwinch_panes.sh fit|nudge PANE_ID CLIENT_WIDTH CLIENT_HEIGHT STATUS
# tmux runs this from hooks; mng rewrites it at each start of an agent.

mode=$1 pane=$2 width=$3 height=$4 status=$5
[ -n "$pane" ] || exit 0

if [ "$mode" = fit ]; then
    case $status in
    off) rows=0 ;;
    [2-9]) rows=$status ;;
    *) rows=1 ;;
    esac
    height=$((height - rows))
    [ "$width" -ge 80 ] || width=80
    [ "$height" -ge 24 ] || height=24
    tmux resize-window -t "$pane" -x "$width" -y "$height" 2>/dev/null || exit 0
fi

sleep "${MNG_SIGWINCH_DELAY_SECONDS:-3}"
if [ "$mode" = nudge ] && [ "$(tmux display-message -p -t "$pane" '#{window-size}' 2>/dev/null)" = manual ]; then
    exit 0
fi
roots=$(tmux list-panes -s -t "$pane" -F '#{pane_pid}' 2>/dev/null) || exit 0
ps -A -o pid= -o ppid= | while read -r pid parent; do
    for root in $roots; do
        if [ "$pid" = "$root" ] || [ "$parent" = "$root" ]; then
            kill -s WINCH "$pid" 2>/dev/null
        fi
    done
done
exit 0
