# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of socktally(1) for bash. The command itself knows what may come next: "word<Tab>explanation" per line.

_socktally() {
        local line=${COMP_LINE:0:COMP_POINT} word=${COMP_WORDS[COMP_CWORD]} words=() candidate

        # bash breaks words at characters such as = and @ as well; the command wants them whole, and bash wants back
        # what follows the last break.
        read -ra words <<<"$line"
        [[ $line != *[[:space:]] ]] || words+=('')
        local whole=${words[-1]}
        case $word in [=:@\<\>\;\|\&\(\"\'] | :=) word= ;; esac
        local before=${whole%"$word"}

        COMPREPLY=()
        while IFS= read -r candidate; do
                candidate=${candidate%%$'\t'*}
                case $candidate in
                :files) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
                :directories) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
                *) COMPREPLY+=("${candidate#"$before"}") ;;
                esac
        done < <("${COMP_WORDS[0]}" complete "${words[@]:1}" 2>/dev/null)
}
complete -o filenames -F _socktally socktally
