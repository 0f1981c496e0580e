#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs in a virtual machine after boot and prints TAP. The first boot finds what make install left, does what README says
# then, and leaves the service enabled; later boots, each under another policy of the kernel, find that. The kernel's
# command line says what to do: vm.policy=NAME, vm.methods=METHOD,..., vm.unit=POLICY,... (of the unit),
# vm.live=METHOD,... (the live tests with the daemon in the unit's sandbox). Beside the cases there are lines for the table of vm.sh:
# "# table POLICY METHOD RESULT".
set -uo pipefail
here=$(dirname "$0")
scratch=/run/vm
machine_leader=1
manager=(org.socktally1 /org/socktally1 org.socktally1.Manager)
drop_in=/run/systemd/system/socktally.service.d/vm.conf

inside() { # COMMAND...
        timeout --foreground 300 "$@" </dev/null
}

inside_as() { # USER GROUP COMMAND...
        local identity=("--reuid=$1" "--regid=$(id -g "$1")" --clear-groups)
        [ -z "$2" ] || identity[2]=--groups=$2
        shift 2
        inside setpriv "${identity[@]}" "$@"
}

# shellcheck source=tests/system/check.sh
. "$here/check.sh"
# shellcheck source=tests/system/cases.sh
. "$here/cases.sh"

# --- the machine ----------------------------------------------------------------------------------------------------

option() { # NAME
        sed -n "s/.*\<vm\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

# Not each kernel and service manager has each policy. Prints why there is none here.
policy_obstacle() {
        case $policy in
        integrity | confidentiality)
                grep -qF "[$policy]" /sys/kernel/security/lockdown 2>/dev/null || echo "this kernel has no lockdown" ;;
        preempt)
                grep -qF '(full)' /sys/kernel/debug/sched/preempt 2>/dev/null || echo "this kernel cannot become preemptible" ;;
        cgroup1)
                [ ! -e /sys/fs/cgroup/cgroup.procs ] || echo "$(systemctl --version | head -n 1) knows cgroup v2 alone" ;;
        esac
}

# --- installed and started ------------------------------------------------------------------------------------------

installed_as_readme_says() {
        local commands
        commands=$(sed -n '/^make install/,/^```/{/^make/d;/^```/d;p}' "$here/README.md")
        expect "lines of README" "$(wc -l <<<"$commands")" 6 && sh -ec "$commands"
}

daemon_runs() {
        expect socktally.service "$(unit_property ActiveState)" active || { why; return 1; }
}

why() {
        journalctl -q -b -o cat -n 8 _SYSTEMD_UNIT=socktally.service
}

everything_is_stopped() {
        systemctl stop socktally.socket socktally.service
        systemctl reset-failed socktally.service 2>/dev/null
}

# A reader waits 30 s; in an emulator on a busy machine a start may take longer. Then the next reader finds it.
the_first_reader_starts_it() {
        local said
        for _ in 1 2 3 4 5; do
                ! said=$(inside_as nobody '' socktally status 2>&1) || { daemon_runs; return; }
                [[ $said == *'not ready after'* ]] || break
        done
        echo "$said"
        why
        return 1
}

a_call_on_the_bus_starts_it() {
        everything_is_stopped
        inside busctl --timeout=200 call "${manager[@]}" Sync || { why; return 1; }
        daemon_runs
}

boot_started_it() {
        daemon_runs && expect "starts again" "$(unit_property NRestarts)" 0
}

# What a package does: another file takes the program's place, and the service starts again. Totals go on.
an_upgrade_keeps_readers_and_totals() {
        local before after
        before=$(service_bytes x-datagrams.service)
        follower_survives upgrade || return
        ! readlink "/proc/$(daemon_pid)/exe" | grep deleted || return
        inside busctl --timeout=200 call "${manager[@]}" Sync && after=$(service_bytes x-datagrams.service) &&
                expect "bytes of x-datagrams.service" "$after" "$before"
}

upgrade() {
        local program
        program=$(readlink "/proc/$(daemon_pid)/exe")
        cp -p "$program" "$program.new" && mv "$program.new" "$program" && systemctl daemon-reload &&
                systemctl restart socktally.service
}

the_doctor_finds_no_fault() {
        inside socktally doctor
}

# --- what is counted ------------------------------------------------------------------------------------------------

