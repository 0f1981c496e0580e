/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every connection either waits for its hello, in the order of arrival, or is granted a view.
 *
 * All sockets are non-blocking and have the smallest send buffer. A reader that does not read its messages loses those
 * about publications. If the message that cannot be sent has a new segment, the connection is closed: the reader will
 * reconnect and gets the segment then. A reader may send a hello and a few subscriptions. If it sends anything else, or
 * more than MESSAGES_MAX, its connection is closed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/publish/readers.h"
#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "libclient/socktally.h"

#define MESSAGES_MAX 64      /* of one reader, over its life: a hello and a few subscriptions */
#define PAUSE_USEC 1000000   /* out of descriptors: try again after this */
#define ACCEPT_BATCH 16

struct reader {
        struct readers *readers;
        struct reader *previous, *next; /* of all connections, oldest first */
        sd_event_source *source;
        int fd;
        uid_t uid;
        uint64_t deadline_usec;
        uint32_t n_messages;
        enum publish_view view;
        bool is_granted, is_subscribed, may_read_all;
};

struct readers {
        struct readers_config config;
        sd_event *event;
        sd_event_source *listen_source, *timer;
        sd_event_source *pause; /* not NULL: connections wait */
        struct reader *first, *last;
        uint32_t n, n_granted;
};

/* n more readers, or fewer, hold a view. */
static void count_granted(struct readers *readers, int n) {
        readers->n_granted += (uint32_t) n;
        if (n != 0 && readers->config.counted)
                readers->config.counted(readers->config.userdata);
}

static struct reader *reader_free(struct reader *reader) {
        struct readers *readers = reader->readers;

        *(reader->previous ? &reader->previous->next : &readers->first) = reader->next;
        *(reader->next ? &reader->next->previous : &readers->last) = reader->previous;
        readers->n--;
        count_granted(readers, -(int) reader->is_granted);
        sd_event_source_disable_unref(reader->source);
        (void) shutdown(reader->fd, SHUT_RDWR); /* a child of the collector may still have it open */
        close(reader->fd);
        free(reader);
        return NULL;
}

static int send_message(int fd, const struct handshake_message *message, int attached_fd) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { 0 };
        struct iovec iov = { (void *) message, sizeof *message };
        struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (attached_fd >= 0) {
                packet.msg_control = &control;
                packet.msg_controllen = sizeof control;
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(&control.header), &attached_fd, sizeof attached_fd);
        }
        return sendmsg(fd, &packet, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static uint32_t view_number(enum publish_view view) {
        return view == PUBLISH_FULL ? SOCKTALLY_VIEW_FULL : SOCKTALLY_VIEW_PUBLIC;
}

static int send_view(const struct reader *reader, enum handshake_type type) {
        struct handshake_message message = {
                .magic = HANDSHAKE_MAGIC,
                .type = type,
                .view = view_number(reader->view),
                .major = LAYOUT_MAJOR,
        };
        int fd = reader->readers->config.view_fd(reader->readers->config.userdata, reader->view);

        return fd < 0 ? -EAGAIN : send_message(reader->fd, &message, fd);
}

static void send_refusal(int fd, int error) {
        struct handshake_message message = {
                .magic = HANDSHAKE_MAGIC,
                .type = HANDSHAKE_GRANT,
                .major = LAYOUT_MAJOR,
                .error = error,
        };

        /* Best effort: the end of the connection says the same. Whoever closes with something unread resets the
         * connection, and the reader hears that first (unix_release_sock); after the shutdown nothing more comes. */
        (void) send_message(fd, &message, -1);
        (void) shutdown(fd, SHUT_RD);
        while (recv(fd, &message, sizeof message, MSG_DONTWAIT) > 0)
                continue;
}

/* The peer's supplementary groups at the time it connected. */
static bool has_group(int fd, gid_t gid) {
        socklen_t size = 256 * sizeof(gid_t);
        gid_t *groups = malloc(size), *larger;
        bool is_member = false;
        int r;

        if (!groups)
                return false;
        r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size);
        if (r < 0 && errno == ERANGE && size <= 65536 * sizeof(gid_t)) { /* NGROUPS_MAX; size is what it needs */
                larger = realloc(groups, size);
                groups = larger ? larger : groups;
                r = larger ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) : -1;
        }
        for (size_t i = 0; r >= 0 && i < size / sizeof(gid_t); i++)
                is_member = is_member || groups[i] == gid;
        free(groups);
        return is_member;
}

