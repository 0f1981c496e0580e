/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io_uring, spoken without its library: one entry is submitted and awaited at a time. With IOSQE_ASYNC the kernel's
 * worker threads of the process make the calls; they have names of their own and are the process all the same.
 */
#include <ctype.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/live/scenarios.h"

enum { UDP_PORT = PORT + 1, N_SENDS };
enum { WAITING = LISTENING + 1 };

#define ENTRIES 8
#define PART 5000
#define PARTS 20

struct ring {
        int fd;
        uint32_t *sq_tail, *sq_mask, *sq_array, *cq_head, *cq_tail, *cq_mask;
        struct io_uring_sqe *entries;
        struct io_uring_cqe *completions;
        bool is_registered;
        int lookalike[2]; /* sockets of the same kinds as those that only the ring holds */
};

static char bytes[PART];

static void *map_ring(struct player *player, int fd, size_t size, off_t offset) {
        void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, offset);

        if (address == MAP_FAILED)
                scene_fail(player->scene, "cannot map the ring: %s", strerror(errno));
        return address;
}

static void ring_open(struct player *player, struct ring *ring) {
        struct io_uring_params parameters = { 0 };
        char *sq, *cq;

        ring->fd = (int) syscall(SYS_io_uring_setup, ENTRIES, &parameters);
        if (ring->fd < 0)
                scene_skip(player->scene, "no io_uring here: %s", strerror(errno));
        sq = map_ring(player, ring->fd, parameters.sq_off.array + parameters.sq_entries * sizeof(uint32_t),
                      IORING_OFF_SQ_RING);
        cq = map_ring(player, ring->fd,
                      parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
        ring->entries = map_ring(player, ring->fd, parameters.sq_entries * sizeof(*ring->entries), IORING_OFF_SQES);
        ring->sq_tail = (uint32_t *) (sq + parameters.sq_off.tail);
        ring->sq_mask = (uint32_t *) (sq + parameters.sq_off.ring_mask);
        ring->sq_array = (uint32_t *) (sq + parameters.sq_off.array);
        ring->cq_head = (uint32_t *) (cq + parameters.cq_off.head);
        ring->cq_tail = (uint32_t *) (cq + parameters.cq_off.tail);
        ring->cq_mask = (uint32_t *) (cq + parameters.cq_off.ring_mask);
        ring->completions = (struct io_uring_cqe *) (cq + parameters.cq_off.cqes);
}

static void ring_submit(struct player *player, struct ring *ring, uint8_t operation, int fd, size_t size) {
        static const uint8_t flags[] = { [RING_WORKERS] = IOSQE_ASYNC, [RING_REGISTERED] = IOSQE_FIXED_FILE,
                                         [RING_INSIDE] = 0 };
        uint32_t tail = *ring->sq_tail, slot = tail & *ring->sq_mask;

        ring->entries[slot] = (struct io_uring_sqe) { .opcode = operation, .fd = fd, .addr = (uintptr_t) bytes,
                                                      .len = (uint32_t) size,
                                                      .flags = flags[player->scene->argument],
                                                      .msg_flags = player->scene->argument == RING_INSIDE
                                                                           ? MSG_TRUNC : 0 };
        ring->sq_array[slot] = slot;
        __atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
        NEED(player, syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0));
}

static bool ring_has_result(const struct ring *ring) {
        return __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) != *ring->cq_head;
}

static int ring_result(struct player *player, struct ring *ring, uint8_t operation) {
        uint32_t head = *ring->cq_head;
        int result;

        NEED(player, syscall(SYS_io_uring_enter, ring->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0));
        if (!ring_has_result(ring))
                scene_fail(player->scene, "io_uring completed nothing");
        result = ring->completions[head & *ring->cq_mask].res;
        __atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
        if (result < 0)
                scene_fail(player->scene, "io_uring operation %u: %s", operation, strerror(-result));
        return result;
}

/* Submits one operation and returns its result. */
static int ring_do(struct player *player, struct ring *ring, uint8_t operation, int fd, size_t size) {
        ring_submit(player, ring, operation, fd, size);
        if (player->scene->argument == RING_WAITING && operation == IORING_OP_RECV) {
                if (ring_has_result(ring))
                        scene_fail(player->scene, "something was sent too early");
                event_raise(player->scene, WAITING);
        }
        return ring_result(player, ring, operation);
}

/* With RING_REGISTERED fd is a number in the ring's own table, where 0 is TCP and 1 UDP; nobody can be asked. */
static int ring_socket(const struct ring *ring, int fd) {
        return ring->is_registered ? ring->lookalike[fd] : fd;
}