# Restarts it with a setting of its own, and perhaps lines of its own in the unit.
restart_with() { # METHOD [LINE]...
        mkdir -p /etc/socktally/socktally.conf.d "${drop_in%/*}"
        printf '[Socktally]\nAttachMethod=%s\n' "$1" >/etc/socktally/socktally.conf.d/vm.conf
        shift
        rm -f "$drop_in"
        [ $# -eq 0 ] || printf '%s\n' '[Service]' "$@" >"$drop_in"
        systemctl daemon-reload
        everything_is_stopped
        systemctl start socktally.socket && systemctl start socktally.service
}

effective_method() {
        inside busctl -j get-property "${manager[@]}" EffectiveMethods | jq -r '[.data[]] | unique | join("+")'
}

# As "tcp_tx tcp_rx udp_tx udp_rx". Nothing else uses the network in here.
host_bytes() {
        inside busctl --timeout=200 call "${manager[@]}" Sync >/dev/null &&
                list_json status '.host | "\(.tcp_tx_bytes) \(.tcp_rx_bytes) \(.udp_tx_bytes) \(.udp_rx_bytes)"'
}

# One word, and why: exact; counted, but the service has no name; unknown; wrong; failed.
result_of() { # UNIT
        local before after due moved='1234567 1234567 997997 997997' i
        before=$(host_bytes) &&
                systemd-run --quiet --wait --unit="$1.service" sh -c 'traffic tcp 1234567 && traffic udp 1001 997' &&
                after=$(host_bytes) || { echo "failed: no traffic, or no answer"; return; }
        read -r -a before <<<"$before"
        read -r -a due <<<"$moved"
        for i in 0 1 2 3; do
                [ "${before[i]}" = null ] || due[i]=$((before[i] + due[i]))
        done
        if [ "${before[*]}" = "null null null null" ]; then
                echo "unknown: $(socktally modules --json | jq -r '[.modules[].reason] | unique | join("; ")')"
        elif [ "$after" != "${due[*]}" ]; then
                echo "wrong: host $after, not ${due[*]}"
        elif [ "$(service_bytes "$1.service")" != "$moved" ]; then
                echo "counted: the service has no name, or not all: '$(service_bytes "$1.service")'"
        else
                echo exact
        fi
}

how_long_it_took() {
        local started active
        started=$(unit_property ExecMainStartTimestampMonotonic)
        active=$(unit_property ActiveEnterTimestampMonotonic)
        echo "# ready after $(((active - started) / 1000)) ms, of which it waited" \
                "$(awk '{ print int($2 / 1000000) }' "/proc/$(daemon_pid)/schedstat") ms for a processor"
}

# What holds under a policy, in one line of the table and one case.
holds_with() { # POLICY METHOD WANTED [LINE]...
        local name=$1 method=$2 wanted=$3 result effective=none
        shift 3
        if restart_with "$method" "$@" >"$scratch/restart" 2>&1 && daemon_runs >>"$scratch/restart"; then
                effective=$(effective_method)
                result=$(result_of "x-$name-$method")
                [ "$(unit_property NRestarts)" = 0 ] || result="failed: started again"
        else
                result="failed: $(why | tail -n 1)"
        fi
        how_long_it_took
        echo "# table $name $method($effective) $result"
        [[ $result =~ ^($wanted) ]] || { cat "$scratch/restart"; return 1; }
}

check_policy() { # POLICY METHOD WANTED [LINE]...
        local output
        n=$((n + 1))
        if output=$(holds_with "$@" 2>&1); then
                grep '^# ' <<<"$output"
                echo "ok $n - $1, $2: $3"
        else
                # shellcheck disable=SC2001
                sed 's/^[^#]/# &/' <<<"$output"
                echo "not ok $n - $1, $2: $3"
                failed=$((failed + 1))
        fi
}

# What a unit's settings can take away.
run_policy_of_the_unit() { # POLICY
        case $1 in
        no-btf)
                check_policy "$1" auto 'unknown: .*no type information' InaccessiblePaths=/sys/kernel/btf
                check "without BTF the doctor has a finding" the_doctor_has_a_finding
                ;;
        no-cgroup2)
                mkdir -p /mnt/bare && mount --bind / /mnt/bare
                check_policy "$1" auto 'exact|counted' RootDirectory=/mnt/bare MountAPIVFS=no \
                        'BindPaths=/proc:/proc:rbind /dev:/dev:rbind /run:/run:rbind' BindReadOnlyPaths=/sys:/sys:norbind
                umount -l /mnt/bare
                ;;
        memlock-0) check_policy "$1" auto exact LimitMEMLOCK=0 ;;
        hidepid)
                mount -o remount,hidepid=2 /proc
                check_policy "$1" auto 'exact|counted'
                mount -o remount,hidepid=0 /proc
                ;;
        esac
}

