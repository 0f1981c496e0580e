/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reader as somebody else would write it, on the installed library alone. "follow" stays open and prints one line
 * whenever something changed: "fresh|stale VIEW INCARNATION SEQUENCE BYTES", where BYTES is what the host sent by TCP,
 * and "backwards OLD NEW" if that shrinks within an incarnation. "garbage" is the opposite of a reader: it says wrong
 * things of many kinds on the readers' socket, one connection each, and prints how many the daemon hung up on.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/socktally.h"

#define N_CONNECTIONS 32
/* Longer than the daemon's patience with a peer that does not say hello. */
#define HANG_UP_TIMEOUT_MSEC 10000

static uint64_t host_bytes(const struct socktally *reader) {
        struct socktally_column column;
        struct socktally_row row;
        uint64_t bytes;

        if (socktally_row(reader, SOCKTALLY_TABLE_HOST, 0, &row) != SOCKTALLY_VALUE ||
            socktally_column(reader, SOCKTALLY_TABLE_HOST, "tcp_tx_bytes", &column) < 0 ||
            socktally_value(&row, &column, &bytes) != SOCKTALLY_VALUE)
                return 0;
        return bytes;
}

static void print_state(const struct socktally_info *info, uint64_t bytes) {
        static const char *const views[] = { "best", "public", "user", "full" };

        printf("%s %s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", info->freshness == SOCKTALLY_FRESH ? "fresh" : "stale",
               views[info->view], info->incarnation, info->sequence, bytes);
        fflush(stdout);
}

static int follow(void) {
        struct socktally_info info = { .size = sizeof(info) }, last = { .sequence = UINT64_MAX };
        struct socktally *reader = NULL;
        uint64_t bytes, last_bytes = 0;
        int r = socktally_open(&reader, NULL);

        if (r < 0) {
                fprintf(stderr, "reader: cannot open: %s\n", strerror(-r));
                return 1;
        }
        for (;; last = info, last_bytes = bytes) {
                r = socktally_wait(reader, 250000);
                if (socktally_get_info(reader, &info) < 0)
                        return 1;
                bytes = host_bytes(reader);
                if (bytes < last_bytes && info.incarnation == last.incarnation)
                        printf("backwards %" PRIu64 " %" PRIu64 "\n", last_bytes, bytes);
                if (info.sequence != last.sequence || info.incarnation != last.incarnation ||
                    info.freshness != last.freshness)
                        print_state(&info, bytes);
                if (r < 0 && r != -EINTR) /* nobody there: nothing to wait for but time */
                        poll(NULL, 0, 50);
        }
}

/* Says the wrong thing number i; 0 says nothing at all. */
static void say_garbage(int fd, unsigned i) {
        static char message[4096];

        memset(message, (int) (i * 37), sizeof(message));
        if (i > 0)
                (void) !send(fd, message, i == 1 ? 0 : sizeof(message) >> (i % 13), MSG_NOSIGNAL);
}

static bool is_hung_up(int fd) {
        struct pollfd polls = { .fd = fd, .events = POLLIN };
        char message[256];

        while (poll(&polls, 1, HANG_UP_TIMEOUT_MSEC) > 0)
                if (recv(fd, message, sizeof(message), 0) <= 0)
                        return true;
        return false;
}

static int garbage(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fds[N_CONNECTIONS], n_hung_up = 0;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        for (unsigned i = 0; i < N_CONNECTIONS; i++) {
                fds[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
                if (fds[i] < 0 || connect(fds[i], (struct sockaddr *) &address, sizeof(address)) < 0) {
                        fprintf(stderr, "reader: cannot connect to %s: %s\n", path, strerror(errno));
                        return 1;
                }
                say_garbage(fds[i], i);
        }
        for (unsigned i = 0; i < N_CONNECTIONS; i++)
                n_hung_up += is_hung_up(fds[i]);
        printf("%d of %d\n", n_hung_up, N_CONNECTIONS);
        return 0;
}

int main(int argc, char **argv) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (argc == 2 && strcmp(argv[1], "follow") == 0)
                return follow();
        if (argc == 3 && strcmp(argv[1], "garbage") == 0)
                return garbage(argv[2]);
        fputs("Usage: reader follow | garbage SOCKET\n", stderr);
        return 2;
}
