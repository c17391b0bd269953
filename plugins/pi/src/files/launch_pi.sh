# Starts an agent's pi: PROGRAM ARGUMENTS..., where PROGRAM is shell text. mng writes this file.
# Needs sh, rm.
A=$MNG_AGENT_STATE_DIR
program=$1
shift

rm -f "$A/pi_session_started" "$A/pi_pid" "$A/active" "$A/permissions_waiting"
: >"$A/pi_process_started"

MNG_PI_MAIN=1
export MNG_PI_MAIN

session=
[ -f "$A/plugin/pi_coding/no_resume" ] || { IFS= read -r session <"$A/pi_session_file"; } 2>/dev/null
if [ -n "$session" ] && [ -s "$session" ]; then
    eval "$program -e \"\$A/commands/mng_pi_lifecycle.ts\" --session \"\$session\" \"\$@\""
else
    eval "$program -e \"\$A/commands/mng_pi_lifecycle.ts\" \"\$@\""
fi
code=$?
rm -f "$A/pi_session_started" "$A/pi_pid" "$A/active" "$A/permissions_waiting"
exit "$code"
