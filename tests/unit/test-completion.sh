#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the shells offer: `socktally complete` first, then bash, zsh and fish on top of it. No daemon is there; what
# comes from one is in test-tool-control. TAP.
set -uo pipefail
command=${SOCKTALLY_COMMAND:-./socktally}
top=${srcdir:-.}
number=0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
# A bus that is not there, and the command where a shell looks for it.
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$directory/no-bus
export SOCKTALLY_RUNTIME_DIRECTORY=$directory
ln -s "$(realpath "$command")" "$directory/socktally"
export PATH=$directory:$PATH

report() { # STATUS SENTENCE
        number=$((number + 1))
        if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

skip() { # WHAT WHY
        number=$((number + 1))
        echo "ok $number - $1 # SKIP $2"
}

offered() { # WORD...: for the last one, without explanations
        "$command" complete "$@" | cut -f1
}

expect() { # SENTENCE EXPECTED WORD...
        local sentence=$1 expected=$2 found status=0
        shift 2
        found=$(offered "$@" | tr '\n' ' ')
        [ "${found% }" = "$expected" ] || { echo "# offered '$found' instead of '$expected'"; status=1; }
        report $status "$sentence"
}

expect 'a command is completed' 'services settings set segment' se
expect 'the second word of a command is completed' 'dump verify' segment ''
expect 'the tables of top are offered' 'processes apps services containers users' top ''
expect 'modules are known without a daemon' 'tcp udp connect' enable ''
expect 'an option does not hide the argument' 'udp' enable --for 5min u
expect 'keys are offered' 'Interval IdleInterval' set I
expect 'a key is not offered that only a start changes' '' set So
expect 'IdleInterval is a key' 'IdleInterval' set Idle
expect 'the values of a key are offered' 'passive entry return' set LoadMode ''
expect 'a key may be written as on the command line of the daemon' 'entry' set load-mode e
expect 'nor are the values of one' '' set attach-method t
expect 'several modules can be named' 'udp' set Modules tcp u
expect 'levels of the log are offered' 'debug' set LogLevel d
expect 'a value of an option is offered' 'public full' status --view ''
expect 'and behind an equals sign' '--view=public' status --view=p
expect 'columns are completed' 'udp_tx_calls' top --sort udp_tx_c
expect 'the last of several columns is completed' 'tx,udp_rx_drops' top --columns tx,udp_rx_d
expect 'columns behind an equals sign, too' '--columns=tx,udp_rx_drops' top --columns=tx,udp_rx_d
expect 'lifetimes are offered' '1min 5min 1h 1d' enable tcp --for ''
expect 'files are left to the shell' ':files' segment dump ''
expect 'directories are left to the shell' ':directories' status --runtime-directory ''
expect 'options that mean nothing are not offered' '--no-legend --json --color --help --version' tables --
expect 'nothing comes after the last argument' '' disable tcp ''
expect 'nothing is offered for a number' '' processes --limit ''
expect 'units that nobody published are not offered' '' services ''
expect 'an unknown command has no arguments' '' colour blue

# The words of the usage, each offered somewhere.
status=0
for word in $("$command" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\).*/\1/p' | sort -u); do
        offered '' | grep -xF -e "$word" >/dev/null || { echo "# $word is not offered"; status=1; }
done
for option in $("$command" --help | grep -oE -e '--[a-z-]+' | sort -u); do
        for line in top enable set identify; do offered $line --; done | grep -xF -e "$option" >/dev/null || {
                echo "# $option is not offered"
                status=1
        }
done
for column in $(offered top --sort ''); do
        "$command" top --sort "$column" --runtime-directory "$directory" </dev/null >/dev/null 2>&1
        [ $? = 3 ] || { echo "# column $column is offered but not known"; status=1; }
done
report $status 'every command, option and column of the usage is offered, and none that does not exist'

bash_offers() { # LINE EXPECTED: as readline calls it, which breaks words at = and @
        local COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD COMPREPLY=() COMP_WORDS=()
        read -ra COMP_WORDS <<<"${1//=/ = }"
        [[ $1 != *[[:space:]=] ]] || COMP_WORDS+=('')
        [[ $1 != *= ]] || unset 'COMP_WORDS[-1]'
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _socktally
        [ "${COMPREPLY[*]-}" = "$2" ] || { echo "# bash offers '${COMPREPLY[*]-}' for '$1' instead of '$2'"; return 1; }
}
# shellcheck source=/dev/null
. "$top/data/completions/socktally.bash"
bash_offers 'socktally en' enable && bash_offers 'socktally enable ' 'tcp udp connect' &&
        bash_offers 'socktally set LoadMode p' passive && bash_offers 'socktally status --view=p' public &&
        bash_offers 'socktally status --view=' 'public full' && bash_offers 'socktally segment v' verify
report $? 'bash offers the same'
mkdir "$directory/there" && touch "$directory/there/some-file"
bash_offers "socktally segment dump $directory/there/so" "$directory/there/some-file" &&
        bash_offers "socktally status --runtime-directory $directory/the" "$directory/there"
report $? 'bash completes files and directories'
complete -p socktally | grep -qF _socktally
report $? 'bash knows whom to ask'

if command -v zsh >/dev/null; then
        zsh -n "$top/data/completions/socktally.zsh"
        report $? 'zsh understands its completion'
        found=$(zsh -fc '. "$1"; _describe() { print -l -- ${(P)2}; }
                words=(socktally set LoadMode p) CURRENT=4; _socktally
                words=(socktally modul) CURRENT=2; _socktally
                words=(socktally status --view=f) CURRENT=3; _socktally' - "$top/data/completions/socktally.zsh")
        [ "$found" = $'passive\nmodules:what can be counted or left alone, and its cost\n--view=full' ]
        status=$?
        [ $status = 0 ] || echo "# zsh offers '${found//$'\n'/, }'"
        report $status 'zsh offers the same, with explanations'
else
        skip 'zsh understands its completion' 'zsh is not installed'
fi

if command -v fish >/dev/null; then
        fish -n "$top/data/completions/socktally.fish"
        report $? 'fish understands its completion'
        found=$(HOME=$directory XDG_CONFIG_HOME=$directory fish --no-config -c "source $top/data/completions/socktally.fish
                complete -C 'socktally set LoadMode p'; complete -C 'socktally modul'
                complete -C 'socktally status --view=f'" 2>&1)
        [ "$found" = $'passive\nmodules\twhat can be counted or left alone, and its cost\n--view=full' ]
        status=$?
        [ $status = 0 ] || echo "# fish offers '${found//$'\n'/, }'"
        report $status 'fish offers the same, with explanations'
else
        skip 'fish understands its completion' 'fish is not installed'
fi
echo "1..$number"
