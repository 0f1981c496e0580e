/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel and the C library refuse, each call once: for every n the n-th bpf(2), malloc() and mmap() of a read
 * and of each change fails. After it the change has been made or has said that it failed, and the rows hold what was
 * moved. Then the same with calls for many entries at once refused altogether, as a policy does.
 *
 * Needs root. All traffic stays on the loopback of a namespace that ends with the test. Prints TAP.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/collect/collector.h"
#include "daemon/totals/totals.h"
#include "tests/live/mover.h"
#include "tests/unit/fault.h"

#define ROWS 512
#define GROUPS 64
#define WITHOUT_BATCHES "bpf:LOOKUP_BATCH:*:EPERM,bpf:UPDATE_BATCH:*:ENOTSUPP,bpf:LOOKUP_ELEM:%u:ENOMEM"

struct play {
        struct collect *collect;
        struct totals *totals;
        uint64_t sequence;
        uint32_t capacity;
        uint64_t *moved; /* of the mover, in memory that both processes share */
        pid_t mover;
        int orders, answers;
        unsigned n_refused; /* calls */
        char problem[512];
};

static _Noreturn void move_on_order(uint64_t *moved, int orders, int answers) {
        int pair[2], udp;
        char byte;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        own_network();
        tcp_pair(pair);
        udp = self_socket(SOCK_DGRAM, 0);
        while (read(orders, &byte, 1) == 1) {
                move_stream(moved, pair, 3000);
                move_datagram(moved, udp, 500, SOCKTALLY_METRIC_udp_tx_bytes, SOCKTALLY_METRIC_udp_rx_bytes);
                need((int) write(answers, &byte, 1), "write");
        }
        _exit(EXIT_SUCCESS);
}

static void move(struct play *play) {
        char byte = 0;

        need((int) write(play->orders, &byte, 1), "write");
        need((int) read(play->answers, &byte, 1), "read");
}

/* A process with a row of its own that is over soon. */
static void pass_by(void) {
        pid_t pid = need(fork(), "fork");
        int fd;

        if (pid == 0) {
                own_network();
                fd = self_socket(SOCK_DGRAM, 0);
                _exit(send(fd, "brief", 5, 0) == 5 ? EXIT_SUCCESS : EXIT_FAILURE);
        }
        while (waitpid(pid, NULL, 0) < 0)
                ;
}

static int look(struct play *play) {
        const struct sample *sample;
        int r = collect_read(play->collect, &sample);

        if (r < 0)
                return r;
        totals_update(play->totals, sample, ++play->sequence);
        collect_saved(play->collect);
        return 0;
}

static int resize(struct play *play) {
        uint32_t wanted = play->capacity == ROWS ? 2 * ROWS : ROWS;
        int r = collect_set_max_processes(play->collect, wanted, NULL, 0);

        if (r == 0)
                play->capacity = wanted;
        return r;
}

static int resize_and_look(struct play *play) {
        int r = resize(play);

        return r < 0 ? r : look(play);
}

static int resize_twice_and_look(struct play *play) {
        int r = resize(play);

        return r < 0 ? r : resize_and_look(play);
}

static int change_mode(struct play *play) {
        static unsigned n;

        return collect_set_load_mode(play->collect, n++ % 2 ? LOAD_ENTRY : LOAD_RETURN, NULL, 0);
}

/* Nothing is moved meanwhile. */
static int switch_module(struct play *play, size_t module) {
        int off = collect_set_module(play->collect, module, false, NULL, 0);
        int on = collect_set_module(play->collect, module, true, NULL, 0);

        if (on < 0) { /* it has to succeed once the kernel does not refuse any more */
                fault_set(NULL);
                if (collect_set_module(play->collect, module, true, NULL, 0) < 0)
                        bail_out("module %s cannot be switched on again", module_name(module));
        }
        return off < 0 ? off : on;
}

static int switch_tcp(struct play *play) {
        return switch_module(play, MODULE_TCP);
}

static int switch_udp(struct play *play) {
        return switch_module(play, MODULE_UDP);
}

static const struct action {
        const char *name;
        int (*act)(struct play *play);
} actions[] = {
        { "a read", look },
        { "a change of capacity", resize_and_look },
        { "two changes of capacity", resize_twice_and_look },
        { "a change of load mode", change_mode },
        { "module tcp off and on", switch_tcp },
        { "module udp off and on", switch_udp },
};
#define N_ACTIONS (sizeof actions / sizeof actions[0])

static bool identify(void *userdata, const struct process_key *key, uint32_t pid, const char *comm,
                     struct identity *ret_identity) {
        *ret_identity = IDENTITY_NULL;
        return true;
}

static bool is_alive(void *userdata, uint32_t pid, uint64_t start_time) {
        return kill((pid_t) pid, 0) == 0 || errno != ESRCH;
}

