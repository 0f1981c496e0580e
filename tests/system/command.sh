# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The cases of the command's control line under a real bus and a real polkit. Sourced by test-system.sh, after
# control.sh and polkit.sh, whose words it uses.

setting() { # KEY [NAME]: its value, or its source
        inside socktally settings --json | jq -r --arg key "$1" --arg name "${2:-value}" '.settings[] | select(.key == $key)[$name]'
}

# EXIT-CODE TEXT COMMAND...: one line on stderr that has the text
command_is_refused() {
        local wanted=$1 text=$2 status=0 said
        shift 2
        said=$("$@" 2>&1 >/dev/null) || status=$?
        case $said in
        *"$text"*) ;;
        *) echo "'$text' is not in '$said'"; return 1 ;;
        esac
        expect "exit code of $*" $status "$wanted"
}

the_command_starts_the_daemon() {
        everything_is_stopped && inside socktally modules | grep -q '^tcp *yes *running' &&
                expect "socktally.service" "$(unit_property ActiveState)" active
}

the_command_changes_and_shows() {
        inside socktally set Interval 400ms && expect Interval "$(setting Interval)" 400ms &&
                expect source "$(setting Interval source)" "run time" &&
                inside socktally set Processes 2000 &&
                expect capacity "$(inside socktally tables --json | jq '.tables[] | select(.name == "processes").capacity')" 2000 &&
                inside socktally disable udp && inside socktally modules | grep -q '^udp *no *off' &&
                inside socktally enable udp --for 5min | grep -q '^udp is on until .* (for 5min)' &&
                inside socktally modules | grep -q '^udp *yes *running .* in 4 min' &&
                inside socktally enable udp && inside socktally set LogLevel debug && inside socktally set LogLevel info &&
                inside socktally set Processes 16384 && inside socktally set Interval 1s
}

# What waits for the next start is not even asked for; the daemon refuses it, too.
the_command_tells_why_not() {
        local said status=0
        said=$(inside socktally set AttachMethod trampoline 2>&1) || status=$?
        expect "exit code" "$status" 2 && grep -q 'systemctl restart socktally' <<<"$said" || return
        said=$(inside busctl call org.socktally1 /org/socktally1 org.socktally1.Manager SetAttachMethod s trampoline 2>&1) &&
                { echo "the daemon changes its attach method"; return 1; }
        grep 'AttachMethod=trampoline: takes effect when the service starts again' <<<"$said" &&
                expect AttachMethod "$(setting AttachMethod)" auto
}

the_command_saves() {
        local status=0
        inside socktally set IdleInterval 20s --save && inside systemctl restart socktally.service || return
        expect IdleInterval "$(setting IdleInterval)" 20s &&
                expect source "$(setting IdleInterval source | sed 's/:[0-9]*$//')" $dropins/90-runtime.conf || status=1
        inside socktally set IdleInterval 10s --save
        return $status
}

the_command_tells_who_may_not() {
        let_polkit_say 'return polkit.Result.NO' &&
                command_is_refused 4 'org.socktally1.configure' as_guest socktally set Interval 2s &&
                command_is_refused 4 'org.socktally1.configure' as_guest socktally disable udp &&
                let_polkit_say '' &&
                command_is_refused 4 'nobody could be asked for a password' as_guest socktally enable udp &&
                let_polkit_say 'return polkit.Result.YES' && as_guest socktally set Interval 2s &&
                expect Interval "$(setting Interval)" 2s && inside socktally set Interval 1s
}

# At a terminal the command brings polkit's agent itself. There is no login session here, so nobody else has one.
the_command_asks_for_a_password() {
        let_polkit_say '' || return
        session_start socktally set Interval 3s || return
        session_shows 'change how Socktally counts' && session_shows Password || return
        echo sesame >&"$session_keys"
        session_end || { cat "$scratch/screen"; return 1; }
        session_shows 'Interval=3s is in force' && expect Interval "$(setting Interval)" 3s && inside socktally set Interval 1s
}

the_doctor_finds_nothing() {
        local said
        let_polkit_say '' || return
        said=$(inside socktally doctor) || { echo "$said"; return 1; }
        grep -q '^ok *activation:' <<<"$said" && grep -q '^ok *bus policy:' <<<"$said" &&
                grep -q '^ok *polkit configure: this user may change' <<<"$said" &&
                grep -qE '^(ok|info) *attach method [a-z]*: works' <<<"$said" && grep -q '^ok *view full: granted' <<<"$said" &&
                said=$(as_guest socktally doctor) && grep -q '^ok *polkit configure: .* after a password' <<<"$said" &&
                grep -q '^info *view full: not for this user' <<<"$said" && return
        echo "$said"
        return 1
}

the_doctor_misses_the_daemon() {
        local said status=0
        everything_is_stopped || return
        said=$(inside socktally doctor) || status=$?
        if expect "exit code" $status 1 && grep -q '^warning *daemon: does not run' <<<"$said" &&
                expect "socktally.service" "$(unit_property ActiveState)" inactive; then
                inside systemctl start socktally.socket socktally.service
                return
        fi
        echo "$said"
        inside systemctl start socktally.socket socktally.service
        return 1
}

bash_completes_modules_and_units() {
        inside systemd-run --quiet --wait --unit=x-completed.service traffic tcp 1000 &&
                inside busctl call "${manager[@]}" Sync && inside_completes 'socktally enable u' udp && inside_completes 'socktally set Idle' IdleInterval &&
                inside_completes 'socktally services x-comp' x-completed.service &&
                inside socktally services x-completed --bytes | grep -q '^ *x-completed.service\|x-completed.service$'
}

inside_completes() { # LINE WORD
        local said
        # shellcheck disable=SC2016 # for the shell in there
        said=$(inside bash -c '. /usr/local/share/bash-completion/completions/socktally 2>/dev/null ||
                . /usr/share/bash-completion/completions/socktally
                COMP_LINE=$1 COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                _socktally; echo "${COMPREPLY[*]}"' bash "$1")
        expect "completion of '$1'" "$said" "$2"
}

run_command_cases() {
        inside id -u guest >/dev/null 2>&1 || people_come >"$scratch/people" 2>&1 || bail_out "useradd: $(tail -n 1 "$scratch/people")"
        check "the command starts the daemon by the bus" the_command_starts_the_daemon
        check "the command changes settings and shows them" the_command_changes_and_shows
        check "the attach method waits for the next start, and command and daemon say so" the_command_tells_why_not
        check "what the command saves outlives a restart" the_command_saves
        check "the command tells who may not, and why" the_command_tells_who_may_not
        check "the command asks for a password at a terminal" the_command_asks_for_a_password
        check "the doctor finds nothing wrong with a good system" the_doctor_finds_nothing
        check "the doctor misses the daemon and starts none" the_doctor_misses_the_daemon
        check "bash completes modules, keys and units" bash_completes_modules_and_units
}
