# Completion of mng for fish: mng completion fish | source
function __mng_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answer (command mng __complete fish $words[2..-1] 2>/dev/null)
    if test "$answer[1]" = :files
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $answer
    end
end
complete -c mng -f -a '(__mng_complete)'
