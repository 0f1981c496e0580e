/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes that reach a socket, or leave it, without a send or receive call: sendfile, splice, vmsplice, zero copy. How
 * many calls the kernel makes of them differs between kernels and is not compared; the bytes are.
 */
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/scenarios.h"


#define FILE_SIZE (1 << 20)
#define PART 30000
#define PARTS 20
#define PAGE 4096
#define ZEROCOPY_PART (8 * PAGE)
#define BEYOND_FILE (16 << 20)
#define BEYOND (UINT64_C(4400) << 20)
#define BEYOND_SECONDS 12

static void reader(struct player *player) {
        recv_to_end(player, tcp_serve_one(player, FLAVOUR_V4));
}

static int file_of(struct player *player, off_t size) {
        int fd = memfd_create("lv-file", MFD_CLOEXEC);

        if (fd < 0)
                scene_skip(player->scene, "no memfd: %s", strerror(errno));
        NEED(player, ftruncate(fd, size));
        return fd;
}

static void sendfile_sender(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4), file = file_of(player, FILE_SIZE);
        off_t offset = 0;

        while (offset < FILE_SIZE)
                NEED(player, sent(player, fd, sendfile(fd, file, &offset, (size_t) player->scene->argument)));
        send_all(player, fd, 1000);
        NEED(player, shutdown(fd, SHUT_WR));
}

void pages_sendfile(struct scene *scene, int call_size) {
        struct player *receiver = player_start(scene, "lv-sendfile-rx", reader);
        struct player *sender = player_start(scene, "lv-sendfile-tx", sendfile_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, FILE_SIZE + 1000);
        expect(receiver, tcp_rx_bytes, FILE_SIZE + 1000);
        expect(sender, tcp_tx_calls, 1 + (FILE_SIZE + (uint64_t) call_size - 1) / (uint64_t) call_size);
}

/* Moves what is in the pipe into the socket. */
static void drain_pipe(struct player *player, int from, int fd, size_t size) {
        while (size > 0) {
                ssize_t n = NEED(player, splice(from, NULL, fd, NULL, size, SPLICE_F_MOVE));

                moved_uncalled(player, fd, (size_t) n, 0);
                size -= (size_t) n;
        }
}

static void splice_sender(struct player *player) {
        static char bytes[PART];
        int fd = tcp_dial_one(player, FLAVOUR_V4), ends[2];

        NEED(player, pipe2(ends, O_CLOEXEC));
        for (int i = 0; i < PARTS; i++) {
                struct iovec part = { bytes, sizeof(bytes) };

                if (player->scene->argument)
                        NEED(player, vmsplice(ends[1], &part, 1, 0));
                else
                        NEED(player, write(ends[1], bytes, sizeof(bytes)));
                drain_pipe(player, ends[0], fd, PART);
        }
        NEED(player, shutdown(fd, SHUT_WR));
}

void pages_splice_out(struct scene *scene, int with_vmsplice) {
        struct player *receiver = player_start(scene, "lv-splice-rx", reader);
        struct player *sender = player_start(scene, "lv-splice-tx", splice_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, PARTS * PART);
        expect(receiver, tcp_rx_bytes, PARTS * PART);
}

static void plain_sender(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4);

        for (int i = 0; i < PARTS; i++)
                send_all(player, fd, PART);
        NEED(player, shutdown(fd, SHUT_WR));
}

/* Everything but the first 1,000 and the last 777 bytes goes through a pipe. The last ones stay unread. */
static void splice_receiver(struct player *player) {
        size_t left = PARTS * PART - 1000 - 777;
        static char bytes[PART];
        int fd = tcp_serve_one(player, FLAVOUR_V4), ends[2];

        NEED(player, pipe2(ends, O_CLOEXEC));
        recv_exactly(player, fd, 1000);
        while (left > 0) {
                ssize_t n = NEED(player, splice(fd, NULL, ends[1], NULL, left < PART ? left : PART, 0));

                moved_uncalled(player, fd, 0, (size_t) n);
                left -= (size_t) n;
                while (n > 0)
                        n -= NEED(player, read(ends[0], bytes, (size_t) n));
        }
}

void pages_splice_in(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-splicein-rx", splice_receiver);

        player_start(scene, "lv-splicein-tx", plain_sender);
        scene_wait_done(scene);
        expect(receiver, tcp_rx_bytes, PARTS * PART - 777);
}

static void udp_splice_sender(struct player *player) {
        static char bytes[3000];
        int fd, ends[2];

        event_wait(player->scene, LISTENING, 1);
        fd = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        NEED(player, pipe2(ends, O_CLOEXEC));
        for (int i = 0; i < 10; i++) {
                NEED(player, write(ends[1], bytes, sizeof(bytes)));
                drain_pipe(player, ends[0], fd, sizeof(bytes));
        }
        NEED(player, sent(player, fd, send(fd, bytes, 0, 0)));
}

static void udp_splice_receiver(struct player *player) {
        int fd = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]);
        char bytes[8000];

        event_raise(player->scene, LISTENING);
        while (NEED(player, got(player, fd, recv(fd, bytes, sizeof(bytes), 0))) > 0)
                continue;
}

void pages_splice_udp(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-usplice-rx", udp_splice_receiver);
        struct player *sender = player_start(scene, "lv-usplice-tx", udp_splice_sender);

        scene_wait_done(scene);
        expect(sender, udp_tx_bytes, 30000);
        expect(receiver, udp_rx_bytes, 30000);
}

