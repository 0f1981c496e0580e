#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The installed service where users live: virtual machines with Debian's own kernels, each with its own suite's systemd
# and libraries, under the policies that people have. Prints TAP; the table machine x policy x method x result is in
# BUILDDIR/logs/system-vm-table.txt, the consoles beside it. Run it by ./verify system, or by hand with builddir and
# srcdir set:
#
#     vm.sh              one machine, one policy of the kernel and one of the unit, chosen by the commit
#     vm.sh --all        all machines under all policies
#     vm.sh MACHINE [POLICY]...
#     vm.sh --compile SUITE   no TAP: only compiles and installs there; exit code 77: that cannot be done here
#
# SOCKTALLY_VM_LIVE=METHOD,...: the attach methods for the live tests; "none": no live tests. Default: auto; none without
# arguments.
#
# Machines: bookworm trixie trixie-generic trixie-rt backports sid. Policies, a boot each: none (also those that the
# unit's settings can make: no-btf no-cgroup2 memlock-0 hidepid) integrity confidentiality preempt cgroup1.
set -uo pipefail
exec </dev/null
export LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
srcdir=$(realpath "${srcdir:-.}")
builddir=$(realpath "${builddir:-.}")

# All mounts are private: whatever ends this script ends them.
if [ "${1-}" != --in-own-namespace ] && [ "$(id -u)" = 0 ]; then
        exec unshare --mount --propagation=private "$0" --in-own-namespace "$@"
fi
[ "${1-}" != --in-own-namespace ] || shift

scratch=
count=0
failed=0
logs=$builddir/logs
table=$logs/system-vm-table.txt
all_machines=(bookworm trixie trixie-generic trixie-rt backports sid)
all_policies=(integrity confidentiality preempt cgroup1)
unit_policies=(no-btf no-cgroup2 memlock-0 hidepid)
only_methods= # none: those that the suite's kernel has
# shellcheck source=tests/system/machine.sh
. "$srcdir/tests/system/machine.sh"
# shellcheck source=tests/system/vm-machine.sh
. "$srcdir/tests/system/vm-machine.sh"

cleanup() {
        trap '' INT TERM HUP
        vm_stop
        [ -z "$scratch" ] || { umount --recursive "$scratch"/*; rm -rf --one-file-system "$scratch"; } 2>/dev/null
}

report() { # ok|not\ ok SENTENCE
        count=$((count + 1))
        [ "$1" = ok ] || failed=$((failed + 1))
        echo "$1 $count - $2"
}

kernel_options() { # POLICY
        case $1 in
        integrity | confidentiality) echo "lockdown=$1" ;;
        preempt) echo preempt=full ;;
        cgroup1)
                echo systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1 \
                        SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 ;;
        esac
}

# Passes the machine's TAP on under our numbers, keeps its lines for the table, and says whether it was all.
take_result() { # LABEL
        local line seen=0 promised=none policy method result
        while read -r line; do
                case $line in
                "# table "*)
                        read -r policy method result <<<"${line#\# table }"
                        table_row "$1" "$policy" "$method" "$result"
                        ;;
                "ok "*) seen=$((seen + 1)); report ok "$1: ${line#*- }" ;;
                "not ok "*) seen=$((seen + 1)); report "not ok" "$1: ${line#*- }" ;;
                "1..0 "*) promised=0; report ok "$1 # SKIP ${line#*SKIP }" ;;
                1..*) promised=${line#1..} ;;
                *) echo "# $1: ${line#\# }" ;;
                esac
        done < <(tr -d '\r' <"$scratch/result")
        [ "$promised" = 0 ] && return
        [ "$promised" != $seen ] || { report ok "$1: it ran to its end"; return; }
        grep -a -m 12 -A 12 -E 'BUG|Oops|panic|RIP:' "$2" | tr -d '\r' | head -n 14 | sed 's/^/# /'
        table_row "$1" "$(cut -d' ' -f2 <<<"$1")" - "failed: the machine died"
        report "not ok" "$1: it ran to its end"
}

table_row() { # LABEL POLICY METHOD RESULT
        printf '%-16s %-22s %-16s %-24s %s\n' "${1%% *}" "${vm_kernel##*/vmlinuz-}" "$2" "$3" "$4" >>"$table"
}

