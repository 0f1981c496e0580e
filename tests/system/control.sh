# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The cases of the control line: an administrator with busctl and systemctl; those who are none are in polkit.sh.
# Whoever runs them has the daemon running and leaves it so. Sourced by test-system.sh.

manager=(org.socktally1 /org/socktally1 org.socktally1.Manager)
udp=(org.socktally1 /org/socktally1/module/udp org.socktally1.Module)
processes=(org.socktally1 /org/socktally1/table/processes org.socktally1.Table)
denied=org.freedesktop.DBus.Error.AccessDenied

# --- words ----------------------------------------------------------------------------------------------------------

property() { # NAME: of the manager, as busctl prints it
        inside busctl get-property "${manager[@]}" "$1"
}

as_guest() { # COMMAND...
        inside_as guest '' "$@"
}

# A call that takes no answer but a plain one: prints it, or "Error NAME: MESSAGE" of the error.
guest_calls() { # OBJECT INTERFACE.MEMBER [TYPE:VALUE]...: as dbus-send(1) has it
        as_guest dbus-send --system --print-reply=literal --dest=org.socktally1 "$@" 2>&1
}

root_calls() { # the same
        inside dbus-send --system --print-reply=literal --dest=org.socktally1 "$@" 2>&1
}

is_refused() { # ERROR COMMAND...
        local said wanted=$1
        shift
        if said=$("$@"); then
                echo "not refused: $*: $said"
                return 1
        fi
        case $said in
        "Error $wanted:"*) echo "$said" ;;
        *) echo "refused in other words: $said, not $wanted"; return 1 ;;
        esac
}

wait_for() { # WHAT SECONDS COMMAND...: for what nobody announces
        local what=$1 end=$((SECONDS + $2))
        shift 2
        until "$@" >/dev/null 2>&1; do
                [ $SECONDS -lt $end ] || { echo "$what: not within the time"; return 1; }
                sleep 0.05
        done
}

# --- what is installed ----------------------------------------------------------------------------------------------

bus_and_polkit_find_their_files() {
        local file missing=0
        for file in dbus-1/system.d/org.socktally1.conf dbus-1/system-services/org.socktally1.service \
                dbus-1/interfaces/org.socktally1.xml polkit-1/actions/org.socktally1.policy; do
                inside test -f /usr/share/$file || { echo "no /usr/share/$file"; missing=1; }
        done
        return $missing
}

enabling_makes_the_alias() {
        inside systemctl enable socktally.service || return
        expect "dbus-org.socktally1.service" "$(unit_property Id dbus-org.socktally1.service)" socktally.service &&
                expect "at boot" "$(inside systemctl is-enabled socktally.service)" enabled &&
                units_are_valid && inside systemctl disable socktally.service &&
                inside systemctl enable socktally.socket
}

polkit_knows_the_actions() {
        local action
        for action in configure read-full; do
                inside pkaction --verbose --action-id org.socktally1.$action || return
        done
}

# --- starting -------------------------------------------------------------------------------------------------------

everything_is_stopped() {
        inside systemctl stop socktally.socket socktally.service && inside systemctl reset-failed &&
                expect "socktally.service" "$(unit_property ActiveState)" inactive
}

the_first_call_starts_it() {
        local version
        everything_is_stopped || return
        version=$(property Version) || return
        expect "Version" "$version" "s \"$(inside socktally --version | sed -n '1s/.* //p')\"" &&
                expect "socktally.service" "$(unit_property ActiveState)" active &&
                expect "socktally.socket" "$(unit_property ActiveState socktally.socket)" active
}

a_call_of_an_ordinary_user_starts_it() {
        everything_is_stopped && as_guest busctl get-property "${manager[@]}" LoadMode &&
                expect "socktally.service" "$(unit_property ActiveState)" active
}

systemctl_starts_it_with_name_and_socket() {
        everything_is_stopped && inside systemctl start socktally.service || return
        wait_for "the name on the bus" 20 inside busctl --auto-start=no get-property "${manager[@]}" Version &&
                expect "view" "$(inside_as nobody '' socktally status --json | jq -r .view)" public
}

