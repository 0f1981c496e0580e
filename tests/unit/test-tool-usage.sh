#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bad command lines of socktally: exit code 2, nothing on stdout, and a message that names the argument and what is
# allowed. Good ones that need no daemon, beside them. TAP.
set -uo pipefail
command=${SOCKTALLY_COMMAND:-./socktally}
top=${srcdir:-.}
number=0
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

report() { # STATUS SENTENCE
        number=$((number + 1))
        if [ "$1" = 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; fi
}

# refused SENTENCE WORD... -- ARGUMENT...: exit code 2, every WORD in the message, nothing printed.
refused() {
        local sentence=$1 words=() status word
        shift
        while [ "$1" != -- ]; do
                words+=("$1")
                shift
        done
        shift
        "$command" "$@" </dev/null >"$directory/out" 2>"$directory/err"
        status=$?
        [ $status = 2 ] || { report 1 "$sentence"; echo "# exit code $status"; return; }
        [ ! -s "$directory/out" ] || { report 1 "$sentence"; echo "# printed on stdout"; return; }
        for word in "${words[@]}" "Try 'socktally --help'"; do
                grep -qF -e "$word" "$directory/err" || {
                        report 1 "$sentence"
                        sed 's/^/# /' "$directory/err"
                        echo "# has no '$word'"
                        return
                }
        done
        report 0 "$sentence"
}

refused 'an unknown command is named, with those that exist' "'colour'" processes services status -- colour
refused 'an unknown long option is named' --colour -- --colour
refused 'an unknown short option is named' -x -- -x
refused 'a value for an option that takes none is refused' --json=1 -- processes --json=1
refused 'an option that lacks its value is named' --sort missing -- processes --sort
refused 'an interval that is no duration is refused' --interval "'soon'" '0.1 s to 1 h' -- top --interval soon
refused 'an interval that is too short is refused' --interval '0.1 s to 1 h' -- top --interval 50ms
refused 'an interval that is too long is refused' --interval '0.1 s to 1 h' -- top --interval 61min
refused 'a negative interval is refused' --interval "'-1'" -- top --interval=-1
refused 'a count of zero is refused' --count '1 or more' -- top --count 0
refused 'a count that is no number is refused' --count "'many'" -- top --count many
refused 'a limit beyond 64 bits is refused' --limit -- processes --limit 99999999999999999999
refused 'an unknown column to sort by is named, with those that exist' --sort "'wind'" traffic tcp_tx_bytes -- top --sort wind
refused 'an option of top means nothing to a list' --once top -- apps --once
refused 'an unknown scope is named' "'lan'" internet -- apps --scope lan
refused 'an unknown column in a list is named' --columns "'wind'" protocols -- processes --columns tx,wind,rx
refused 'an empty list of columns is refused' --columns -- processes --columns ''
refused 'an unknown view is named, with those that exist' --view "'secret'" public full -- processes --view secret
refused 'an unknown choice of colour is refused' --color auto never -- processes --color=maybe
refused 'a relative runtime directory is refused' --runtime-directory "'run'" -- status --runtime-directory run
refused 'an option that means nothing to the command is refused' --limit "'status'" processes -- status --limit 3
refused 'an extra argument is named' "'more'" -- status more
refused 'an unknown table of top is named' "'flows'" processes apps users -- top flows
refused 'enable without a module says where they are listed' 'socktally modules' -- enable
refused 'two modules are one too many' "'udp'" -- enable tcp udp
refused 'a lifetime of nothing is refused, with what is allowed' --for 0 '1ms to 365d' 'for good' -- enable tcp --for 0
refused 'a lifetime that is too long is refused' --for 366d 365d -- enable tcp --for 366d
refused 'a lifetime beyond 64 bits is refused' --for 365d -- enable tcp --for 999999999d
refused 'a lifetime of an unknown unit is refused' --for "'3fortnights'" 365d -- enable tcp --for 3fortnights
refused 'a negative lifetime is refused' --for "'-1'" 365d -- enable tcp --for=-1
refused 'set without a key says where they are listed' 'socktally settings' -- set
refused 'set without a value gives an example' 'socktally set Interval 2s' -- set Interval
refused 'a lifetime means nothing to disable' --for "'disable'" enable -- disable tcp --for 5min
refused 'saving goes with set alone' --save "'enable'" set -- enable tcp --save
refused 'segment without an action says what is allowed' dump verify -- segment
refused 'an unknown action of segment is named' "'burn'" dump verify -- segment burn
refused 'segment dump without a file is refused' file -- segment dump
refused 'segment verify with two files is refused' "'b'" -- segment verify a b
refused 'identify without an argument is refused' PID cgroup -- identify
refused 'what is neither a PID nor a path is refused' "'self'" PID -- identify self
refused 'a PID of 0 is refused' "'0'" -- identify 0
refused 'a path that is too long is refused' 4095 -- identify "/$(printf 'x%.0s' {1..5000})"

"$command" </dev/null >"$directory/out" 2>"$directory/err"
status=$?
[ $status = 2 ] && [ ! -s "$directory/out" ] && grep -q '^Usage: socktally' "$directory/err"
report $? 'without a command and a terminal it prints its usage and exits with 2'

for arguments in --help -h help 'processes --help' 'help --json'; do
        # shellcheck disable=SC2086 # words
        "$command" $arguments </dev/null >"$directory/out" 2>"$directory/err" &&
                grep -q '^Usage: socktally' "$directory/out" && [ ! -s "$directory/err" ]
        report $? "'$arguments' prints the usage on stdout and exits with 0"
done

"$command" --version </dev/null | grep -E '^socktally [0-9]+\.[0-9]+' >/dev/null
report $? '--version prints the version'

awk 'length > 80 { exit 1 }' <("$command" --help)
report $? 'the usage fits into 80 columns'

# Names need no daemon. The rules have a test of their own, test-app.c.
"$command" identify --json /sys/fs/cgroup/system.slice/ssh.service | grep -q '"app":"ssh.service"'
report $? 'identify names a path, with the mount in front or without'
[ "$("$command" identify --json $$ /a | wc -l)" = 2 ]
report $? 'identify prints one JSON object per line for several'
"$command" identify /a 2147483647 >"$directory/out" 2>"$directory/err"
[ $? = 1 ] && grep -q 'no process 2147483647' "$directory/err" && grep -q Cgroup "$directory/out"
report $? 'identify exits with 1 if there is no such process, and tells of the others'

# The administrator's rules, from a file of the test's own.
printf 'none: nothing-like-this\nsleeper: "*sleep 4711*"\n' >"$directory/apps.conf"
"$command" rules "$directory/apps.conf" | grep -qxF "ok: $directory/apps.conf, 2 patterns"
report $? 'rules says that a file without faults is ok'
sleep 4711 &
sleeper=$!
until tr '\0' ' ' <"/proc/$sleeper/cmdline" | grep -q '^sleep'; do :; done # the shell has become that program
"$command" identify --json --rules "$directory/apps.conf" $sleeper |
        grep -F '"app":"sleeper","app_kind":"group","display_name":"sleeper"' |
        grep -qF "\"rule_source\":\"$directory/apps.conf:2\""
report $? 'identify names the group of a process, with file and line of the rule'
kill $sleeper
"$command" identify --json --rules "$directory/apps.conf" $$ | grep -F '"rule_source":null' | grep -vqF '"app_kind":"group"'
report $? 'identify names a process that no rule matches as without rules'
printf 'nonsense\nweb: nginx\n' >"$directory/apps.conf"
"$command" rules "$directory/apps.conf" >"$directory/out" 2>"$directory/err"
[ $? = 1 ] && [ ! -s "$directory/out" ] && [ "$(cat "$directory/err")" = \
        "socktally: $directory/apps.conf:1: \"nonsense\" is not of the form group: pattern..., ignoring it" ]
report $? 'rules names each fault with file and line, and exits with 1'
for words in "identify --rules $directory/nowhere $$" "rules $directory/nowhere"; do
        # shellcheck disable=SC2086 # words
        "$command" $words >"$directory/out" 2>"$directory/err"
        [ $? = 1 ] && [ ! -s "$directory/out" ] && grep -q 'nowhere: cannot be read: No such file' "$directory/err"
        report $? "'${words%% *}' exits with 1 if the file of rules is not there"
done

# Every option of the usage is in the manual, and every counter with its unit and its help as metrics.h has them.
status=0
for option in $("$command" --help | grep -oE -e '--[a-z-]+' | sort -u); do
        grep -qF -e "${option//-/\\-}" "$top/man/socktally.1" || { echo "# $option is not in socktally(1)"; status=1; }
done
report $status 'the manual documents every option of the usage'
sed -nE 's/^ *X\([0-9]+, (\w+), \w+, "([^"]+)", \w+, \w+, "([^"]+)"\).*/\1|\2|\3/p' "$top/libclient/metrics.h" >"$directory/metrics"
[ -s "$directory/metrics" ] && diff "$directory/metrics" <(grep -xFf "$directory/metrics" "$top/man/socktally.1") >/dev/null
report $? 'the manual documents every counter in the order and the words of metrics.h'

# Every command of the usage is in the manual, too.
status=0
for word in $("$command" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\).*/\1/p' | sort -u); do
        grep -qE "^\.(B|BR|BI) \"?$word( |\"|\$)" "$top/man/socktally.1" || { echo "# $word is not in socktally(1)"; status=1; }
done
report $status 'the manual documents every command of the usage'

echo "1..$number"
