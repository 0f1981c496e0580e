/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module goes off and comes on again while a process uses its sockets. What they moved while it was off is nobody's,
 * and what follows counts to the byte: on sockets that were there all the time, that had another connection meanwhile,
 * that were opened meanwhile, used or unused, and that no process held when the module came on. One that began and
 * ended meanwhile was never there, and one that ends later only ends.
 *
 *     switch [LOAD-MODE]
 *
 * Default: in each load mode. Needs root. Prints TAP.
 */
#include <errno.h>
#include <inttypes.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/collector.h"
#include "tests/live/mover.h"

enum { ALWAYS_THERE, CONNECTED_ANEW, OPENED_USED, OPENED_UNUSED, ON_ITS_WAY, N_LINES };

/* Between process and collector, which take turns. */
struct stage {
        sem_t worked, go;
        bool is_tcp;
        uint64_t moved[SOCKTALLY_N_METRICS];
};

static void turn(struct stage *stage) {
        sem_post(&stage->worked);
        while (sem_wait(&stage->go) < 0)
                ;
}

/* fds[0] talks to fds[1]; over UDP they are one socket. */
static void open_line(const struct stage *stage, int fds[2]) {
        if (stage->is_tcp)
                tcp_pair(fds);
        else
                fds[0] = fds[1] = self_socket(SOCK_DGRAM, 0);
}

/* Over TCP the first socket disconnects and connects again, to another one. */
static void connect_anew(const struct stage *stage, int fds[2]) {
        struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

        if (!stage->is_tcp)
                return;
        need(connect(fds[0], &nowhere, sizeof nowhere), "connect(AF_UNSPEC)");
        close(fds[1]);
        fds[1] = tcp_connect(fds[0]);
}

static void close_line(const struct stage *stage, uint64_t *moved, const int fds[2]) {
        close(fds[0]);
        if (!stage->is_tcp)
                return;
        close(fds[1]);
        moved[SOCKTALLY_METRIC_tcp_closes] += 2;
}

static void move_line(const struct stage *stage, uint64_t *moved, const int fds[2], size_t size) {
        if (stage->is_tcp) {
                move_stream(moved, fds, size);
                return;
        }
        move_datagram(moved, fds[0], size, SOCKTALLY_METRIC_udp_tx_bytes, SOCKTALLY_METRIC_udp_rx_bytes);
        moved[SOCKTALLY_METRIC_udp_tx_calls]++;
        moved[SOCKTALLY_METRIC_udp_rx_calls]++;
}

/* As a message, the line is in nobody's hands; sent without closing it here, the other way round. */
static void carry(int channel, int fds[2], bool is_sent) {
        char byte = 0;
        struct iovec part = { &byte, 1 };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(2 * sizeof(int))];
        } control = { .header = { CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof control.space };

        if (!is_sent) {
                need((int) recvmsg(channel, &message, 0), "recvmsg");
                memcpy(fds, CMSG_DATA(&control.header), 2 * sizeof(int));
                return;
        }
        memcpy(CMSG_DATA(&control.header), fds, 2 * sizeof(int));
        need((int) sendmsg(channel, &message, 0), "sendmsg");
        close(fds[0]);
        if (fds[1] != fds[0])
                close(fds[1]);
}

static _Noreturn void work(struct stage *stage) {
        uint64_t nobodys[SOCKTALLY_N_METRICS];
        int lines[N_LINES][2], brief[2], ended[2], channel[2];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(3, ~0U, 0); /* the collector's links are its own, so that they can end */
        own_network();
        need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, channel), "socketpair");
        for (int i = ALWAYS_THERE; i <= CONNECTED_ANEW; i++) {
                open_line(stage, lines[i]);
                move_line(stage, stage->moved, lines[i], 1000);
        }
        turn(stage); /* and the module goes off */
        open_line(stage, brief);
        move_line(stage, nobodys, brief, 300);
        close_line(stage, nobodys, brief);
        for (int i = OPENED_USED; i < N_LINES; i++)
                open_line(stage, lines[i]);
        open_line(stage, ended);
        move_line(stage, nobodys, ended, 700);
        move_line(stage, nobodys, lines[ALWAYS_THERE], 400);
        move_line(stage, nobodys, lines[CONNECTED_ANEW], 250);
        connect_anew(stage, lines[CONNECTED_ANEW]);
        move_line(stage, nobodys, lines[CONNECTED_ANEW], 60);
        move_line(stage, nobodys, lines[OPENED_USED], 500);
        move_line(stage, nobodys, lines[ON_ITS_WAY], 600);
        carry(channel[0], lines[ON_ITS_WAY], true);
        turn(stage); /* and it comes on */
        carry(channel[1], lines[ON_ITS_WAY], false);
        turn(stage);
        close_line(stage, stage->moved, ended);
        for (int i = 0; i < N_LINES; i++)
                move_line(stage, stage->moved, lines[i], 20 + (size_t) i);
        turn(stage);
        for (int i = 0; i < N_LINES; i++) {
                move_line(stage, stage->moved, lines[i], 10);
                close_line(stage, stage->moved, lines[i]);
        }
        turn(stage);
        _exit(EXIT_SUCCESS);
}

/* Nobody has seen this process when the module goes off, nor what it opens meanwhile when it comes on. */
static _Noreturn void work_unseen(struct stage *stage, bool has_early) {
        uint64_t nobodys[SOCKTALLY_N_METRICS];
        int early[2], meanwhile[2];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close_range(3, ~0U, 0);
        if (has_early) {
                open_line(stage, early);
                move_line(stage, stage->moved, early, 900);
        }
        turn(stage); /* and the module goes off */
        open_line(stage, meanwhile);
        move_line(stage, nobodys, meanwhile, 700);
        turn(stage); /* and it comes on */
        close_line(stage, stage->moved, meanwhile);
        if (has_early)
                close_line(stage, stage->moved, early);
        turn(stage);
        _exit(EXIT_SUCCESS);
}