the_doctor_has_a_finding() {
        local status=0
        inside socktally status || return
        inside socktally doctor || status=$?
        expect "exit status" $status 1
}

# --- the live tests, with the daemon in the unit's sandbox ----------------------------------------------------------

run_live() { # METHOD
        local line passed=0 missed=0 skipped=0 promised=none
        everything_is_stopped
        "$here/vm-daemon.sh" --prepare
        modprobe --quiet cifs # a scenario wants a file system that uses the network
        while read -r line; do
                case $line in
                "ok "*"# SKIP"*) n=$((n + 1)) skipped=$((skipped + 1)) line="ok $n - live, $1: ${line#*- }" ;;
                "ok "*) n=$((n + 1)) passed=$((passed + 1)) line="ok $n - live, $1: ${line#*- }" ;;
                "not ok "*) n=$((n + 1)) missed=$((missed + 1)) line="not ok $n - live, $1: ${line#*- }" ;;
                1..*) promised=${line#1..} line="# live, $1: $promised scenarios" ;;
                "#"*) ;;
                *) line="# $line" ;;
                esac
                echo "$line"
        done < <(env TMPDIR=/run/socktally-live SOCKTALLYD="$here/vm-daemon.sh" SOCKTALLY_ATTACH_METHOD="$1" \
                SOCKTALLY_LIVE_TIMEOUT=300 live 2>&1)
        echo "# table $policy $1 live: $passed of $promised passed, $missed failed, $skipped skipped"
        n=$((n + 1))
        if [ "$promised" = $((passed + missed + skipped)) ]; then
                echo "ok $n - live, $1: all scenarios were played"
        else
                echo "not ok $n - live, $1: all scenarios were played"
        fi
}

# --- the boots ------------------------------------------------------------------------------------------------------

run_first_boot() {
        check "installed as README says" installed_as_readme_says
        check "the first reader starts it" the_first_reader_starts_it
        check "a call on the bus starts it" a_call_on_the_bus_starts_it
        systemctl start socktally.socket socktally.service
        check "it runs as user socktally" runs_as_its_own_user
        check "it has only the capabilities that the unit grants" has_only_the_granted_capabilities
        follower_start
        check "a service shows exactly its TCP bytes" a_service_shows_exactly_its_tcp_bytes
        check "a service shows exactly its UDP bytes" a_service_shows_exactly_its_udp_bytes
        check "a service that lived milliseconds is named" a_very_short_service_is_named
        check "the rows add up to the host row" rows_add_up_to_the_host_row
        check "an open reader is fresh again after a restart" readers_survive_a_restart
        check "an open reader goes stale and fresh again after kill -9" readers_survive_a_kill
        check "an upgrade keeps readers and totals" an_upgrade_keeps_readers_and_totals
        check "a service that starts again goes on counting" a_service_that_starts_again_goes_on_counting
        follower_stop
        check "the doctor finds no fault" the_doctor_finds_no_fault
}

mkdir -p $scratch
policy=$(option policy)
echo "# $(uname -r), $(systemctl --version | head -n 1), policy $policy"
obstacle=$(policy_obstacle)
if [ -n "$obstacle" ]; then
        echo "# table $policy - skipped: $obstacle"
        echo "1..0 # SKIP $obstacle"
        exit
fi
if systemctl is-enabled --quiet socktally.service; then
        check "boot started it" boot_started_it
else
        run_first_boot
fi
IFS=, read -r -a methods <<<"$(option methods)"
for method in "${methods[@]}"; do
        check_policy "$policy" "$method" "$([ "$policy" = cgroup1 ] && echo 'exact|counted' || echo exact)"
done
IFS=, read -r -a policies <<<"$(option unit)"
for name in "${policies[@]}"; do
        run_policy_of_the_unit "$name"
done
IFS=, read -r -a methods <<<"$(option live)"
for method in "${methods[@]}"; do
        run_live "$method"
done
rm -f /etc/socktally/socktally.conf.d/vm.conf
systemctl enable --quiet socktally.service
journalctl -q -b -u 'socktally*' -o short-monotonic --no-pager >/dev/ttyS0
echo "1..$n"
