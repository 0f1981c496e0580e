#compdef socktally
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of socktally(1) for zsh. The command itself knows what may come next: "word<Tab>explanation" per line.

_socktally() {
        local line
        local -a candidates

        while IFS= read -r line; do
                case $line in
                :files) _files; return ;;
                :directories) _files -/; return ;;
                *$'\t'*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
                *) candidates+=("${line//:/\\:}") ;;
                esac
        done < <("${words[1]}" complete "${(@)words[2,CURRENT]}" 2>/dev/null)
        _describe socktally candidates
}

# Sourced by compinit's autoload the file is the function's body; sourced by hand it only defines it.
if [ "${funcstack[1]-}" = _socktally ]; then
        _socktally "$@"
elif (( $+functions[compdef] )); then
        compdef _socktally socktally
fi
