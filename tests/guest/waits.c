/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What who changes hooks waits for, while nothing else goes on. The figures are printed, not judged: an emulated
 * machine is some twenty times slower than what it plays.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-keep.h"

#include "tests/guest/waits.h"

static _Noreturn void fail(const char *what) {
        printf("Bail out! %s\n", what);
        exit(EXIT_FAILURE);
}

static struct collect *start(enum attach_method method, enum load_mode mode) {
        struct collect_config config = {
                .load_mode = mode,
                .attach_method = method,
                .max_processes = 64,
                .max_sockets = 64,
        };
        char reason[COLLECT_REASON_SIZE] = "";
        struct collect *collect;

        if (collect_start(&collect, &config, reason, sizeof reason) < 0)
                fail(reason);
        return collect;
}

bool waits_is_settled(struct collect *collect) {
        const struct collect_report *reports;

        collect_reports(collect, &reports);
        return !strstr(reports[0].reason, "taking over");
}

/* The youngest program in the kernel. Programs get numbers in the order in which they are loaded. */
static uint32_t last_program(void) {
        uint32_t last = 0;

        while (bpf_prog_get_next_id(last, &last) == 0)
                continue;
        return last;
}

static enum attach_method attach_method_of(struct collect *collect) {
        const struct collect_report *reports;

        collect_reports(collect, &reports);
        return reports[0].method;
}

/* Until the collector is through with a change and has no child any more. */
static void settle_down(struct collect *collect) {
        static const struct timespec interval = { .tv_nsec = 20 * 1000 * 1000 };
        const struct sample *sample;
        siginfo_t info;

        while (!waits_is_settled(collect) || waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
                if (collect_read(collect, &sample) < 0)
                        fail("collect_read");
                nanosleep(&interval, NULL);
        }
        if (!collect_take_loaded(collect))
                collect_end_loader(collect);
}

static double now_msec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

/* There and back, with time to come to rest after each. Returns 0, or the error of a change that was refused. */
static int change_all(struct collect *collect, char *reason, size_t size) {
        static const struct { enum attach_method method; enum load_mode mode; } stops[] = {
                { ATTACH_TRAMPOLINE, LOAD_ENTRY },   { ATTACH_TRAMPOLINE, LOAD_PASSIVE },
                { ATTACH_TRAMPOLINE, LOAD_ENTRY },   { ATTACH_AUTO, LOAD_ENTRY },
        };

        for (size_t i = 0; i < sizeof stops / sizeof stops[0]; i++) {
                double begin = now_msec();
                int r;

                r = collect_set_attach_method(collect, stops[i].method, reason, size);
                if (r >= 0)
                        r = collect_set_load_mode(collect, stops[i].mode, reason, size);
                if (r < 0)
                        return r;
                printf("# %s, %s: the caller waits %.1f ms\n", attach_method_name(stops[i].method),
                       load_mode_name(stops[i].mode), now_msec() - begin);
                settle_down(collect);
        }
        return 0;
}

/* Changes that find everything in the kernel need not wait for its verifier. */
void waits_when_loaded(int number) {
        static const char sentence[] = "a change finds its programs loaded";
        struct collect *collect = start(ATTACH_AUTO, LOAD_ENTRY);
        char reason[COLLECT_REASON_SIZE] = "";
        uint32_t before, after;
        int r;

        r = collect_set_attach_method(collect, ATTACH_TRAMPOLINE, reason, sizeof reason);
        settle_down(collect);
        if (r >= 0)
                r = collect_set_attach_method(collect, ATTACH_AUTO, reason, sizeof reason);
        settle_down(collect);
        before = last_program();
        if (r >= 0)
                r = change_all(collect, reason, sizeof reason);
        after = last_program();
        if (r < 0)
                printf("# refused: %s\n", reason);
        printf("# the last program has the number %u, it had %u\n", after, before);
        printf("%s %d - %s\n", r < 0 || before != after ? "not ok" : "ok", number, sentence);
        collect_stop(collect);
}

/* Who asks before that does not wait either: what counts goes on until the programs are there, and of what it does not
 * see nothing is known. */
static bool is_queued(struct collect *collect, enum attach_method method, enum load_mode mode) {
        char reason[COLLECT_REASON_SIZE] = "";
        const struct collect_report *reports;
        double begin = now_msec();
        int r;

        r = collect_set_attach_method(collect, method, reason, sizeof reason);
        if (r >= 0)
                r = collect_set_load_mode(collect, mode, reason, sizeof reason);
        printf("# %s, %s: the caller waits %.1f ms%s%s\n", attach_method_name(method), load_mode_name(mode),
               now_msec() - begin, r < 0 ? ", and is refused: " : "", reason);
        collect_reports(collect, &reports);
        return r == 0 && strstr(reports[0].reason, "not attached yet");
}

static bool knows_calls(struct collect *collect) {
        const struct sample *sample;

        if (collect_read(collect, &sample) < 0)
                fail("collect_read");
        return sample->known >> SOCKTALLY_METRIC_tcp_tx_calls & 1;
}

