#compdef mng
# Completion of mng for zsh: eval "$(mng completion zsh)"
_mng() {
    local -a values shown open_values open_shown
    local line value
    for line in "${(@f)$("${words[1]}" __complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
        [[ -z $line ]] && continue
        if [[ $line == :files ]]; then
            _files
            return
        fi
        value=${line%%$'\t'*}
        if [[ $value == *[.=] ]]; then
            open_values+=("$value")
            open_shown+=("${line/$'\t'/  -- }")
        else
            values+=("$value")
            shown+=("${line/$'\t'/  -- }")
        fi
    done
    (( $#values )) && compadd -l -d shown -a values
    (( $#open_values )) && compadd -l -S '' -d open_shown -a open_values
}
if (( $+functions[compdef] )); then
    :
else
    autoload -Uz compinit && compinit
fi
if [[ $funcstack[1] == _mng ]]; then
    _mng "$@"
else
    compdef _mng mng
fi