static bool may_read_all(int fd, const struct ucred *peer, gid_t gid) {
        return peer->uid == 0 || peer->uid == geteuid() || peer->gid == gid || has_group(fd, gid);
}

/* 0, or a positive errno for the reader. */
static int decide(struct reader *reader, const struct handshake_message *hello) {
        if (hello->major_min > LAYOUT_MAJOR || hello->major_max < LAYOUT_MAJOR)
                return EPROTONOSUPPORT;
        switch (hello->view) {
        case SOCKTALLY_VIEW_BEST:
                reader->view = reader->may_read_all ? PUBLISH_FULL : PUBLISH_PUBLIC;
                return 0;
        case SOCKTALLY_VIEW_FULL:
                reader->view = PUBLISH_FULL;
                return reader->may_read_all ? 0 : EACCES;
        default: /* there is no view of a single user yet; what a later reader may ask for is not known */
                reader->view = PUBLISH_PUBLIC;
                return 0;
        }
}

/* Grants a view. Returns whether the connection goes on. */
static bool take_hello(struct reader *reader, const struct handshake_message *hello) {
        struct readers *readers = reader->readers;
        int error = decide(reader, hello), r;

        if (error) {
                send_refusal(reader->fd, error);
                return false;
        }
        readers->config.arrived(readers->config.userdata);
        r = send_view(reader, HANDSHAKE_GRANT);
        if (r < 0) {
                send_refusal(reader->fd, EAGAIN);
                return false;
        }
        reader->is_granted = true;
        count_granted(readers, 1);
        return true;
}

/* Returns whether the connection goes on. */
static bool take_message(struct reader *reader, const struct handshake_message *message, ssize_t n) {
        if (n < (ssize_t) sizeof *message || message->magic != HANDSHAKE_MAGIC || ++reader->n_messages > MESSAGES_MAX)
                return false;
        if (message->type == HANDSHAKE_HELLO && !reader->is_granted)
                return take_hello(reader, message);
        if (message->type == HANDSHAKE_SUBSCRIBE && reader->is_granted) {
                reader->is_subscribed = true;
                return true;
        }
        return false;
}

static int on_reader(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct reader *reader = userdata;
        struct handshake_message message;
        ssize_t n;

        /* Without room for control data the kernel drops any descriptor that a peer attaches, see unix(7). */
        n = recv(fd, &message, sizeof message, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR) && !(revents & (EPOLLHUP | EPOLLERR)))
                return 0;
        if (n <= 0 || !take_message(reader, &message, n))
                reader_free(reader);
        return 0;
}

static uint32_t count_uid(const struct readers *readers, uid_t uid) {
        uint32_t n = 0;

        for (const struct reader *reader = readers->first; reader; reader = reader->next)
                n += reader->uid == uid;
        return n;
}

static void append(struct readers *readers, struct reader *reader) {
        reader->previous = readers->last;
        *(readers->last ? &readers->last->next : &readers->first) = reader;
        readers->last = reader;
        readers->n++;
}

/* Closes connections that sent no hello in time, and sets the timer for the next one that may have to be closed. */
static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        struct readers *readers = userdata;
        uint64_t now = clock_usec(CLOCK_MONOTONIC);
        struct reader *reader, *next;

        for (reader = readers->first; reader; reader = next) {
                next = reader->next;
                if (reader->is_granted)
                        continue;
                if (reader->deadline_usec > now) {
                        sd_event_source_set_time(source, reader->deadline_usec);
                        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
                }
                reader_free(reader);
        }
        return 0;
}

static int reader_new(struct readers *readers, int fd, const struct ucred *peer) {
        struct reader *reader = calloc(1, sizeof *reader);
        int enabled = SD_EVENT_ON, smallest = 1, r;

        if (!reader)
                return -ENOMEM;
        r = sd_event_add_io(readers->event, &reader->source, fd, EPOLLIN, on_reader, reader);
        if (r < 0) {
                free(reader);
                return r;
        }
        sd_event_source_set_priority(reader->source, SD_EVENT_PRIORITY_IDLE);
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &smallest, sizeof smallest); /* the kernel has a least one */
        reader->readers = readers;
        reader->fd = fd;
        reader->uid = peer->uid;
        reader->may_read_all = may_read_all(fd, peer, readers->config.gid);
        reader->deadline_usec = clock_usec(CLOCK_MONOTONIC) + readers->config.timeout_usec;
        append(readers, reader);
        sd_event_source_get_enabled(readers->timer, &enabled);
        if (enabled == SD_EVENT_OFF) {
                sd_event_source_set_time(readers->timer, reader->deadline_usec);
                sd_event_source_set_enabled(readers->timer, SD_EVENT_ONESHOT);
        }
        return 0;
}