# Readers and callers at the same moment, while nothing runs.
all_at_once_start_one_daemon() {
        local callers=() i
        everything_is_stopped && inside systemctl start socktally.socket || return
        for i in 1 2 3; do
                as_guest busctl get-property "${manager[@]}" Version & callers+=($!)
                inside_as nobody '' socktally status --json & callers+=($!)
                inside systemctl start socktally.service & callers+=($!)
        done
        for i in "${callers[@]}"; do
                wait "$i" || { echo "one of them was not served"; return 1; }
        done
        expect "how often it started" "$(unit_property NRestarts)" 0
}

masked_nobody_starts_it() {
        local status=0
        inside systemctl mask --quiet --runtime --now socktally.socket socktally.service || return
        ! as_guest busctl --timeout=20 get-property "${manager[@]}" Version || status=1
        inside_as nobody '' socktally status --json || [ $? = 3 ] || status=1
        expect "socktally.service" "$(unit_property ActiveState)" inactive || status=1
        inside systemctl unmask --quiet --runtime socktally.socket socktally.service &&
                inside systemctl start socktally.socket socktally.service && return $status
}

# --- an administrator -----------------------------------------------------------------------------------------------

# As they stand in the manual, one after the other. What they change they change back, or to what it was.
examples_of_the_manual_run() {
        local example n=0
        while read -r example; do
                # shellcheck disable=SC2086 # the words of a command
                inside $example >"$scratch/example" 2>&1 || { echo "$example"; cat "$scratch/example"; return 1; }
                n=$((n + 1))
        done < <(sed -n '/^busctl /{/^busctl monitor/d;p}' "$srcdir/man/org.socktally1.5")
        echo "$n examples"
        [ $n -gt 30 ]
}

tree_shows_all_objects() {
        local object tree
        tree=$(inside busctl tree --list org.socktally1) || return
        for object in /org/socktally1 /org/socktally1/module/{tcp,udp} /org/socktally1/table/{processes,services}; do
                grep -qx "$object" <<<"$tree" || { echo "no $object in: $tree"; return 1; }
        done
        inside busctl introspect "${manager[@]}" | grep '^\.LoadMode .*emits-change writable'
}

root_writes_properties() {
        inside busctl set-property "${manager[@]}" IntervalUSec t 300000 &&
                expect IntervalUSec "$(property IntervalUSec)" "t 300000" &&
                inside busctl set-property "${manager[@]}" LoadMode s return &&
                expect LoadMode "$(property LoadMode)" 's "return"' &&
                inside busctl set-property "${manager[@]}" LoadMode s entry
}

listeners_hear_of_a_change() {
        local monitor
        timeout 60 nsenter -t "$machine_leader" -a -- busctl monitor \
                --match="type='signal',sender='org.socktally1',path='/org/socktally1',member='PropertiesChanged'" \
                >"$scratch/heard" 2>&1 </dev/null &
        monitor=$!
        wait_for "the monitor" 30 grep -q Monitoring "$scratch/heard" &&
                inside busctl set-property "${manager[@]}" IntervalUSec t 800000 &&
                wait_for "the signal" 30 grep -q 'UINT64 800000;' "$scratch/heard" || { cat "$scratch/heard"; return 1; }
        kill $monitor
        inside busctl set-property "${manager[@]}" IntervalUSec t 1000000
}

# What it says of itself and what systemd says of it while it has just begun.
reload_right_after_a_restart() {
        local i
        for i in 1 2 3; do
                inside systemctl restart socktally.service && inside systemctl reload socktally.service &&
                        inside systemctl try-reload-or-restart socktally.service || { echo "turn $i"; return 1; }
        done
        expect "socktally.service" "$(unit_property ActiveState)" active
}

guest_asks_for_the_name() {
        as_guest dbus-send --system --print-reply=literal --dest=org.freedesktop.DBus /org/freedesktop/DBus \
                org.freedesktop.DBus.RequestName string:org.socktally1 uint32:0 2>&1
}

# The level is the daemon's own, so the debug lines are its own too.
systemctl_sets_the_level_of_the_log() {
        expect "level" "$(inside systemctl service-log-level socktally.service)" info || return
        inside systemctl service-log-level socktally.service debug &&
                expect "level" "$(inside systemctl service-log-level socktally.service)" debug &&
                expect "target" "$(inside systemctl service-log-target socktally.service)" journal || return
        ! inside systemctl service-log-level socktally.service loud || { echo "'loud' is a level"; return 1; }
        inside systemctl service-log-level socktally.service info
}

