# What a person sees once, on attaching to an agent for the first time.
# usage: welcome.sh MARKER plain|nested

[ -e "$1" ] && exit 0
: >"$1"
prefix=$(tmux show-options -gv prefix 2>/dev/null)
prefix=${prefix:-C-b}
echo
echo "  You are attached to an agent of mng."
echo
echo "  It runs in tmux and goes on when you leave."
echo
if [ "$2" = nested ]; then
    echo "  You are inside another tmux, so its prefix comes first:"
    echo
    echo "    $prefix $prefix d      leave the agent, keep it running"
else
    echo "    $prefix d          leave, keep the agent running"
fi
[ -n "$3" ] && echo "    $3            stop the agent and leave"
[ -n "$4" ] && echo "    $4            destroy the agent (asks first)"
echo
echo "    $prefix [          scroll back (q ends it)"
echo
echo "  mng list           what all agents are doing"
echo "  mng connect NAME   come back"
echo
echo "  This is shown once."
echo
printf '  Press Enter: '
read -r _
