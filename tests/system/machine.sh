# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A machine to test in: Debian under systemd in a container, booted in a second. Its root is an overlay in memory over a
# cached tree, so every run starts fresh and leaves nothing. Everything lives in a mount namespace and a cgroup of the
# test's own. Sourced by test-system.sh, which sets $scratch (a directory of its own), $ready (the program of that name).

machine_cache=${SOCKTALLY_TEST_CACHE:-/var/cache/socktally-tests}
machine_packages=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,policykit-1,libbpf1,libelf1,zlib1g,libsystemd0
machine_packages+=,libjson-c5,libsmartcols1,libncursesw6,dbus-broker
machine_root=
machine_leader=  # its PID 1, as this side sees it
machine_pid=     # what to end
machine_events=  # descriptor on which it says how far it is
machine_cgroup=
machine_came_from= # the group to go back to

# Prints why there can be no machine here, or nothing.
machine_obstacle() {
        [ "$(id -u)" = 0 ] || { echo "only root can boot a container"; return; }
        command -v systemd-nspawn >/dev/null || { echo "systemd-nspawn is missing (Debian: systemd-container)"; return; }
        # shellcheck source=/dev/null
        [ "$(. /etc/os-release && echo "$ID")" = debian ] || { echo "what is built here runs on Debian only"; return; }
        [ -n "$(machine_v2_hierarchy)" ] || { echo "cgroup v2 is not mounted"; return; }
        [ -d "$(machine_tree "$(machine_own_suite)" "$machine_packages")" ] || command -v mmdebstrap >/dev/null || echo "mmdebstrap is missing"
}

machine_v2_hierarchy() {
        awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts
}

# Another list of packages is another tree.
machine_tree() { # SUITE PACKAGES
        echo "$machine_cache/root-$1-$(cksum <<<"$2" | cut -d' ' -f1)"
}

machine_own_suite() {
        # shellcheck source=/dev/null
        (. /etc/os-release && echo "$VERSION_CODENAME")
}

# Makes the cached tree if it is not there yet; complete or not at all. Mirrors that stand still have lists whose time is
# over; their signatures are checked all the same.
machine_make_tree() { # SUITE PACKAGES
        local tree unfinished
        tree=$(machine_tree "$1" "$2")
        [ ! -d "$tree" ] || return 0
        mkdir -p "$machine_cache"
        unfinished=$(mktemp -d "$machine_cache/unfinished.XXXXXX")
        if mmdebstrap --quiet --variant=minbase --include="$2" --aptopt='Acquire::Check-Valid-Until "false"' \
                --format=directory "$1" "$unfinished/root" >"$scratch/mmdebstrap.log" 2>&1; then
                mv -T "$unfinished/root" "$tree" 2>/dev/null || true # another run may have been first
        fi
        rm -rf --one-file-system "$unfinished"
        [ -d "$tree" ]
}

# Mounts an overlay in memory over a tree: DIRECTORY/root.
machine_mount() { # TREE DIRECTORY
        mount -t tmpfs -o mode=0755 tmpfs "$2" &&
                mkdir "$2/upper" "$2/work" "$2/root" &&
                mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
}

# Mounts the root that the machine will have; things can be installed into $machine_root then.
machine_prepare() {
        mkdir "$scratch/memory"
        machine_root=$scratch/memory/root
        machine_mount "$(machine_tree "$(machine_own_suite)" "$machine_packages")" "$scratch/memory"
}

# nspawn makes its two groups, supervisor and payload, in the group that it runs in.
machine_enter_cgroup() {
        machine_came_from=$(machine_v2_hierarchy)$(sed -n 's/^0:://p' /proc/self/cgroup)
        machine_cgroup=$(machine_v2_hierarchy)/socktally-test-$$
        mkdir "$machine_cgroup"
        echo "$BASHPID" >"$machine_cgroup/cgroup.procs"
}

# nspawn refuses to clean up in a place that is not on tmpfs, as on a machine without systemd.
machine_make_room() {
        mkdir -p /run/systemd/nspawn
        mountpoint -q /run/systemd/nspawn || mount -t tmpfs tmpfs /run/systemd/nspawn
        mkdir -p /sys/fs/bpf
        mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
}

# Waits until the machine says that it has booted.
machine_boot() {
        local line=
        machine_make_room
        machine_enter_cgroup
        mkfifo "$scratch/events"
        SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 "$ready" systemd-nspawn --quiet -D "$machine_root" --machine="socktally-test-$$" \
                --register=no --keep-unit --boot --notify-ready=yes --console=pipe --private-network \
                --capability=all --system-call-filter='bpf perf_event_open' --bind=/sys/fs/bpf \
                </dev/null >"$scratch/events" 2>"$scratch/console.log" &
        machine_pid=$!
        exec {machine_events}<"$scratch/events"
        while read -r -t 60 line <&"$machine_events"; do
                case $line in
                X_NSPAWN_LEADER_PID=*) machine_leader=${line#*=} ;;
                READY=1) return 0 ;;
                esac
        done
        sed 's/^/# /' "$scratch/console.log"
        return 1
}

# Pulls the plug; what was written stays. Then as machine_boot.
machine_boot_again() {
        machine_stop
        exec {machine_events}<&-
        rm -f "$scratch/events"
        machine_boot
}

# Which bus the machine will boot with.
machine_choose_bus() { # dbus-daemon|dbus-broker
        rm -f "$machine_root/etc/systemd/system/dbus.service"
        [ "$1" = dbus-daemon ] ||
                ln -s /lib/systemd/system/dbus-broker.service "$machine_root/etc/systemd/system/dbus.service"
}

# Runs a command in the machine, as its root.
inside() { # COMMAND...
        timeout --foreground 300 nsenter -t "$machine_leader" -a -- "$@" </dev/null
}

# The same as an ordinary user, with one more group if it is not empty.
inside_as() { # USER GROUP COMMAND...
        local identity=("--reuid=$1" "--regid=$(inside id -g "$1")" --clear-groups)
        [ -z "$2" ] || identity[2]=--groups=$2
        shift 2
        inside setpriv "${identity[@]}" "$@"
}

# PID of a process of the machine as this side sees it.
machine_outer_pid() { # INNER-PID
        local namespace status
        namespace=$(readlink "/proc/$machine_leader/ns/pid")
        for status in /proc/[0-9]*/status; do
                awk -v inner="$1" '/^NSpid:/ && NF > 2 && $NF == inner { found = 1 } END { exit !found }' "$status" 2>/dev/null ||
                        continue
                status=${status%/status}
                [ "$(readlink "$status/ns/pid")" != "$namespace" ] || { echo "${status#/proc/}"; return; }
        done
}

# Safe to call at any time and more than once. The mounts go with the mount namespace.
machine_stop() {
        local directory
        if [ -n "$machine_leader" ] && [ -d "/proc/$machine_leader" ]; then
                kill -KILL "$machine_leader" 2>/dev/null # the first process of a PID namespace takes all others along
        fi
        [ -z "$machine_pid" ] || { kill "$machine_pid"; wait "$machine_pid"; } 2>/dev/null
        machine_leader='' machine_pid=''
        [ -n "$machine_cgroup" ] && [ -d "$machine_cgroup" ] || return 0
        echo "$BASHPID" >"$machine_came_from/cgroup.procs"
        find "$machine_cgroup" -depth -type d | while read -r directory; do rmdir "$directory"; done 2>/dev/null || true
        machine_cgroup=
}