void waits_when_early(int number) {
        static const char sentence[] = "a change that finds nothing loaded has its answer before";
        struct collect *collect = start(ATTACH_TRAMPOLINE, LOAD_PASSIVE);
        bool is_right;

        is_right = is_queued(collect, ATTACH_TRAMPOLINE, LOAD_RETURN) && !knows_calls(collect);
        settle_down(collect);
        is_right = is_right && knows_calls(collect);
        collect_stop(collect);
        collect = start(ATTACH_AUTO, LOAD_PASSIVE);
        if (attach_method_of(collect) == ATTACH_TRACEPOINT) {
                is_right = is_right && is_queued(collect, ATTACH_TRAMPOLINE, LOAD_PASSIVE) &&
                           !is_queued(collect, ATTACH_AUTO, LOAD_RETURN) && waits_is_settled(collect) &&
                           attach_method_of(collect) == ATTACH_TRACEPOINT && knows_calls(collect);
                is_right = is_right && is_queued(collect, ATTACH_TRAMPOLINE, LOAD_ENTRY) && knows_calls(collect);
                settle_down(collect);
                is_right = is_right && attach_method_of(collect) == ATTACH_TRAMPOLINE && knows_calls(collect);
        }
        printf("%s %d - %s\n", is_right ? "ok" : "not ok", number, sentence);
        collect_stop(collect);
}

/* With as few descriptors nothing can be passed or loaded. Nor can anything be read, but a read does its part. */
static bool is_given_up(struct collect *collect, struct collect_config *ret_config) {
        static const struct timespec interval = { .tv_nsec = 20 * 1000 * 1000 };
        const struct sample *sample;
        struct rlimit many, few;
        const char *reason;
        int next = dup(0);
        bool is_over;

        if (next < 0 || close(next) < 0 || getrlimit(RLIMIT_NOFILE, &many) < 0)
                fail("the number of descriptors");
        few = many;
        few.rlim_cur = (rlim_t) next;
        if (setrlimit(RLIMIT_NOFILE, &few) < 0)
                fail("setrlimit");
        while (!(is_over = collect_take_refusal(collect, ret_config, &reason)) && collect_is_changing(collect)) {
                (void) collect_read(collect, &sample);
                nanosleep(&interval, NULL);
        }
        if (setrlimit(RLIMIT_NOFILE, &many) < 0)
                fail("setrlimit");
        if (is_over)
                printf("# refused: %s\n", reason);
        return is_over;
}

void waits_when_refused(int number) {
        static const char sentence[] = "a change that is refused after its answer leaves what was before";
        struct collect *collect = start(ATTACH_TRAMPOLINE, LOAD_PASSIVE);
        struct collect_config config;
        bool is_right;

        is_right = is_queued(collect, ATTACH_TRAMPOLINE, LOAD_RETURN) && is_given_up(collect, &config) &&
                   config.load_mode == LOAD_PASSIVE && !knows_calls(collect);
        settle_down(collect);
        is_right = is_right && is_queued(collect, ATTACH_TRAMPOLINE, LOAD_RETURN);
        settle_down(collect);
        is_right = is_right && knows_calls(collect);
        collect_stop(collect);
        collect = start(ATTACH_AUTO, LOAD_ENTRY);
        if (attach_method_of(collect) == ATTACH_TRACEPOINT) {
                is_right = is_right && is_queued(collect, ATTACH_TRAMPOLINE, LOAD_ENTRY) &&
                           is_given_up(collect, &config) && config.attach_method == ATTACH_AUTO;
                settle_down(collect);
                is_right = is_right && attach_method_of(collect) == ATTACH_TRACEPOINT && knows_calls(collect);
        }
        printf("%s %d - %s\n", is_right ? "ok" : "not ok", number, sentence);
        collect_stop(collect);
}

static void send_datagrams(int fd, unsigned n) {
        char piece[1000] = "";

        for (unsigned i = 0; i < n; i++)
                if (write(fd, piece, sizeof piece) != sizeof piece || read(fd, piece, sizeof piece) != sizeof piece)
                        fail("a datagram to myself");
}

/* To itself. */
static int open_datagrams(void) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0 ||
            connect(fd, (const struct sockaddr *) &address, size) < 0)
                fail("a socket");
        return fd;
}

static uint64_t sent_by_me(struct collect *collect) {
        const struct sample *sample;

        if (collect_read(collect, &sample) < 0)
                fail("collect_read");
        for (size_t i = 0; i < sample->n_rows; i++)
                if (sample->rows[i].key.tgid == (uint32_t) getpid())
                        return sample->rows[i].row.counters[SOCKTALLY_METRIC_udp_tx_bytes];
        return 0;
}

static bool is_kept(enum attach_method method, enum load_mode mode) {
        struct collect_config config = {
                .load_mode = mode,
                .attach_method = method,
                .max_processes = 64,
                .max_sockets = 64,
        };
        struct collect *collect = start(method, mode);
        int fds[COLLECT_KEPT_FDS], socket = open_datagrams(), n;
        struct collect_kept kept;
        uint64_t before, after;

        send_datagrams(socket, 10);
        before = sent_by_me(collect);
        n = collect_keep(collect, &kept, fds, COLLECT_KEPT_FDS);
        for (int i = 0; i < n; i++)
                fds[i] = dup(fds[i]);
        collect_stop(collect);
        send_datagrams(socket, 7);
        if (n < 0 || collect_adopt(&collect, &config, &kept, fds, (size_t) n) < 0)
                return false;
        for (int i = 0; i < n; i++)
                close(fds[i]);
        send_datagrams(socket, 3);
        after = sent_by_me(collect);
        printf("# %s, %s: %d descriptors, %" PRIu64 " bytes before, %" PRIu64 " after\n", attach_method_name(method),
               load_mode_name(mode), n, before, after);
        collect_stop(collect);
        close(socket);
        return before == 10000 && after == 20000;
}

void waits_while_kept(int number) {
        static const char sentence[] = "what is kept counts on while there is no collector";
        bool is_right;

        is_right = is_kept(ATTACH_AUTO, LOAD_ENTRY) && is_kept(ATTACH_TRAMPOLINE, LOAD_PASSIVE) &&
                   is_kept(ATTACH_TRAMPOLINE, LOAD_RETURN);
        printf("%s %d - %s\n", is_right ? "ok" : "not ok", number, sentence);
}
