# Completion of mng for bash: eval "$(mng completion bash)"
_mng() {
    local line
    COMPREPLY=()
    # mng splits the line itself: bash cuts words at `=`, `:` and `@`. Candidates bring their own blank.
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o default +o nospace 2>/dev/null
            return
        fi
        COMPREPLY+=("$line")
    done < <("$1" __complete bash "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o nospace -F _mng mng
