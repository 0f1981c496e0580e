# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The cases of the service of names in its sandbox, with files as Docker and Podman leave them. Sourced by
# test-system.sh.

names_hex=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
names_other=fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210
names_homes=/home
names_list=.local/share/containers/storage/overlay-containers/containers.json

called() { # CGROUP [COMMAND...]: the name of the container that the cgroup belongs to
        local cgroup=$1
        shift
        "${@:-inside}" socktally identify --json "$cgroup" | jq -r .container_name
}

# A file that nobody but its owner may read, in directories that nobody else may enter.
names_file() { # OWNER PATH TEXT
        # shellcheck disable=SC2016 # for the shell in there
        inside setpriv --reuid="$1" --regid="$(inside id -g "$1")" --clear-groups \
                sh -c 'umask 077; mkdir -p "${1%/*}" && printf "%s" "$2" >"$1"' sh "$2" "$3"
}

files_of_runtimes_come() {
        inside useradd --create-home --uid 1300 rootless && inside useradd --create-home --uid 1301 evil &&
                inside chmod 700 "$names_homes/rootless" "$names_homes/evil" &&
                names_file root "/var/lib/docker/containers/$names_hex/config.v2.json" '{"Name":"/web"}' &&
                names_file rootless "$names_homes/rootless/$names_list" "[{\"id\":\"$names_other\",\"names\":[\"mine\"]}]"
}

without_the_service_there_are_no_names() {
        expect socktally-names.socket "$(unit_property ActiveState socktally-names.socket)" inactive &&
                expect "name" "$(called "/system.slice/docker-$names_hex.scope")" null
}

one_command_enables_it() {
        local said
        inside systemctl enable --now socktally-names.socket &&
                said=$(inside systemd-analyze verify --man=no socktally-names.service socktally-names.socket 2>&1) &&
                expect "systemd-analyze verify says" "$said" "" &&
                expect "socket" "$(inside stat -c '%U %a' /run/socktally/names)" "socktally 600" &&
                expect socktally-names.service "$(unit_property ActiveState socktally-names.service)" inactive
}

# Nobody else asks here: a container that the daemon has not met moves data.
the_daemon_asks_by_itself() {
        next_publication && inside systemd-run --quiet --scope --unit="docker-$names_hex.scope" traffic tcp 1000 &&
                next_publication &&
                wait_for "the service of names" 30 names_service_runs
}

names_service_runs() {
        [ "$(unit_property ActiveState socktally-names.service)" = active ]
}

root_learns_names() {
        expect "of Docker" "$(called "/system.slice/docker-$names_hex.scope")" web &&
                expect "of an unknown runtime" "$(called "/mine/$names_hex")" web &&
                expect "of a user's Podman" "$(called "/user.slice/user-1300.slice/user@1300.service/user.slice/libpod-$names_other.scope")" mine
}

nobody_else_may_ask() {
        expect "name" "$(called "/system.slice/docker-$names_hex.scope" inside_as nobody '')" null &&
                expect "name" "$(called "/system.slice/docker-$names_hex.scope" inside_as nobody socktally)" null
}

a_user_gets_nothing_of_others() {
        local mine=/user.slice/user-1301.slice/user@1301.service/user.slice target
        expect "of Docker" "$(called "$mine/docker-$names_hex.scope")" null || return
        names_file evil "$names_homes/evil/$names_list" '[]'
        for target in "$names_homes/rootless/$names_list" "../../../../../../..$names_homes/rootless/$names_list"; do
                inside ln -sf "$target" "$names_homes/evil/$names_list"
                expect "behind a link to $target" "$(called "$mine/libpod-$names_other.scope")" null || return
        done
        inside rm "$names_homes/evil/$names_list" && inside ln "$names_homes/rootless/$names_list" "$names_homes/evil/$names_list" &&
                expect "behind a hard link" "$(called "$mine/libpod-$names_other.scope")" null || return
        inside rm "$names_homes/evil/$names_list" && inside mkfifo "$names_homes/evil/$names_list" &&
                expect "in a FIFO" "$(called "$mine/libpod-$names_other.scope")" null && names_service_runs
}

it_can_do_nothing_else() {
        local pid status
        pid=$(unit_property MainPID socktally-names.service)
        status=$(inside cat "/proc/$pid/status")
        for set in CapEff CapPrm CapBnd CapAmb; do # CAP_DAC_READ_SEARCH is bit 2
                expect $set "$(awk -v set=$set: '$1 == set { print $2 }' <<<"$status")" 0000000000000004 || return
        done
        expect NoNewPrivs "$(awk '$1 == "NoNewPrivs:" { print $2 }' <<<"$status")" 1 &&
                expect Seccomp "$(awk '$1 == "Seccomp:" { print $2 }' <<<"$status")" 2 &&
                expect "runs as root" "$(awk '$1 == "Uid:" { print ($2 == 0) }' <<<"$status")" 0 &&
                expect "restarts" "$(unit_property NRestarts socktally-names.service)" 0
}

switched_off_it_leaves_nothing() {
        inside systemctl disable --now socktally-names.socket socktally-names.service &&
                expect "a socket" "$(inside ls /run/socktally | grep -c names)" 0 &&
                expect enabled "$(inside systemctl is-enabled socktally-names.socket)" disabled
}

run_names_cases() {
        files_of_runtimes_come >"$scratch/names" 2>&1 || bail_out "files of runtimes: $(tail -n 1 "$scratch/names")"
        check "without the service of names there are no names of containers" without_the_service_there_are_no_names
        check "one command enables the service of names" one_command_enables_it
        check "the daemon asks it for what it does not know" the_daemon_asks_by_itself
        check "root learns names of containers, also of users'" root_learns_names
        check "nobody but the daemon and root may ask" nobody_else_may_ask
        check "a user cannot make it read what is not the user's" a_user_gets_nothing_of_others
        check "it can do nothing else" it_can_do_nothing_else
        check "switched off it leaves nothing" switched_off_it_leaves_nothing
}