static void read_row(struct collect *collect, pid_t pid, uint64_t *ret_counted) {
        const struct sample *sample;

        for (int i = 0; i < 2; i++) /* the second walk began after all that is to be counted */
                need(collect_read(collect, &sample), "collect_read");
        memset(ret_counted, 0, SOCKTALLY_N_METRICS * sizeof *ret_counted);
        for (size_t i = 0; i < sample->n_rows; i++)
                for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                        if (sample->rows[i].key.tgid == (uint32_t) pid)
                                ret_counted[m] += sample->rows[i].row.counters[m];
}

static bool compare(const struct stage *stage, struct collect *collect, pid_t pid, const char *when) {
        static const struct {
                const char *name;
                unsigned number;
        } metrics[] = {
#define METRIC(name) { #name, SOCKTALLY_METRIC_##name }
                METRIC(tcp_tx_bytes), METRIC(tcp_rx_bytes), METRIC(tcp_closes),   METRIC(udp_tx_bytes),
                METRIC(udp_rx_bytes), METRIC(udp_tx_calls), METRIC(udp_rx_calls),
#undef METRIC
        };
        uint64_t counted[SOCKTALLY_N_METRICS];
        bool is_equal = true;

        read_row(collect, pid, counted);
        for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
                unsigned m = metrics[i].number;

                if (counted[m] == stage->moved[m])
                        continue;
                printf("# %s: %s moved %" PRIu64 ", counted %" PRIu64 "\n", when, metrics[i].name, stage->moved[m],
                       counted[m]);
                is_equal = false;
        }
        return is_equal;
}

/* As the daemon does it: a publication follows. */
static void set_module(struct collect *collect, size_t module, bool is_on) {
        char reason[COLLECT_REASON_SIZE];
        const struct sample *sample;

        if (collect_set_module(collect, module, is_on, reason, sizeof reason) < 0)
                bail_out("module %s: %s", module_name(module), reason);
        need(collect_read(collect, &sample), "collect_read");
}

static void wait_for_work(struct stage *stage) {
        while (sem_wait(&stage->worked) < 0)
                ;
}

static bool play(struct stage *stage, struct collect *collect, size_t module) {
        bool is_well;
        pid_t pid = need(fork(), "fork");

        if (pid == 0)
                work(stage);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, "before");
        set_module(collect, module, false);
        sem_post(&stage->go);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, "off") && is_well;
        set_module(collect, module, true);
        sem_post(&stage->go);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, "on again") && is_well;
        sem_post(&stage->go);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, "used again") && is_well;
        sem_post(&stage->go);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, "closed") && is_well;
        sem_post(&stage->go);
        need(waitpid(pid, NULL, 0), "waitpid");
        return is_well;
}

static bool play_unseen(struct stage *stage, struct collect *collect, size_t module, bool has_early) {
        bool is_well;
        pid_t pid;

        memset(stage->moved, 0, sizeof stage->moved);
        pid = need(fork(), "fork");
        if (pid == 0)
                work_unseen(stage, has_early);
        wait_for_work(stage);
        set_module(collect, module, false);
        sem_post(&stage->go);
        wait_for_work(stage);
        set_module(collect, module, true);
        sem_post(&stage->go);
        wait_for_work(stage);
        is_well = compare(stage, collect, pid, has_early ? "unseen" : "unseen and new");
        sem_post(&stage->go);
        need(waitpid(pid, NULL, 0), "waitpid");
        return is_well;
}

static bool run(enum load_mode mode, size_t module) {
        struct collect_config config = {
                .load_mode = mode,
                .modules = EVERY_MODULE,
                .max_processes = 4096,
                .max_sockets = 65536,
        };
        struct stage *stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct collect *collect;
        bool is_well;

        if (stage == MAP_FAILED || collect_start(&collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(collect))
                bail_out("cannot count: %s", collect_reason(collect));
        sem_init(&stage->worked, 1, 0);
        sem_init(&stage->go, 1, 0);
        stage->is_tcp = module == MODULE_TCP;
        is_well = play(stage, collect, module);
        is_well = play_unseen(stage, collect, module, true) && is_well;
        is_well = play_unseen(stage, collect, module, false) && is_well;
        collect_stop(collect);
        munmap(stage, sizeof *stage);
        return is_well;
}

static bool run_mode(enum load_mode mode, int *n_cases) {
        bool is_well = true;

        for (size_t i = 0; i < N_MODULES; i++) {
                bool is_good;

                if (i != MODULE_TCP && i != MODULE_UDP) /* those that count what is moved */
                        continue;
                is_good = run(mode, i);

                printf("%sok %d - what moved while %s was off is nobody's, in load mode %s\n", is_good ? "" : "not ",
                       ++*n_cases, module_name(i), load_mode_name(mode));
                is_well = is_well && is_good;
        }
        return is_well;
}

int main(int argc, char *argv[]) {
        bool is_well = true;
        int n_cases = 0;

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root may load programs into the kernel\n");
                return EXIT_SUCCESS;
        }
        setpgid(0, 0);
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (enum load_mode mode = 0; mode < N_LOAD_MODES; mode++)
                if (argc < 2 || strcmp(argv[1], load_mode_name(mode)) == 0)
                        is_well = run_mode(mode, &n_cases) && is_well;
        printf("1..%d\n", n_cases);
        return is_well && n_cases > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