/* Takes the descriptor over. */
static void admit(struct readers *readers, int fd) {
        struct ucred peer = { 0 };
        socklen_t size = sizeof peer;
        int r = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                r = -errno;
        else if (readers->n >= readers->config.max || count_uid(readers, peer.uid) >= readers->config.max_per_uid)
                r = -EUSERS;
        else
                r = reader_new(readers, fd, &peer);
        if (r < 0) {
                send_refusal(fd, r == -EUSERS ? EUSERS : EAGAIN);
                close(fd);
        }
}

static int on_resume(sd_event_source *source, uint64_t usec, void *userdata) {
        struct readers *readers = userdata;

        readers->pause = sd_event_source_disable_unref(source);
        return sd_event_source_set_enabled(readers->listen_source, SD_EVENT_ON);
}

/* The socket stays readable when there is no descriptor left to accept with: pause, do not spin. */
static void pause_listening(struct readers *readers) {
        if (!readers->pause && sd_event_add_time_relative(readers->event, &readers->pause, CLOCK_MONOTONIC, PAUSE_USEC,
                                                          0, on_resume, readers) >= 0)
                sd_event_source_set_enabled(readers->listen_source, SD_EVENT_OFF);
}

static int on_connection(sd_event_source *source, int listen_fd, uint32_t revents, void *userdata) {
        struct readers *readers = userdata;

        for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
                int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd >= 0) {
                        admit(readers, fd);
                        continue;
                }
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        pause_listening(readers);
                return 0;
        }
        return 0;
}

/* True if somebody accepts connections there. */
static bool is_answered(const struct sockaddr_un *address) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int r;

        if (fd < 0)
                return false;
        r = connect(fd, (const struct sockaddr *) address, sizeof *address) < 0 ? -errno : 0;
        close(fd);
        return r == 0 || r == -EAGAIN || r == -EPROTOTYPE;
}

int readers_listen(const char *path, int *ret_fd) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (strlen(path) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        if (is_answered(&address))
                return -EADDRINUSE;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        r = bind(fd, (struct sockaddr *) &address, sizeof address);
        if (r >= 0)
                r = chmod(path, 0666);
        if (r >= 0)
                r = listen(fd, 128);
        if (r < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        *ret_fd = fd;
        return 0;
}

int readers_new(struct readers **ret_readers, sd_event *event, const struct readers_config *config) {
        struct readers *readers = calloc(1, sizeof *readers);
        int r;

        if (!readers) {
                close(config->listen_fd);
                return -ENOMEM;
        }
        readers->config = *config;
        if (readers->config.timeout_usec == 0)
                readers->config.timeout_usec = HANDSHAKE_TIMEOUT_USEC;
        readers->event = sd_event_ref(event);
        r = sd_event_add_io(event, &readers->listen_source, config->listen_fd, EPOLLIN, on_connection, readers);
        if (r >= 0)
                r = sd_event_add_time(event, &readers->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timeout, readers);
        if (r < 0) {
                readers_free(readers);
                return r;
        }
        sd_event_source_set_enabled(readers->timer, SD_EVENT_OFF);
        sd_event_source_set_priority(readers->listen_source, SD_EVENT_PRIORITY_IDLE);
        *ret_readers = readers;
        return 0;
}

struct readers *readers_free(struct readers *readers) {
        if (!readers)
                return NULL;
        while (readers->first)
                reader_free(readers->first);
        sd_event_source_disable_unref(readers->listen_source);
        sd_event_source_disable_unref(readers->timer);
        sd_event_source_disable_unref(readers->pause);
        sd_event_unref(readers->event);
        close(readers->config.listen_fd);
        free(readers);
        return NULL;
}

size_t readers_granted(const struct readers *readers) {
        return readers->n_granted;
}

void readers_published(struct readers *readers, unsigned replaced) {
        static const struct handshake_message published = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_PUBLISHED };
        struct reader *reader, *next;

        for (reader = readers->first; reader; reader = next) {
                int r = 0;

                next = reader->next;
                if (!reader->is_granted)
                        continue;
                if (replaced & 1U << reader->view)
                        r = send_view(reader, HANDSHAKE_SEGMENT);
                if (r >= 0 && reader->is_subscribed)
                        r = send_message(reader->fd, &published, -1) == -EAGAIN ? 0 : r;
                if (r < 0)
                        reader_free(reader);
        }
}