static void compare(struct play *play, const char *what) {
        static const unsigned compared[] = { SOCKTALLY_METRIC_tcp_tx_bytes, SOCKTALLY_METRIC_tcp_rx_bytes,
                                             SOCKTALLY_METRIC_udp_tx_bytes, SOCKTALLY_METRIC_udp_rx_bytes };
        struct totals_result result;
        const struct process *row = NULL;

        totals_get(play->totals, &result);
        for (uint32_t i = N_PROCESS_SPECIALS; i < result.n_slots; i++)
                if (result.processes[i].is_used && result.processes[i].pid == (uint32_t) play->mover)
                        row = &result.processes[i];
        for (size_t i = 0; i < sizeof compared / sizeof compared[0] && !play->problem[0]; i++) {
                uint64_t counted = row ? row->counters[compared[i]] : 0, moved = play->moved[compared[i]];

                if (counted != moved)
                        snprintf(play->problem, sizeof play->problem, "%s: metric %u: moved %llu, counted %llu", what,
                                 compared[i], (unsigned long long) moved, (unsigned long long) counted);
        }
}

static void look_well(struct play *play) {
        int r = look(play);

        if (r < 0)
                bail_out("collect_read: %s", strerror(-r));
}

/* Returns false when the action made fewer such calls. */
static bool refuse_once(struct play *play, const struct action *action, const char *rule, unsigned n) {
        char text[128], what[256];
        unsigned hits;
        int r;

        snprintf(text, sizeof text, rule, n);
        move(play);
        pass_by();
        fault_set(text);
        r = action->act(play);
        hits = fault_hits();
        fault_set(NULL);
        snprintf(what, sizeof what, "%s with %s (%s)", action->name, text, r < 0 ? strerror(-r) : "done");
        move(play);
        look_well(play);
        compare(play, what);
        play->n_refused += hits;
        return hits > 0;
}

/* As often as there are such calls. Those for many entries are refused each time, and of the others one more. */
static void refuse_each(struct play *play, const struct action *action) {
        static const struct {
                const char *rule;
                unsigned max;
        } rules[] = { { "bpf:*:%u:ENOMEM", 400 }, { "malloc:%u", 400 }, { "mmap:%u", 400 }, { WITHOUT_BATCHES, 20 } };

        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
                for (unsigned n = 1; n <= rules[i].max && !play->problem[0]; n++)
                        if (!refuse_once(play, action, rules[i].rule, n))
                                break;
}

static void open_play(struct play *play, bool is_per_core) {
        struct collect_config config = {
                .load_mode = LOAD_ENTRY,
                .modules = EVERY_MODULE,
                .max_processes = ROWS,
                .max_sockets = 4096,
                .is_per_core = is_per_core,
        };
        struct totals_config tables = {
                .max = { 2 * ROWS, { GROUPS, GROUPS, GROUPS, GROUPS } },
                .identity = identify,
                .is_alive = is_alive,
        };
        int orders[2], answers[2];

        *play = (struct play) { .capacity = ROWS };
        play->moved = mmap(NULL, SOCKTALLY_N_METRICS * sizeof *play->moved, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (play->moved == MAP_FAILED || totals_new(&play->totals, &tables) < 0 ||
            collect_start(&play->collect, &config) < 0)
                bail_out("no memory");
        if (!collect_is_counting(play->collect))
                bail_out("cannot count: %s", collect_reason(play->collect));
        need(pipe(orders), "pipe");
        need(pipe(answers), "pipe");
        play->mover = need(fork(), "fork");
        if (play->mover == 0) {
                close(orders[1]);
                move_on_order(play->moved, orders[0], answers[1]);
        }
        play->orders = orders[1];
        play->answers = answers[0];
        close(orders[0]);
        close(answers[1]);
}

static void close_play(struct play *play) {
        close(play->orders);
        close(play->answers);
        (void) waitpid(play->mover, NULL, 0);
        collect_stop(play->collect);
        totals_free(play->totals);
        munmap(play->moved, SOCKTALLY_N_METRICS * sizeof *play->moved);
}

static bool run(struct play *play, const struct action *action, bool is_per_core) {
        static unsigned number;

        play->problem[0] = '\0';
        play->n_refused = 0;
        refuse_each(play, action);
        if (play->problem[0])
                printf("# %s\n", play->problem);
        printf("# %u calls were refused\n", play->n_refused);
        printf("%sok %u - %s%s loses nothing, whatever is refused\n", play->problem[0] ? "not " : "", ++number,
               action->name, is_per_core ? " with maps per core" : "");
        fflush(stdout);
        return !play->problem[0];
}

int main(void) {
        bool is_well = true;
        struct play play;

        if (geteuid() != 0) {
                puts("1..0 # SKIP needs root");
                return EXIT_SUCCESS;
        }
        (void) setpgid(0, 0);
        printf("1..%zu\n", 2 * N_ACTIONS);
        for (int is_per_core = 0; is_per_core < 2; is_per_core++) {
                open_play(&play, is_per_core);
                for (size_t i = 0; i < N_ACTIONS; i++)
                        is_well &= run(&play, &actions[i], is_per_core);
                close_play(&play);
        }
        return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