# QEMU before 8.1 can keep an instruction that another processor was replacing: the kernel dies of a breakpoint that
# nobody set. That is no result, and the machine is booted again.
boot() { # MACHINE POLICY OPTIONS
        local console=$logs/system-vm-$1-$2.console start=$SECONDS limit=900
        [[ $3 != *vm.live=?* ]] || limit=5400
        for _ in 1 2 3; do
                cp --reflink=auto --sparse=always "$vm_disk" "$scratch/running"
                vm_run $limit "$console" "vm.policy=$2 $3 $(kernel_options "$2")"
                [ -s "$scratch/result" ] && ! grep -aq 'Oops: int3' "$console" && break
        done
        echo "# $1 $2: $((SECONDS - start)) s; all emulators till now took of a processor: $(times | sed -n 2p)"
        take_result "$1 $2" "$console"
        [ "$2" != none ] || mv "$scratch/running" "$vm_disk"
}

run_machine() { # MACHINE LIVE-METHODS POLICY...
        local machine=$1 live=${2#none} policy status=0 unit=
        shift 2
        vm_choose "$machine" || status=$?
        if [ $status -ne 0 ]; then
                table_row "$machine" - - "skipped: $(tail -n 1 "$scratch/fetch.log")"
                [ $status = 77 ] || { report "not ok" "$machine: kernel and packages can be fetched"; return; }
                report ok "$machine # SKIP $(tail -n 1 "$scratch/fetch.log")"
                return
        fi
        local start=$SECONDS
        if ! vm_make_disk; then
                grep -E -m 5 '([Ee]rror|cannot)' "$scratch/install.log" | sed 's/^/# /'
                table_row "$machine" - - "failed: $(grep -E -m 1 '([Ee]rror|cannot)' "$scratch/install.log")"
                report "not ok" "$machine: it is compiled and installed"
                return
        fi
        echo "# $machine: disk made in $((SECONDS - start)) s"
        report ok "$machine: it is compiled and installed"
        printf -v unit '%s,' "${unit_policies[@]}"
        boot "$machine" none "vm.methods=$(methods) vm.unit=$unit vm.live=$live"
        for policy; do
                boot "$machine" "$policy" "vm.methods=$(methods)"
        done
}

methods() {
        if [ -n "$only_methods" ]; then
                echo "$only_methods"
        elif [ "$vm_suite" = bookworm ]; then
                echo auto
        else
                echo tracepoint,trampoline
        fi
}

# A number from 0 to 15 from the commit: its n-th digit.
digit() { # N
        local commit
        commit=$(git -C "$srcdir" rev-parse HEAD 2>/dev/null) || commit=00
        echo $((16#${commit:$1:1}))
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A function, so that the whole script was read before a run that takes long begins.
main() {
        local obstacle live machine status
        obstacle=$(vm_obstacle)
        [ -z "$obstacle" ] || [ "${1-}" != --compile ] || { echo "$obstacle"; exit 77; }
        [ -z "$obstacle" ] || { echo "1..0 # SKIP $obstacle"; exit 0; }
        scratch=$(mktemp -d "${TMPDIR:-/tmp}/socktally-vm.XXXXXX")
        mkdir -p "$logs"
        if [ "${1-}" = --compile ]; then
                vm_suite=$2
                vm_make_trees || { cat "$scratch/fetch.log"; exit 77; }
                vm_mount_root && vm_install
                status=$?
                cat "$scratch/install.log"
                exit $status
        fi
        : >"$table"
        live=${SOCKTALLY_VM_LIVE:-auto}
        [ $# -gt 0 ] || live=${SOCKTALLY_VM_LIVE:-none} # they take a quarter of an hour in an emulator
        case ${1-} in
        --all)
                for machine in "${all_machines[@]}"; do
                        run_machine "$machine" "${SOCKTALLY_VM_LIVE:-auto,trampoline}" "${all_policies[@]}"
                done
                ;;
        '')
                only_methods=auto
                unit_policies=("${unit_policies[$(digit 2) % 4]}")
                run_machine "${all_machines[$(digit 0) % 6]}" "$live" "${all_policies[$(digit 1) % 4]}"
                ;;
        *) run_machine "$1" "$live" "${@:2}" ;;
        esac
        sed 's/^/# /' "$table"
        echo "1..$count"
        [ $failed -eq 0 ]
}

main "$@"