/* Leaves both sockets to the ring alone. Their numbers are 0 and 1 then. */
static void ring_take_over(struct player *player, struct ring *ring, int *tcp, int *udp) {
        int fds[] = { *tcp, *udp };

        if (player->scene->argument != RING_REGISTERED)
                return;
        NEED(player, syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_FILES, fds, 2));
        ring->lookalike[0] = NEED(player, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ring->lookalike[1] = NEED(player, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ring->is_registered = true;
        close(*tcp);
        close(*udp);
        *tcp = 0;
        *udp = 1;
        poll(NULL, 0, 500);
}

/* A receive in flight on the other side for each send there was. */
static void wait_for_receive(struct player *player) {
        if (player->scene->argument == RING_WAITING)
                event_wait(player->scene, WAITING, ++player->scene->numbers[N_SENDS]);
}

static void ring_send(struct player *player, struct ring *ring, int fd, size_t size) {
        wait_for_receive(player);
        while (size > 0) {
                int n = ring_do(player, ring, IORING_OP_SEND, fd, size);

                sent(player, ring_socket(ring, fd), n);
                size -= (size_t) n;
        }
}

static void ring_recv(struct player *player, struct ring *ring, int fd, size_t size) {
        while (size > 0) {
                int n = ring_do(player, ring, IORING_OP_RECV, fd, size);

                if (n == 0)
                        scene_fail(player->scene, "end of file, %zu bytes early", size);
                got(player, ring_socket(ring, fd), n);
                size -= (size_t) n;
        }
}

static void ring_server(struct player *player) {
        struct ring ring = { 0 };
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[UDP_PORT]), fd;
        int listener = tcp_listener(player, FLAVOUR_V4, &player->scene->numbers[PORT]);

        event_raise(player->scene, LISTENING);
        ring_open(player, &ring);
        fd = tcp_answer(player, listener);
        ring_take_over(player, &ring, &fd, &udp);
        for (int i = 0; i < PARTS; i++) {
                ring_recv(player, &ring, fd, PART);
                ring_recv(player, &ring, udp, 900);
                ring_send(player, &ring, fd, 100);
        }
}

static void ring_client(struct player *player) {
        struct ring ring = { 0 };
        int fd, udp;

        player->scope = SCOPE_HOST; /* of sockets that no descriptor leads to */
        event_wait(player->scene, LISTENING, 1);
        ring_open(player, &ring);
        fd = tcp_dial(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        udp = udp_connected(player, FLAVOUR_V4, player->scene->numbers[UDP_PORT]);
        ring_take_over(player, &ring, &fd, &udp);
        for (int i = 0; i < PARTS; i++) {
                ring_send(player, &ring, fd, PART);
                ring_send(player, &ring, udp, 900);
                ring_recv(player, &ring, fd, 100);
        }
}

void ring_talk(struct scene *scene, int kind) {
        /* Without calls the walks over open files tell who uses a socket, and no file leads to these. */
        bool is_riddle = kind == RING_REGISTERED && strcmp(scene->bill.load_mode, "passive") == 0;
        struct player *server = player_start(scene, "lv-ring-server", ring_server);
        struct player *client = player_start(scene, "lv-ring-client", ring_client);

        if (is_riddle)
                scene_skip(scene, "in load mode passive nobody sees whose these are");
        scene_wait_done(scene);
        expect(client, tcp_tx_bytes, PARTS * PART);
        expect(server, tcp_rx_bytes, PARTS * PART);
        expect(server, udp_rx_bytes, PARTS * 900);
}

/* The ring's receive completes in the task that submitted it, which sits in a call of its own for another socket. */
static void inside_receiver(struct player *player) {
        int udp = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[UDP_PORT]);
        int other = udp_bound(player, FLAVOUR_V4, &player->scene->numbers[PORT]), n;
        struct ring ring = { 0 };
        char buffer[5];

        ring_open(player, &ring);
        ring_submit(player, &ring, IORING_OP_RECV, udp, PART);
        event_raise(player->scene, WAITING);
        got(player, other, NEED(player, recvfrom(other, buffer, sizeof(buffer), 0, NULL, NULL)));
        n = ring_result(player, &ring, IORING_OP_RECV);
        got(player, udp, n);
}

/* Returns when the process is blocked in recvfrom(). */
static void wait_in_call(struct player *player, pid_t pid) {
        char path[64], call[32];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
        do {
                poll(NULL, 0, 1);
                file = fopen(path, "re");
                if (!file || !fgets(call, sizeof(call), file))
                        scene_skip(player->scene, "cannot see in which call a process is");
                fclose(file);
        } while (atoi(call) != SYS_recvfrom || !isdigit(call[0]));
}

static void inside_sender(struct player *player) {
        int ring, other;

        event_wait(player->scene, WAITING, 1);
        ring = udp_connected(player, FLAVOUR_V4, player->scene->numbers[UDP_PORT]);
        other = udp_connected(player, FLAVOUR_V4, player->scene->numbers[PORT]);
        wait_in_call(player, player->scene->players[0].pid);
        sent(player, ring, NEED(player, send(ring, bytes, 900, 0)));
        wait_in_call(player, player->scene->players[0].pid);
        sent(player, other, NEED(player, send(other, bytes, 5, 0)));
}

void ring_inside(struct scene *scene, int kind) {
        struct player *receiver = player_start(scene, "lv-ring-inside", inside_receiver);

        player_start(scene, "lv-ring-other", inside_sender);
        scene_wait_done(scene);
        expect(receiver, udp_rx_bytes, 900 + 5);
}
