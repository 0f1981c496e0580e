/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question after the other, each answered before the next is read. A file on a file system that does not answer
 * (NFS) can hold a question up for ever, and nothing but the end of the process gets out of that: alarm(2) is set
 * around each question and is not handled. systemd starts the service anew at the next connection.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "names/server.h"

#define PEERS_MAX 8 /* the daemon, and root's commands */

struct server {
        const struct server_config *config;
        struct pollfd fds[1 + PEERS_MAX]; /* the listening socket, then peers; a free place is -1 */
};

static struct pollfd *find_free(struct server *server) {
        for (size_t i = 1; i <= PEERS_MAX; i++)
                if (server->fds[i].fd < 0)
                        return &server->fds[i];
        return NULL;
}

/* While there is no room, who connects waits in the kernel's queue. */
static void set_listening(struct server *server) {
        server->fds[0].fd = find_free(server) ? server->config->listen_fd : -1;
}

static void admit(struct server *server) {
        int fd = accept4(server->config->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd >= 0)
                *find_free(server) = (struct pollfd) { .fd = fd, .events = POLLIN };
}

static void dismiss(struct pollfd *peer) {
        close(peer->fd);
        peer->fd = -1;
}

static int answer(const struct server_config *config, int fd, const struct question *question) {
        struct answer is = { .magic = ANSWER_MAGIC, .number = question->number };
        char name[QUESTION_NAME_SIZE];

        (void) alarm(config->limit_sec);
        if (places_look_up(config->places, question, name))
                memcpy(is.name, name, sizeof is.name);
        (void) alarm(0);
        return send(fd, &is, sizeof is, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof is ? 0 : -EPIPE;
}

static void serve(const struct server *server, struct pollfd *peer) {
        struct question question;
        ssize_t n = recv(peer->fd, &question, sizeof question, MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n != sizeof question || !question_is_valid(&question) ||
            answer(server->config, peer->fd, &question) < 0)
                dismiss(peer);
}

/* 1: something happened; 0: nothing did for idle_msec. */
static int turn(struct server *server) {
        int r = poll(server->fds, 1 + PEERS_MAX, server->config->idle_msec);

        if (r < 0)
                return errno == EINTR ? 1 : -errno;
        if (r == 0)
                return 0;
        for (size_t i = 1; i <= PEERS_MAX; i++)
                if (server->fds[i].fd >= 0 && server->fds[i].revents)
                        serve(server, &server->fds[i]);
        if (server->fds[0].fd >= 0 && server->fds[0].revents)
                admit(server);
        return 1;
}

int server_run(const struct server_config *config) {
        struct server server = { .config = config };
        int r;

        for (size_t i = 0; i <= PEERS_MAX; i++)
                server.fds[i] = (struct pollfd) { .fd = -1, .events = POLLIN };
        do {
                set_listening(&server);
                r = turn(&server);
        } while (r > 0);
        for (size_t i = 1; i <= PEERS_MAX; i++)
                if (server.fds[i].fd >= 0)
                        dismiss(&server.fds[i]);
        return r;
}
