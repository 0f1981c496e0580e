// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hooks are exchanged some hundred times while four processes do nothing but send, receive, connect and close, and
 * some of their threads stay in a receive for long. In the end the collector knows of each process exactly what it did.
 *
 *     handover [--changes=N] [--seed=N]
 *
 * Needs a kernel on which trampolines may be attached, so it runs in a guest. Prints TAP; cases that this kernel cannot
 * play are skipped with its reason.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/collect.h"

#include "tests/guest/waits.h"

#define N_PLAYERS 4
#define MAX_SIZE 3000

/* The metrics that are compared, and what a player did of each. */
static const struct {
        enum socktally_metric metric;
        const char *name;
        bool needs_calls; /* known only while TCP calls are observed */
} compared[] = {
        { SOCKTALLY_METRIC_tcp_tx_bytes, "tcp_tx_bytes", false },
        { SOCKTALLY_METRIC_tcp_rx_bytes, "tcp_rx_bytes", false },
        { SOCKTALLY_METRIC_tcp_tx_calls, "tcp_tx_calls", true },
        { SOCKTALLY_METRIC_tcp_rx_calls, "tcp_rx_calls", true },
        { SOCKTALLY_METRIC_tcp_closes, "tcp_closes", false },
        { SOCKTALLY_METRIC_udp_tx_bytes, "udp_tx_bytes", false },
        { SOCKTALLY_METRIC_udp_rx_bytes, "udp_rx_bytes", false },
        { SOCKTALLY_METRIC_udp_tx_calls, "udp_tx_calls", false },
        { SOCKTALLY_METRIC_udp_rx_calls, "udp_rx_calls", false },
};

#define N_COMPARED (sizeof compared / sizeof compared[0])

struct player {
        pid_t pid;
        atomic_uint_least64_t did[SOCKTALLY_N_METRICS];
        atomic_bool is_done;
};

struct stage {
        atomic_bool is_on, is_over;
        atomic_uint n_ready; /* players that have seen everything work once */
        struct player players[N_PLAYERS];
};

/* Two connected sockets. */
struct pair {
        int near, far;
};

struct waiter {
        struct player *player;
        struct pair pair;
        bool is_tcp;
        atomic_bool is_last; /* what comes next is the last */
        pthread_t thread;
};

static _Noreturn void fail(const char *what) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        fflush(stdout);
        exit(EXIT_FAILURE);
}

static void did(struct player *player, enum socktally_metric metric, uint64_t n) {
        atomic_fetch_add_explicit(&player->did[metric], n, memory_order_relaxed);
}

static void send_some(struct player *player, int fd, bool is_tcp, size_t size) {
        static const char data[MAX_SIZE];
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

        if (n != (ssize_t) size)
                fail("send");
        did(player, is_tcp ? SOCKTALLY_METRIC_tcp_tx_bytes : SOCKTALLY_METRIC_udp_tx_bytes, size);
        did(player, is_tcp ? SOCKTALLY_METRIC_tcp_tx_calls : SOCKTALLY_METRIC_udp_tx_calls, 1);
}

static void receive_some(struct player *player, int fd, bool is_tcp, size_t size) {
        char data[MAX_SIZE];

        while (size > 0) {
                ssize_t n = recv(fd, data, is_tcp ? size : sizeof data, 0);

                if (n <= 0)
                        fail("recv");
                did(player, is_tcp ? SOCKTALLY_METRIC_tcp_rx_bytes : SOCKTALLY_METRIC_udp_rx_bytes, (uint64_t) n);
                did(player, is_tcp ? SOCKTALLY_METRIC_tcp_rx_calls : SOCKTALLY_METRIC_udp_rx_calls, 1);
                size -= (size_t) n;
        }
}

static int bind_any(int type) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof address) < 0)
                fail("socket");
        return fd;
}

static void connect_to(int fd, int peer) {
        struct sockaddr_in address;
        socklen_t size = sizeof address;

        if (getsockname(peer, (struct sockaddr *) &address, &size) < 0 ||
            connect(fd, (struct sockaddr *) &address, size) < 0)
                fail("connect");
}

static struct pair open_udp(void) {
        struct pair pair = { bind_any(SOCK_DGRAM), bind_any(SOCK_DGRAM) };

