#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The installed service under systemd, in a container of its own: it is started by a reader, shows what services really
# moved, to those who may see it, survives what is done to it, and leaves nothing. Prints TAP. Run it by ./verify
# system, or by hand with builddir and srcdir set; SOCKTALLY_TEST_CACHE says where the Debian tree is kept. Arguments
# choose groups of cases: service, control, command, names, boot.
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
groups=("$@")
[ $# -gt 0 ] || groups=(service control command names boot)

scratch=
ready=$builddir/tests/system/ready
# shellcheck source=tests/system/check.sh
. "$srcdir/tests/system/check.sh"
# shellcheck source=tests/system/machine.sh
. "$srcdir/tests/system/machine.sh"
# shellcheck source=tests/system/cases.sh
. "$srcdir/tests/system/cases.sh"
# shellcheck source=tests/system/control.sh
. "$srcdir/tests/system/control.sh"
# shellcheck source=tests/system/polkit.sh
. "$srcdir/tests/system/polkit.sh"
# shellcheck source=tests/system/command.sh
. "$srcdir/tests/system/command.sh"
# shellcheck source=tests/system/names.sh
. "$srcdir/tests/system/names.sh"
# shellcheck source=tests/system/boot.sh
. "$srcdir/tests/system/boot.sh"

skip_all() {
        echo "1..0 # SKIP $1"
        exit 0
}

bail_out() {
        echo "Bail out! $1"
        exit 1
}

cleanup() {
        trap '' INT TERM HUP
        follower_stop
        machine_stop
        if [ -n "$scratch" ]; then
                umount --lazy "$scratch/memory" 2>/dev/null
                rm -rf --one-file-system "$scratch"
        fi
}

# What a package's installation does.
install_socktally() {
        local log=$scratch/install.log name
        make -C "$builddir" tests/system/ready tests/system/traffic tests/system/reader tests/bench/bench-bus >"$log" 2>&1 &&
                make -C "$builddir" install DESTDIR="$machine_root" >>"$log" 2>&1 ||
                bail_out "make install: $(grep -m 1 -E '([Ee]rror|cannot)' "$log")"
        systemd-sysusers --root="$machine_root" >>"$log" 2>&1 || bail_out "systemd-sysusers: $(tail -n 1 "$log")"
        ldconfig -r "$machine_root"
        systemctl --root="$machine_root" enable socktally.socket >>"$log" 2>&1 ||
                bail_out "systemctl enable socktally.socket: $(tail -n 1 "$log")"
        for name in system/traffic system/reader bench/bench-bus; do
                "$builddir/libtool" --quiet --mode=install install "$builddir/tests/$name" \
                        "$machine_root/usr/local/bin/${name#*/}" >>"$log" 2>&1 || bail_out "cannot install $name"
        done
}

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

obstacle=$(machine_obstacle)
[ -z "$obstacle" ] || skip_all "$obstacle"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/socktally-system.XXXXXX")
machine_make_tree "$(machine_own_suite)" "$machine_packages" || skip_all "mmdebstrap could not make a Debian tree: $(tail -n 1 "$scratch/mmdebstrap.log")"
machine_prepare || bail_out "cannot mount the machine's root"
install_socktally
machine_choose_bus dbus-daemon
machine_boot || bail_out "the machine did not boot"
for group in "${groups[@]}"; do
        "run_${group}_cases"
done
echo "1..$n"
[ $failed -eq 0 ]
