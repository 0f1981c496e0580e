# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The cases of ways to start: at boot with either bus, with the service enabled or only its socket, with callers and
# readers that come before basic.target. Each boot is a fresh one of the same disk. Sourced by test-system.sh.

# Units that come as early as a unit can: a caller on the bus, and a reader who tries until there is an answer.
early_ones_come() {
        local units=$machine_root/etc/systemd/system name
        for name in early-caller early-reader; do
                cat >"$units/$name.service" <<END
[Unit]
DefaultDependencies=no
Before=basic.target
After=dbus.socket socktally.socket

[Service]
ExecStart=/bin/sh $units_path/$name.sh
END
                mkdir -p "$units/basic.target.wants"
                ln -sf "../$name.service" "$units/basic.target.wants/$name.service"
        done
        echo 'busctl get-property org.socktally1 /org/socktally1 org.socktally1.Manager Version >/run/early-caller' \
                >"$units/early-caller.sh"
        echo 'until socktally status --json >/run/early-reader; do sleep 0.1; done' >"$units/early-reader.sh"
}

units_path=/etc/systemd/system

boot_with() { # BUS
        machine_choose_bus "$1"
        machine_boot_again || bail_out "the machine did not boot with $1"
}

bus_is() { # dbus-daemon|dbus-broker
        expect "the bus" "$(unit_property Id dbus.service)" "${1/%-daemon/}.service"
}

nothing_failed() {
        expect "failed units" "$(inside systemctl list-units --failed --plain --no-legend)" "" || return
        ! inside journalctl -q -b -o cat | grep -i 'ordering cycle'
}

early_ones_are_served() {
        bus_is "$1" && wait_for "the early caller's answer" 60 inside test -s /run/early-caller &&
                wait_for "the early reader's answer" 60 inside test -s /run/early-reader || return
        expect "socktally.service" "$(unit_property ActiveState)" active && expect "starts again" "$(unit_property NRestarts)" 0 &&
                nothing_failed
}

early_ones_are_served_by_dbus_daemon() {
        early_ones_are_served dbus-daemon
}

early_ones_are_served_by_dbus_broker() {
        early_ones_are_served dbus-broker
}

an_enabled_service_runs_after_boot() {
        bus_is dbus-broker && expect "socktally.service" "$(unit_property ActiveState)" active && nothing_failed || return
        wait_for "the name on the bus" 20 inside busctl --auto-start=no get-property "${manager[@]}" Version &&
                expect "view" "$(inside_as nobody '' socktally status --json | jq -r .view)" public
}

# With nothing on the disk but the units: the default of both is to be off.
a_disabled_service_can_be_called() {
        bus_is dbus-daemon && expect "socktally.service" "$(unit_property ActiveState)" inactive &&
                expect "socktally.socket" "$(unit_property ActiveState socktally.socket)" inactive && property Version
}

# What README says to do after make install.
commands_of_the_readme() {
        sed -n '/^make install/,/^```/{/^make/d;/^```/d;p}' "$srcdir/README.md"
}

installed_while_the_machine_runs() {
        ! inside getent group socktally || { echo "it was not removed before"; return 1; }
        make -C "$builddir" install DESTDIR="$machine_root" >"$scratch/install.log" 2>&1 ||
                { tail -n 3 "$scratch/install.log"; return 1; }
        expect "lines of README" "$(commands_of_the_readme | wc -l)" 6 && inside sh -ec "$(commands_of_the_readme)" &&
                property Version && inside busctl call "${manager[@]}" Save &&
                expect "socktally.service" "$(unit_property ActiveState)" active && nothing_failed
}

nothing_stays_after_uninstalling() {
        local left
        inside systemctl stop socktally.socket socktally.service
        make -C "$builddir" uninstall DESTDIR="$machine_root" >"$scratch/uninstall.log" 2>&1 ||
                { tail -n 3 "$scratch/uninstall.log"; return 1; }
        left=$(find "$machine_root/usr" "$machine_root/etc" -xdev -name '*socktally*' ! -path '*/include/*' ! -type d)
        expect "files" "$left" ""
}

run_boot_cases() {
        early_ones_come
        inside systemctl disable --quiet socktally.service socktally.socket
        inside systemctl enable --quiet socktally.socket
        boot_with dbus-broker
        check "dbus-broker: a caller before basic.target starts it, a reader is served" early_ones_are_served_by_dbus_broker
        inside systemctl enable --quiet socktally.service
        boot_with dbus-daemon
        check "dbus-daemon: enabled, with an early caller and reader, it starts once" early_ones_are_served_by_dbus_daemon
        inside rm -r $units_path/basic.target.wants
        boot_with dbus-broker
        check "dbus-broker: enabled, it runs after boot" an_enabled_service_runs_after_boot
        run_control_cases dbus-broker
        inside systemctl disable --quiet socktally.service socktally.socket
        boot_with dbus-daemon
        check "dbus-daemon: disabled, a call starts it all the same" a_disabled_service_can_be_called
        check "uninstalling leaves no file" nothing_stays_after_uninstalling
        inside userdel socktally
        boot_with dbus-daemon
        check "installed as README says while the machine runs, a call starts it, it saves" installed_while_the_machine_runs
        inside systemctl enable --quiet socktally.socket
}