        connect_to(pair.near, pair.far);
        connect_to(pair.far, pair.near);
        return pair;
}

static struct pair open_tcp(int listener) {
        struct pair pair = { .near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };

        if (pair.near < 0)
                fail("socket");
        connect_to(pair.near, listener);
        pair.far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (pair.far < 0)
                fail("accept");
        return pair;
}

/* No TIME_WAIT is left behind: thousands come in a run. */
static void close_tcp(struct player *player, struct pair *pair) {
        struct linger reset = { .l_onoff = 1, .l_linger = 0 };

        setsockopt(pair->near, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(pair->near);
        close(pair->far);
        did(player, SOCKTALLY_METRIC_tcp_closes, 2);
}

static void exchange(struct player *player, const struct pair *pair, bool is_tcp, unsigned *seed) {
        size_t size = 1 + (size_t) rand_r(seed) % MAX_SIZE;

        send_some(player, pair->near, is_tcp, size);
        receive_some(player, pair->far, is_tcp, size);
        send_some(player, pair->far, is_tcp, 1);
        receive_some(player, pair->near, is_tcp, 1);
}

static void *wait_for_one_byte(void *userdata) {
        struct waiter *waiter = userdata;

        while (!atomic_load(&waiter->is_last))
                receive_some(waiter->player, waiter->pair.far, waiter->is_tcp, 1);
        return NULL;
}

static void start_waiter(struct waiter *waiter, struct player *player, struct pair pair, bool is_tcp) {
        *waiter = (struct waiter) { .player = player, .pair = pair, .is_tcp = is_tcp };
        if (pthread_create(&waiter->thread, NULL, wait_for_one_byte, waiter) != 0)
                fail("pthread_create");
}

/* Wakes it until it has seen that it is over. */
static void end_waiter(struct waiter *waiter) {
        atomic_store(&waiter->is_last, true);
        send_some(waiter->player, waiter->pair.near, waiter->is_tcp, 1);
        pthread_join(waiter->thread, NULL);
}

/* What one player does over and over. */
static void play_once(struct player *player, const struct pair *udp, const struct pair *tcp, int listener,
                      unsigned *seed) {
        struct pair fresh;

        exchange(player, udp, false, seed);
        exchange(player, tcp, true, seed);
        if (rand_r(seed) % 4 == 0) {
                fresh = open_udp();
                if (rand_r(seed) % 2)
                        exchange(player, &fresh, false, seed);
                close(fresh.near);
                close(fresh.far);
        }
        if (rand_r(seed) % 4 == 0) {
                fresh = open_tcp(listener);
                if (rand_r(seed) % 2)
                        exchange(player, &fresh, true, seed);
                close_tcp(player, &fresh);
        }
}

/* Two threads stay in a receive; each is woken now and then, so that some calls last for many changes. */
static void play(struct stage *stage, struct player *player, unsigned seed) {
        struct waiter waiters[2];
        struct pair udp, tcp;
        int listener;

        while (!atomic_load(&stage->is_on))
                sched_yield();
        listener = bind_any(SOCK_STREAM);
        if (listen(listener, 8) < 0)
                fail("listen");
        udp = open_udp();
        tcp = open_tcp(listener);
        start_waiter(&waiters[0], player, open_udp(), false);
        start_waiter(&waiters[1], player, open_tcp(listener), true);
        for (unsigned round = 0; !atomic_load(&stage->is_over); round++) {
                play_once(player, &udp, &tcp, listener, &seed);
                if (rand_r(&seed) % 400 == 0)
                        send_some(player, waiters[round % 2].pair.near, waiters[round % 2].is_tcp, 1);
                if (round == 0)
                        atomic_fetch_add(&stage->n_ready, 1);
        }
        for (unsigned i = 0; i < 2; i++)
                end_waiter(&waiters[i]);
        /* Still-open connections are not counted as closed; the process stays until it has been read. */
        atomic_store(&player->is_done, true);
        for (;;)
                pause();
}

/* Before the collector is there: whose descriptors a child inherits cannot be detached by closing them. */
static struct stage *open_stage(unsigned seed) {
        struct stage *stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (stage == MAP_FAILED)
                fail("mmap");
        fflush(stdout);
        for (unsigned i = 0; i < N_PLAYERS; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        fail("fork");
                if (pid == 0) {
                        prctl(PR_SET_PDEATHSIG, SIGKILL);
                        play(stage, &stage->players[i], seed + i);
                }
                stage->players[i].pid = pid;
        }
        return stage;
}

static void start(struct stage *stage) {
        atomic_store(&stage->is_on, true);
        while (atomic_load(&stage->n_ready) < N_PLAYERS)
                sched_yield();
}

static void close_stage(struct stage *stage) {
        for (unsigned i = 0; i < N_PLAYERS; i++) {
                kill(stage->players[i].pid, SIGKILL);
                waitpid(stage->players[i].pid, NULL, 0);
        }
        munmap(stage, sizeof *stage);
}

static uint64_t counted(const struct sample *sample, pid_t pid, enum socktally_metric metric) {
        uint64_t sum = 0;

        for (uint32_t i = 0; i < sample->n_rows; i++)
                if (sample->rows[i].key.tgid == (uint32_t) pid)
                        sum += sample->rows[i].row.counters[metric];
        return sum;
}

/* Where may it have gone instead? */
static void show_others(const struct sample *sample, const struct stage *stage, enum socktally_metric metric) {
        for (uint32_t i = 0; i < sample->n_rows; i++) {
                const struct sample_row *row = &sample->rows[i];
                bool is_player = false;

                for (unsigned j = 0; j < N_PLAYERS; j++)
                        is_player |= row->key.tgid == (uint32_t) stage->players[j].pid;
                if (!is_player && row->row.counters[metric])
                        printf("# %" PRIu64 " went to %.16s, PID %" PRIu32 "\n", (uint64_t) row->row.counters[metric],
                               row->row.comm, row->key.tgid);
        }
        for (unsigned i = 0; i < N_SPECIALS; i++)
                if (sample->specials[i].counters[metric])
                        printf("# %" PRIu64 " went to special row %u\n",
                               (uint64_t) sample->specials[i].counters[metric], i);
}

/* All that the players did is in a sample now, as they do nothing any more. */
static unsigned compare(struct collect *collect, struct stage *stage, bool with_calls) {
        const struct sample *sample;
        unsigned n_wrong = 0;

        atomic_store(&stage->is_over, true);
        for (unsigned i = 0; i < N_PLAYERS; i++)
                while (!atomic_load(&stage->players[i].is_done))
                        sched_yield();
        if (collect_read(collect, &sample) < 0)
                fail("collect_read");
        for (unsigned i = 0; i < N_PLAYERS; i++)
                for (size_t j = 0; j < N_COMPARED; j++) {
                        uint64_t is = counted(sample, stage->players[i].pid, compared[j].metric);
                        uint64_t should = atomic_load(&stage->players[i].did[compared[j].metric]);

                        if (is == should || (compared[j].needs_calls && !with_calls))
                                continue;
                        n_wrong++;
                        show_others(sample, stage, compared[j].metric);
                        printf("# player %u: %s is %" PRIu64 ", should be %" PRIu64 "\n", i, compared[j].name, is,
                               should);
                }
        printf("# player 0 sent %" PRIu64 " times by UDP, %" PRIu64 " by TCP\n",
               (uint64_t) stage->players[0].did[SOCKTALLY_METRIC_udp_tx_calls],
               (uint64_t) stage->players[0].did[SOCKTALLY_METRIC_tcp_tx_calls]);
        return n_wrong;
}

/* Between two changes: nothing, one pass, or as many as it takes to be through with the first, at an interval that lets
 * the players come to their turn. A call can stay longer than we wait. */
static bool pass_time(struct collect *collect, unsigned *seed) {
        static const struct timespec interval = { .tv_nsec = 20 * 1000 * 1000 };
        unsigned n = rand_r(seed) % 3 == 0 ? 0 : rand_r(seed) % 2 ? 1 : 100;
        const struct sample *sample;

        for (unsigned i = 0; i < n && (i == 0 || !waits_is_settled(collect)); i++) {
                if (collect_read(collect, &sample) < 0)
                        fail("collect_read");
                nanosleep(&interval, NULL);
        }
        return waits_is_settled(collect);
}

struct plan {
        const char *sentence;
        enum attach_method methods[2];
        enum load_mode modes[3];
        unsigned n_modes;
};

static bool change(struct collect *collect, const struct plan *plan, unsigned *seed) {
        char reason[COLLECT_REASON_SIZE];
        int r;

        if (plan->n_modes > 1 && rand_r(seed) % 2)
                r = collect_set_load_mode(collect, plan->modes[(unsigned) rand_r(seed) % plan->n_modes], reason,
                                          sizeof reason);
        else
                r = collect_set_attach_method(collect, plan->methods[rand_r(seed) % 2], reason, sizeof reason);
        if (r < 0)
                printf("# refused: %s\n", reason);
        return r == 0;
}

/* The players take all the time that there is; an emulated machine would be at it for hours. */
static void set_urgent(bool is_urgent) {
        struct sched_param parameter = { .sched_priority = is_urgent };

        if (sched_setscheduler(0, is_urgent ? SCHED_RR : SCHED_OTHER, &parameter) < 0)
                fail("sched_setscheduler");
}

/* The first change begins with it, and the others would only be held up. */
static void load_all(struct collect *collect) {
        static const struct timespec interval = { .tv_nsec = 20 * 1000 * 1000 };
        const struct sample *sample;

        while (collect_take_loaded(collect)) {
                if (collect_read(collect, &sample) < 0)
                        fail("collect_read");
                nanosleep(&interval, NULL);
        }
}

static void run(const struct plan *plan, unsigned n_changes, unsigned seed) {
        struct collect_config config = {
                .load_mode = plan->modes[0],
                .attach_method = plan->methods[0],
                .max_processes = 1024,
                .max_sockets = 65536,
        };
        unsigned n_wrong, n_refused = 0, n_settled = 0;
        char reason[COLLECT_REASON_SIZE] = "";
        struct collect *collect;
        struct stage *stage;
        static int number;

        number++;
        stage = open_stage(seed);
        if (collect_start(&collect, &config, reason, sizeof reason) < 0) {
                printf("ok %d - %s # SKIP %s\n", number, plan->sentence, reason);
                close_stage(stage);
                return;
        }
        start(stage);
        set_urgent(true);
        n_refused += !change(collect, plan, &seed);
        load_all(collect);
        for (unsigned i = 0; i < n_changes; i++) {
                n_refused += !change(collect, plan, &seed);
                n_settled += pass_time(collect, &seed);
        }
        set_urgent(false);
        n_wrong = compare(collect, stage, plan->n_modes == 1);
        printf("# %u changes, %u were complete before the next, %u refused\n", n_changes, n_settled, n_refused);
        printf("%s %d - %s\n", n_wrong || n_refused ? "not ok" : "ok", number, plan->sentence);
        fflush(stdout);
        close_stage(stage);
        collect_stop(collect);
}

static const struct plan plans[] = {
        { "no count is lost or repeated when attach methods change under load",
          { ATTACH_TRACEPOINT, ATTACH_TRAMPOLINE }, { LOAD_ENTRY }, 1 },
        { "no count is lost or repeated when attach methods and load modes change under load",
          { ATTACH_TRACEPOINT, ATTACH_TRAMPOLINE }, { LOAD_ENTRY, LOAD_PASSIVE, LOAD_RETURN }, 3 },
        { "no count is lost or repeated when load modes of trampolines change under load",
          { ATTACH_TRAMPOLINE, ATTACH_TRAMPOLINE }, { LOAD_PASSIVE, LOAD_ENTRY, LOAD_RETURN }, 3 },
};

int main(int argc, char *argv[]) {
        static const struct option options[] = { { "changes", required_argument, NULL, 'c' },
                                                 { "seed", required_argument, NULL, 's' },
                                                 { 0 } };
        unsigned n_changes = 150, seed = 20240611;
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option != 'c' && option != 's')
                        return 2;
                *(option == 'c' ? &n_changes : &seed) = (unsigned) strtoul(optarg, NULL, 0);
        }
        printf("1..%zu\n", sizeof plans / sizeof plans[0] + 4);
        for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
                run(&plans[i], n_changes, seed);
        waits_when_loaded(sizeof plans / sizeof plans[0] + 1);
        waits_when_early(sizeof plans / sizeof plans[0] + 2);
        waits_when_refused(sizeof plans / sizeof plans[0] + 3);
        waits_while_kept(sizeof plans / sizeof plans[0] + 4);
        return EXIT_SUCCESS;
}
