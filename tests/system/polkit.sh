# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The cases of those who are no administrator: what polkit forbids, what its rules and passwords allow. Sourced by
# test-system.sh after control.sh, whose words it uses and whose list plays it.

rules=/etc/polkit-1/rules.d/40-test.rules
session_pid=  # a user at a terminal
session_keys= # descriptor of what is typed there

# polkit reads rules when it starts, and later by inotify without telling when: it is started anew.
let_polkit_say() { # JAVASCRIPT: what a rule returns for the user guest; empty: no rule
        inside rm -f $rules || return
        [ -z "$1" ] || inside sh -c "cat >$rules <<END
polkit.addRule(function(action, subject) {
        if (subject.user == \"guest\")
                $1;
});
END" || return
        inside systemctl restart polkit.service
}

# --- those who may not ----------------------------------------------------------------------------------------------

password_needed=org.freedesktop.DBus.Error.InteractiveAuthorizationRequired
set=org.freedesktop.DBus.Properties.Set
modules=/org/socktally1/module tables=/org/socktally1/table

# Settings, modules and tables as one text.
state_of_settings() {
        inside busctl --json=short call org.socktally1 /org/socktally1 org.freedesktop.DBus.ObjectManager GetManagedObjects |
                jq -S '[.. | objects | with_entries(select(.key | test("^(Enabled|ExpiresUSec|Capacity)$")))] | map(select(. != {}))'
        for name in LoadMode AttachMethod IntervalUSec IdleIntervalUSec; do property $name; done
}

nothing_changes() { # FUNCTION
        local before
        before=$(state_of_settings) && [ -n "$before" ] && "$1" && expect settings "$(state_of_settings)" "$before"
}

every_change_is_refused() {
        is_refused $denied guest_calls /org/socktally1 $set string:org.socktally1.Manager string:LoadMode variant:string:passive &&
                is_refused $denied guest_calls /org/socktally1 $set \
                        string:org.socktally1.Manager string:IntervalUSec variant:uint64:200000 &&
                is_refused $denied guest_calls /org/freedesktop/LogControl1 $set \
                        string:org.freedesktop.LogControl1 string:LogLevel variant:string:debug &&
                every_method_is_refused $password_needed
}

every_method_is_refused() { # ERROR
        is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.SetLoadMode string:passive &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.SetAttachMethod string:tracepoint &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.SetIntervalUSec uint64:200000 &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.SetIdleIntervalUSec uint64:20000000 &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.Reload &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.Save &&
                is_refused "$1" guest_calls $modules/udp org.socktally1.Module.Disable &&
                is_refused "$1" guest_calls $modules/udp org.socktally1.Module.Enable uint64:60000000 &&
                is_refused "$1" guest_calls $tables/processes org.socktally1.Table.SetCapacity uint32:1000 &&
                is_refused "$1" guest_calls /org/socktally1 org.socktally1.Manager.OpenSegment string:full
}

without_a_rule_an_ordinary_user_changes_nothing() {
        let_polkit_say '' && nothing_changes every_change_is_refused
}

# Without polkit: the bus knows the caller's groups.
the_group_opens_the_full_view() {
        let_polkit_say 'return polkit.Result.NO' && inside_as guest socktally busctl call "${manager[@]}" OpenSegment s full &&
                is_refused $denied guest_calls /org/socktally1 org.socktally1.Manager.OpenSegment string:full
}

# All it has is the bus.
a_sandbox_opens_the_public_view() {
        inside systemd-run --quiet --wait --pipe -p User=nobody -p PrivateNetwork=yes -p InaccessiblePaths=/run/socktally \
                busctl call "${manager[@]}" OpenSegment s public
}

a_rule_that_forbids_is_told() {
        let_polkit_say 'return polkit.Result.NO' && nothing_changes every_method_is_denied
}

every_method_is_denied() {
        every_method_is_refused $denied
}

everybody_reads_and_opens_the_public_view() {
        as_guest busctl get-property "${manager[@]}" LoadMode IntervalUSec Version &&
                as_guest busctl call "${manager[@]}" Sync &&
                as_guest busctl call "${manager[@]}" OpenSegment s public
}

a_rule_allows_to_configure_and_no_more() {
        let_polkit_say 'return action.id == "org.socktally1.configure" ? polkit.Result.YES : undefined' || return
        guest_calls /org/socktally1 org.socktally1.Manager.SetIntervalUSec uint64:400000 &&
                expect IntervalUSec "$(property IntervalUSec)" "t 400000" &&
                guest_calls $modules/udp org.socktally1.Module.Disable &&
                expect Enabled "$(inside busctl get-property "${udp[@]}" Enabled)" "b false" &&
                guest_calls $modules/udp org.socktally1.Module.Enable uint64:0 &&
                guest_calls $tables/processes org.socktally1.Table.SetCapacity uint32:1000 &&
                expect Capacity "$(inside busctl get-property "${processes[@]}" Capacity)" "u 1000" || return
        is_refused $password_needed guest_calls /org/socktally1 org.socktally1.Manager.OpenSegment string:full &&
                is_refused $denied guest_calls /org/socktally1 $set string:org.socktally1.Manager string:LoadMode \
                        variant:string:passive &&
                guest_calls /org/socktally1 org.socktally1.Manager.Reload &&
                expect "IntervalUSec after Reload" "$(property IntervalUSec)" "t 1000000"
}

a_rule_allows_the_full_view_and_no_more() {
        let_polkit_say 'return action.id == "org.socktally1.read-full" ? polkit.Result.YES : undefined' || return
        as_guest busctl call "${manager[@]}" OpenSegment s full &&
                is_refused $password_needed guest_calls /org/socktally1 org.socktally1.Manager.SetIntervalUSec uint64:400000
}

without_polkit_only_root_changes_anything() {
        local start=$SECONDS status=0
        inside systemctl mask --runtime --now polkit.service || return
        nothing_changes every_method_is_denied && inside busctl call "${manager[@]}" SetIntervalUSec t 500000 &&
                inside busctl set-property "${manager[@]}" IntervalUSec t 1000000 || status=1
        inside systemctl unmask --runtime polkit.service && [ $status = 0 ] || return
        [ $((SECONDS - start)) -lt 30 ] || { echo "it took $((SECONDS - start)) s"; return 1; }
}

# --- passwords ------------------------------------------------------------------------------------------------------

# A command of guest at a terminal, with polkit's own agent. What is on the screen is in $scratch/screen.
session_start() { # COMMAND...
        # shellcheck disable=SC2016 # for the shell in there
        local agent='d=$(mktemp -d) && mkfifo $d/up && { pkttyagent --notify-fd 3 --process $$ 3>$d/up & } && cat $d/up && '
        [ "$1" != socktally ] || agent='' # it brings its own
        rm -f "$scratch/keys" && mkfifo "$scratch/keys" && exec {session_keys}<>"$scratch/keys" || return
        timeout 120 nsenter -t "$machine_leader" -a -- setpriv --reuid=guest --regid=guest --clear-groups \
                env SHELL=/bin/sh script -qefc "${agent}exec $*" /dev/null \
                <"$scratch/keys" >"$scratch/screen" 2>&1 &
        session_pid=$!
}

session_shows() { # TEXT
        wait_for "'$1' on the screen" 30 grep -q "$1" "$scratch/screen" || { cat "$scratch/screen"; return 1; }
}

# Its exit status is the command's.
session_end() {
        local status=0
        wait "$session_pid" || status=$?
        exec {session_keys}>&-
        session_pid=
        return $status
}

the_right_password_allows_it() {
        let_polkit_say '' && session_start busctl call "${manager[@]}" SetIntervalUSec t 300000 &&
                session_shows 'change how Socktally counts' && session_shows Password || return
        expect "IntervalUSec before the password" "$(property IntervalUSec)" "t 1000000" || return
        root_is_answered || return
        echo sesame >&"$session_keys"
        session_end || { cat "$scratch/screen"; return 1; }
        expect IntervalUSec "$(property IntervalUSec)" "t 300000" &&
                inside busctl set-property "${manager[@]}" IntervalUSec t 1000000
}

# However long somebody else looks for a password.
root_is_answered() {
        local value
        for value in 20000000 30000000 10000000; do
                inside busctl --timeout=10 call "${manager[@]}" SetIdleIntervalUSec t $value &&
                        expect IdleIntervalUSec "$(property IdleIntervalUSec)" "t $value" || return
        done
        is_refused $password_needed guest_calls $tables/processes org.socktally1.Table.SetCapacity uint32:1000
}

leaving_at_the_password_changes_nothing() {
        session_start busctl call "${manager[@]}" SetIntervalUSec t 300000 && session_shows Password || return
        printf '\003' >&"$session_keys"
        ! session_end && expect IntervalUSec "$(property IntervalUSec)" "t 1000000"
}

# The question is on its way to a polkit that stands still when the caller goes. The second caller's question is behind
# it: when that is answered, so is the first.
leaving_before_the_decision_changes_nothing() {
        local status=0
        let_polkit_say 'return polkit.Result.YES' && inside systemctl kill --signal=STOP polkit.service || return
        as_guest timeout 1 busctl call "${manager[@]}" SetIntervalUSec t 300000 || status=$?
        expect "exit status of timeout(1)" $status 124 || return
        root_sets_the_idle_interval || return
        as_guest busctl call "${manager[@]}" SetIdleIntervalUSec t 40000000 >"$scratch/second" 2>&1 &
        inside systemctl kill --signal=CONT polkit.service
        wait $! || { cat "$scratch/second"; return 1; }
        expect IdleIntervalUSec "$(property IdleIntervalUSec)" "t 40000000" &&
                expect IntervalUSec "$(property IntervalUSec)" "t 1000000" && root_sets_the_idle_interval
}

root_sets_the_idle_interval() {
        inside busctl --timeout=10 set-property "${manager[@]}" IdleIntervalUSec t 10000000
}
