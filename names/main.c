/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socktally-names: tells the daemon what it may not read itself, see socktally-names(8). systemd starts it with a
 * socket when somebody asks, and it ends when nobody does. */
#include <err.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "config.h"

#include "names/server.h"

#define IDLE_MSEC 60000
#define LIMIT_SEC 5

static const char *find_home(uid_t uid) {
        const struct passwd *user = getpwuid(uid);

        return user ? user->pw_dir : NULL;
}

int main(int argc, char *argv[]) {
        const struct places places = { .root = "/", .root_owner = 0, .find_home = find_home };
        struct server_config config = {
                .places = &places,
                .listen_fd = SD_LISTEN_FDS_START,
                .idle_msec = IDLE_MSEC,
                .limit_sec = LIMIT_SEC,
        };
        int r;

        if (argc == 2 && strcmp(argv[1], "--version") == 0) {
                puts("socktally-names " VERSION);
                return EXIT_SUCCESS;
        }
        if (argc > 1 || sd_listen_fds(1) != 1 ||
            sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
                errx(2, "systemd starts it when somebody asks: systemctl enable --now socktally-names.socket");
        r = server_run(&config);
        if (r < 0)
                errx(EXIT_FAILURE, "cannot wait for questions: %s", strerror(-r));
        return EXIT_SUCCESS;
}
