#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Stands for socktallyd in the live tests: runs the daemon as a service with the installed unit's user, capabilities and
# sandbox, and says, lives and ends as the daemon would. First "vm-daemon.sh --prepare" makes the unit. The tests' TMPDIR
# must be /run/socktally-live, the one place that this daemon may write to.
set -u
room=/run/socktally-live

# The installed unit but for what makes it the one service of its name.
if [ "${1-}" = --prepare ]; then
        mkdir -p $room
        systemctl cat socktally.service |
                sed -E -e '/^(BusName|ExecStart|ExecReload|Restart.*|RuntimeDirectory.*|Requires)=/d' -e '/^\[Install\]/,$d' \
                        -e "0,/^\[Service\]/s||[Service]\nExecStart=$(command -v socktallyd) \$ARGUMENTS\nEnvironmentFile=$room/%i.environment\nReadWritePaths=$room|" \
                        >/run/systemd/system/socktally-live@.service
        exec systemctl daemon-reload
fi

unit=socktally-live@$$.service
environment=$room/$$.environment
waiter=
for argument; do
        case $argument in --runtime-directory=*) chown socktally: "${argument#*=}" ;; esac
done
echo "ARGUMENTS=$* --bus=none" >"$environment"
trap '[ -z "$waiter" ] || kill "$waiter"' TERM
env -u NOTIFY_SOCKET systemctl start "$unit" || { journalctl -q -o cat -n 10 -u "$unit" >&2; exit 1; }
systemd-notify --ready --no-block
tail --pid="$(systemctl show --value -p MainPID "$unit")" -s 0.1 -f /dev/null &
waiter=$!
wait $waiter
systemctl stop "$unit"
status=$(systemctl show --value -p ExecMainStatus "$unit")
rm -f "$environment"
systemctl reset-failed "$unit" 2>/dev/null
exit "$status"