/* Takes completions off the error queue, which is not traffic, until all of them are in. */
static void await_completions(struct player *player, int fd, uint32_t wanted) {
        uint32_t completed = 0;

        while (completed < wanted) {
                char control[200];
                struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
                struct sock_extended_err *error;

                if (recvmsg(fd, &message, MSG_ERRQUEUE) < 0) {
                        if (errno != EAGAIN)
                                scene_fail(player->scene, "error queue: %s", strerror(errno));
                        wait_error(player, fd);
                        continue;
                }
                error = (struct sock_extended_err *) CMSG_DATA(CMSG_FIRSTHDR(&message));
                completed += error->ee_data - error->ee_info + 1;
        }
}

static void zerocopy_sender(struct player *player) {
        char *pages = mmap(NULL, ZEROCOPY_PART, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int fd = tcp_dial_one(player, FLAVOUR_V4), on = 1;

        memset(pages, 1, ZEROCOPY_PART);
        set_option(player, fd, IPPROTO_TCP, TCP_NODELAY, 1);
        if (setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on)) < 0)
                scene_skip(player->scene, "no SO_ZEROCOPY: %s", strerror(errno));
        for (int i = 0; i < PARTS; i++) {
                ssize_t n = NEED(player, sent(player, fd, send(fd, pages, ZEROCOPY_PART, MSG_ZEROCOPY)));

                if (n != ZEROCOPY_PART)
                        scene_fail(player->scene, "only %zd bytes sent", n);
        }
        await_completions(player, fd, PARTS);
        NEED(player, shutdown(fd, SHUT_WR));
}

void pages_zerocopy_send(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-zerocopy-rx", reader);
        struct player *sender = player_start(scene, "lv-zerocopy-tx", zerocopy_sender);

        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, PARTS * ZEROCOPY_PART);
        expect(sender, tcp_tx_calls, PARTS);
        expect(receiver, tcp_rx_bytes, PARTS * ZEROCOPY_PART);
}

/* The start of linux/tcp.h's struct, which clashes with netinet/tcp.h. */
struct zerocopy_receive {
        uint64_t address;
        uint32_t length;
        uint32_t recv_skip_hint;
};

/* Maps what can be mapped and reads the rest. Returns false at the end of the stream. */
static bool zerocopy_receive(struct player *player, int fd, void *window, size_t *mapped) {
        struct zerocopy_receive request = { .address = (uintptr_t) window, .length = ZEROCOPY_PART };
        socklen_t size = sizeof(request);
        char bytes[PAGE];

        wait_readable(player, fd);
        if (getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &request, &size) < 0) {
                if (errno == EIO) /* end of the stream */
                        return false;
                scene_skip(player->scene, "no TCP_ZEROCOPY_RECEIVE: %s", strerror(errno));
        }
        *mapped += request.length;
        moved_uncalled(player, fd, 0, request.length);
        if (request.length > 0)
                return true;
        return NEED(player, got(player, fd, recv(fd, bytes, sizeof(bytes), 0))) > 0;
}

static void zerocopy_receiver(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);
        void *window = mmap(NULL, ZEROCOPY_PART, PROT_READ, MAP_SHARED, fd, 0);
        size_t mapped = 0;

        if (window == MAP_FAILED)
                scene_skip(player->scene, "a TCP socket cannot be mapped here: %s", strerror(errno));
        while (zerocopy_receive(player, fd, window, &mapped))
                continue;
        if (mapped == 0)
                scene_skip(player->scene, "TCP_ZEROCOPY_RECEIVE mapped nothing here");
}

/* A mapping is one more reference to the socket's file, which the daemon cannot tell from another process that may be
 * in the middle of a call: it waits some seconds before it charges what no call explains. */
void pages_zerocopy_receive(struct scene *scene, int unused) {
        struct player *receiver = player_start(scene, "lv-zcrecv-rx", zerocopy_receiver);

        scene->patience_msec = 60000;
        player_start(scene, "lv-zcrecv-tx", zerocopy_sender);
        scene_wait_done(scene);
        expect(receiver, tcp_rx_bytes, PARTS * ZEROCOPY_PART);
}

/* Sequence numbers have 32 bits. The bytes are never touched: sent from a file of holes, discarded at the other end. */
static void beyond_sender(struct player *player) {
        int fd = tcp_dial_one(player, FLAVOUR_V4), file = file_of(player, BEYOND_FILE);
        time_t end = time(NULL) + BEYOND_SECONDS;
        uint64_t left = BEYOND;

        while (left > 0) {
                off_t offset = 0;
                ssize_t n = NEED(player, sendfile(fd, file, &offset, left < BEYOND_FILE ? left : BEYOND_FILE));

                moved_uncalled(player, fd, (size_t) n, 0);
                left -= (uint64_t) n;
                if (time(NULL) > end)
                        scene_skip(player->scene, "4 GiB take more than %d s here", BEYOND_SECONDS);
        }
        NEED(player, shutdown(fd, SHUT_WR));
}

static void beyond_receiver(struct player *player) {
        int fd = tcp_serve_one(player, FLAVOUR_V4);

        while (NEED(player, got(player, fd, recv(fd, NULL, BEYOND_FILE, MSG_TRUNC))) > 0)
                continue;
}

void pages_beyond_4_gib(struct scene *scene, int unused) {
        struct player *receiver, *sender;

        if (scene->bill.scale > 1)
                scene_skip(scene, "bulk sizes are scaled down");
        receiver = player_start(scene, "lv-beyond-rx", beyond_receiver);
        sender = player_start(scene, "lv-beyond-tx", beyond_sender);
        scene_wait_done(scene);
        expect(sender, tcp_tx_bytes, BEYOND);
        expect(receiver, tcp_rx_bytes, BEYOND);
}