nobody_else_may_have_the_name() {
        everything_is_stopped || return
        is_refused $denied guest_asks_for_the_name && inside systemctl start socktally.service
}

# --- files ----------------------------------------------------------------------------------------------------------

dropins=/etc/socktally/socktally.conf.d

write_dropin() { # NAME LINE...: nothing more, an empty one is removed
        local name=$1
        shift
        [ $# -gt 0 ] || { inside rm -f $dropins/"$name"; return; }
        inside sh -c "printf '%s\n' '[Socktally]' \"\$@\" >$dropins/$name" sh "$@"
}

reload_applies_what_changed() {
        local before
        before=$(daemon_pid)
        write_dropin 50-test.conf IdleInterval=25s Processes=2000 LoadMode=return && inside systemctl reload socktally.service &&
                expect IdleIntervalUSec "$(property IdleIntervalUSec)" "t 25000000" &&
                expect LoadMode "$(property LoadMode)" 's "return"' &&
                expect Capacity "$(inside busctl get-property "${processes[@]}" Capacity)" "u 2000" || return
        write_dropin 50-test.conf && inside systemctl reload socktally.service &&
                expect IdleIntervalUSec "$(property IdleIntervalUSec)" "t 10000000" &&
                expect "the daemon" "$(daemon_pid)" "$before"
}

# Each journal line since the cursor that this writes.
journal_mark() {
        inside sh -c 'journalctl -q -b -n 0 --show-cursor >/run/cursor'
}

journal_since_mark() {
        inside journalctl --sync && inside sh -c \
                'journalctl -q -b -u socktally.service -o cat --after-cursor="$(sed -n "s/^-- cursor: //p" /run/cursor)"'
}

reload_names_a_wrong_line_and_applies_the_rest() {
        journal_mark && write_dropin 50-test.conf IdleInterval=25s Processes=a-lot Nonsense=1 LoadMode=return || return
        ! inside systemctl reload socktally.service || { echo "systemctl reload did not fail"; return 1; }
        journal_since_mark >"$scratch/said"
        grep "$dropins/50-test.conf:3: " "$scratch/said" && grep "$dropins/50-test.conf:4: " "$scratch/said" ||
                { cat "$scratch/said"; return 1; }
        expect "socktally.service" "$(unit_property ActiveState)" active &&
                expect IdleIntervalUSec "$(property IdleIntervalUSec)" "t 25000000" &&
                expect LoadMode "$(property LoadMode)" 's "return"' || return
        write_dropin 50-test.conf && inside systemctl reload socktally.service &&
                expect LoadMode "$(property LoadMode)" 's "entry"'
}

what_was_saved_outlives_a_restart() {
        inside busctl set-property "${manager[@]}" IntervalUSec t 700000 &&
                inside busctl call "${processes[@]}" SetCapacity u 3000 &&
                inside busctl call "${udp[@]}" Disable && inside busctl call "${manager[@]}" Save || return
        inside cat $dropins/90-runtime.conf && expect "owner and mode" \
                "$(inside stat -c '%U:%G %a' $dropins/90-runtime.conf)" "socktally:socktally 644" || return
        inside busctl set-property "${manager[@]}" LoadMode s return && inside systemctl restart socktally.service || return
        expect IntervalUSec "$(property IntervalUSec)" "t 700000" &&
                expect "LoadMode, which was not saved" "$(property LoadMode)" 's "entry"' &&
                expect Capacity "$(inside busctl get-property "${processes[@]}" Capacity)" "u 3000" &&
                expect Enabled "$(inside busctl get-property "${udp[@]}" Enabled)" "b false" || return
        write_dropin 90-runtime.conf && inside systemctl reload socktally.service &&
                expect IntervalUSec "$(property IntervalUSec)" "t 1000000" &&
                expect Enabled "$(inside busctl get-property "${udp[@]}" Enabled)" "b true"
}

# Where an administrator has taken the directory away, there is a plain answer.
saving_where_it_cannot_is_told() {
        local status=0
        inside busctl set-property "${manager[@]}" IntervalUSec t 700000 && inside chown root: $dropins || return
        is_refused org.socktally1.Error.Failed root_calls /org/socktally1 org.socktally1.Manager.Save &&
                expect files "$(inside ls -A $dropins)" "" || status=1
        inside chown socktally: $dropins && [ $status = 0 ] && inside systemctl reload socktally.service
}

# --- figures --------------------------------------------------------------------------------------------------------

# The table is printed for people. The limits hold on machines that are slow and busy: what breaks them is a daemon
# that stands still. Sync waits a little on purpose.
callers_do_not_wait_long() {
        inside bench-bus >"$scratch/figures" || return
        awk -F' *[|] *' '$3 + 0 && $4 + 0 > (/reading/ ? 200 : 2000) { print; bad = 1 } END { exit bad || NR < 10 }' \
                "$scratch/figures"
}

# --- bus, upgrade, end ----------------------------------------------------------------------------------------------

# What a crash of the bus is to its clients. Counting goes on, and the name comes back.
the_bus_may_go_and_come_back() {
        local before
        before=$(daemon_pid)
        inside systemctl restart dbus.service || return
        wait_for "the name on the bus" 60 inside busctl --auto-start=no --timeout=5 get-property "${manager[@]}" Version || return
        next_publication && expect "the daemon" "$(daemon_pid)" "$before" &&
                inside busctl set-property "${manager[@]}" IntervalUSec t 600000 &&
                inside busctl set-property "${manager[@]}" IntervalUSec t 1000000
}

a_bus_that_stands_still_holds_up_nothing() {
        local status=0
        inside systemctl kill --signal=STOP dbus.service || return
        follower_survives inside systemctl restart socktally.service && publications_go_on || status=1
        inside systemctl kill --signal=CONT dbus.service && [ $status = 0 ] || return
        wait_for "the name on the bus" 60 inside busctl --auto-start=no --timeout=5 get-property "${manager[@]}" Version
}

it_starts_without_a_bus_and_finds_it_later() {
        inside systemctl stop dbus.socket dbus.service && follower_survives inside systemctl restart socktally.service || return
        inside systemctl start dbus.socket dbus.service &&
                wait_for "the name on the bus" 60 inside busctl --auto-start=no --timeout=5 get-property "${manager[@]}" Version
}

an_upgrade_in_place_keeps_readers() {
        follower_survives upgrade && inside busctl call "${manager[@]}" Sync || return
        ! inside readlink "/proc/$(daemon_pid)/exe" | grep deleted
}

upgrade() {
        make -C "$builddir" install DESTDIR="$machine_root" >"$scratch/upgrade.log" 2>&1 ||
                { tail -n 3 "$scratch/upgrade.log"; return 1; }
        inside readlink "/proc/$(daemon_pid)/exe" | grep deleted || { echo "the program was not replaced"; return 1; }
        inside systemctl daemon-reload && inside systemctl restart socktally.service
}

# Whatever it ever held.
many_changes_leave_nothing_in_the_kernel() {
        local outer kind id left=0 change
        outer=$(machine_outer_pid "$(daemon_pid)")
        kernel_objects "$outer" >"$scratch/objects"
        for change in 'SetLoadMode s return' 'SetLoadMode s passive' 'SetLoadMode s entry'; do
                # shellcheck disable=SC2086 # words
                inside busctl call "${manager[@]}" $change || return
                kernel_objects "$outer" >>"$scratch/objects"
        done
        for change in 'SetCapacity u 65536' 'SetCapacity u 100' 'SetCapacity u 16384'; do
                # shellcheck disable=SC2086
                inside busctl call "${processes[@]}" $change || return
                kernel_objects "$outer" >>"$scratch/objects"
        done
        inside busctl call "${udp[@]}" Disable && inside busctl call "${udp[@]}" Enable t 0 || return
        kernel_objects "$outer" >>"$scratch/objects"
        echo "objects it held: $(sort -u "$scratch/objects" | wc -l), at once $(kernel_objects "$outer" | wc -l)"
        [ "$(sort -u "$scratch/objects" | wc -l)" -gt "$(kernel_objects "$outer" | wc -l)" ] || return
        inside systemctl stop socktally.service || return
        while read -r kind id; do
                is_gone_from_kernel "$kind" "$id" || left=1
        done < <(sort -u "$scratch/objects")
        expect "files in $machine_runtime" "$(inside ls -A $machine_runtime)" readers || return
        inside systemctl start socktally.service && return $left
}

# --- a list of cases ------------------------------------------------------------------------------------------------

# One who may ask an administrator's password, and the administrator.
people_come() {
        inside useradd guest && inside useradd --groups sudo keeper && inside sh -c 'echo keeper:sesame | chpasswd'
}

run_control_cases() { # [PREFIX of the sentences]
        local prefix=${1:+$1: }
        inside id -u guest >/dev/null 2>&1 || people_come >"$scratch/people" 2>&1 || bail_out "useradd: $(tail -n 1 "$scratch/people")"
        check "${prefix}bus and polkit have their files" bus_and_polkit_find_their_files
        check "${prefix}polkit knows the actions" polkit_knows_the_actions
        check "${prefix}enabling the service makes its alias for the bus" enabling_makes_the_alias
        check "${prefix}the first call on the bus starts the daemon" the_first_call_starts_it
        check "${prefix}the first call of an ordinary user starts the daemon" a_call_of_an_ordinary_user_starts_it
        check "${prefix}systemctl start brings the name and the readers' socket" systemctl_starts_it_with_name_and_socket
        check "${prefix}callers and readers at the same moment start one daemon" all_at_once_start_one_daemon
        check "${prefix}masked as socktallyd(8) says, nobody starts it" masked_nobody_starts_it
        check "${prefix}busctl tree and introspect show it" tree_shows_all_objects
        check "${prefix}every example of org.socktally1(5) runs" examples_of_the_manual_run
        check "${prefix}listeners hear of a change" listeners_hear_of_a_change
        check "${prefix}nobody else may have the name" nobody_else_may_have_the_name
        check "${prefix}systemctl sets the level of the log" systemctl_sets_the_level_of_the_log
        check "${prefix}root writes properties" root_writes_properties
        check "${prefix}without a rule an ordinary user changes nothing" without_a_rule_an_ordinary_user_changes_nothing
        check "${prefix}everybody reads, syncs and opens the public view" everybody_reads_and_opens_the_public_view
        check "${prefix}a member of group socktally opens the full view" the_group_opens_the_full_view
        check "${prefix}a program in a sandbox opens the public view" a_sandbox_opens_the_public_view
        check "${prefix}a rule that forbids is told" a_rule_that_forbids_is_told
        check "${prefix}a rule allows to configure, and no more" a_rule_allows_to_configure_and_no_more
        check "${prefix}a rule allows the full view, and no more" a_rule_allows_the_full_view_and_no_more
        check "${prefix}without polkit root changes settings, others hear why not" without_polkit_only_root_changes_anything
        check "${prefix}the right password allows it, nobody waits meanwhile" the_right_password_allows_it
        check "${prefix}leaving at the password changes nothing" leaving_at_the_password_changes_nothing
        check "${prefix}leaving before polkit has decided changes nothing" leaving_before_the_decision_changes_nothing
        check "${prefix}systemctl reload applies what changed in the files" reload_applies_what_changed
        check "${prefix}right after a restart it can be reloaded" reload_right_after_a_restart
        check "${prefix}systemctl reload names a wrong line and applies the rest" reload_names_a_wrong_line_and_applies_the_rest
        check "${prefix}what was saved outlives a restart, what was not does not" what_was_saved_outlives_a_restart
        check "${prefix}when it cannot save, it says so" saving_where_it_cannot_is_told
        check "${prefix}callers do not wait long, also while tables change their size" callers_do_not_wait_long
        sed 's/^/# /' "$scratch/figures"
        follower_start
        check "${prefix}the bus may go and come back" the_bus_may_go_and_come_back
        check "${prefix}a bus that stands still holds up nothing" a_bus_that_stands_still_holds_up_nothing
        check "${prefix}it starts without a bus and finds it later" it_starts_without_a_bus_and_finds_it_later
        check "${prefix}an upgrade in place keeps readers" an_upgrade_in_place_keeps_readers
        follower_stop
        check "${prefix}many changes and a stop leave nothing in the kernel" many_changes_leave_nothing_in_the_kernel
}
