/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon is changed over its bus, in random order, while processes move data as fast as they can: load mode,
 * intervals, capacities, services, apps, and the module that is not being measured, also for lifetimes that end. No
 * byte is lost or repeated, no snapshot of any reader goes back, what is not observed is unknown, and a change that is
 * refused has changed nothing.
 *
 *     control [NUMBER-OF-CHANGES [SEED]]
 *
 * Needs root and dbus-daemon. SOCKTALLYD names the daemon's program. Prints TAP, and how long callers waited.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/broker.h"
#include "tests/live/compare.h"
#include "tests/live/observer.h"
#include "tests/live/service.h"
#include "tests/live/workers.h"

#define NAME "org.socktally1"
#define TOP "/org/socktally1"
#define NOBODY 65534
#define MAX_TIMES 1000000
#define ANSWER_USEC UINT64_C(300000000) /* a failure, not a wait */

enum { TCP = 1, UDP = 2 };

struct times {
        volatile uint32_t n;
        uint32_t usec[MAX_TIMES];
};

/* One kind of change. The value is a text or a number. */
struct act {
        const char *path, *interface, *property, *setter;
        char type;
};

enum { LOAD_MODE, INTERVAL, IDLE_INTERVAL, SERVICES, APPS, PROCESSES, SERVICE_ROWS, MODULE, N_ACTS };

#define MANAGER(property, type) { TOP, NAME ".Manager", property, "Set" property, type }

static const struct act acts[N_ACTS] = {
        [LOAD_MODE] = MANAGER("LoadMode", 's'),
        [INTERVAL] = MANAGER("IntervalUSec", 't'),
        [IDLE_INTERVAL] = MANAGER("IdleIntervalUSec", 't'),
        [SERVICES] = MANAGER("Services", 'b'),
        [APPS] = MANAGER("Apps", 'b'),
        [PROCESSES] = { TOP "/table/processes", NAME ".Table", "Capacity", "SetCapacity", 'u' },
        [SERVICE_ROWS] = { TOP "/table/services", NAME ".Table", "Capacity", "SetCapacity", 'u' },
};

struct value {
        const char *text;
        uint64_t number;
};

struct play {
        const char *sentence;
        unsigned measured; /* modules that stay on */
        bool is_small;     /* fewer rows than processes */
        struct broker broker;
        struct service service;
        struct workers *workers;
        struct observer *observer;
        sd_bus *bus;
        pid_t readers[3];
        struct times *times[N_ACTS], *reads;
        char mode[16];
        unsigned n_done, n_refused;
};

static _Noreturn void bail_out(const char *what, const char *why) {
        printf("Bail out! %s: %s\n", what, why);
        fflush(stdout);
        kill(0, SIGTERM);
        exit(EXIT_FAILURE);
}

static uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void note(struct times *times, uint64_t since_usec) {
        if (times->n < MAX_TIMES)
                times->usec[times->n++] = (uint32_t) (now_usec() - since_usec);
}

static struct times *new_times(void) {
        struct times *times = mmap(NULL, sizeof *times, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (times == MAP_FAILED)
                bail_out("memory", strerror(errno));
        return times;
}

static sd_bus *connect_to(const struct broker *broker) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, broker->address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                bail_out("the bus", strerror(-r));
        sd_bus_set_method_call_timeout(bus, ANSWER_USEC);
        return bus;
}

/* A caller without privilege that asks again and again. */
static _Noreturn void ask_forever(struct play *play) {
        sd_bus *bus = connect_to(&play->broker);
        const struct timespec pause = { .tv_nsec = 1000000 };

        for (;;) {
                uint64_t start = now_usec(), sequence;

                if (sd_bus_get_property_trivial(bus, NAME, TOP, NAME ".Manager", "Sequence", NULL, 't', &sequence) < 0)
                        workers_complain(play->workers, "Sequence cannot be read");
                note(play->reads, start);
                nanosleep(&pause, NULL);
        }
}

enum { FULL_READER, PUBLIC_READER, ASKER };

static pid_t start_reader(struct play *play, int role) {
        struct observer *observer;
        pid_t pid;

        fflush(NULL);
        pid = fork();
        if (pid != 0)
                return pid;
        if (role != FULL_READER && (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
                _exit(EXIT_FAILURE);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (role == ASKER)
                ask_forever(play);
        observer = observer_open(play->service.directory, play->workers);
        if (!observer)
                workers_complain(play->workers, "reader %d gets no segment", role);
        else
                observer_stay(observer);
        _exit(EXIT_FAILURE);
}

static int read_back(struct play *play, const struct act *act, struct value *ret_value, char text[64]) {
        sd_bus_message *reply = NULL;
        const char *word = "";
        const char type[] = { act->type, '\0' };
        int r;

        *ret_value = (struct value) { .text = text };
        r = sd_bus_get_property(play->bus, NAME, act->path, act->interface, act->property, NULL, &reply, type);
        if (r >= 0)
                r = sd_bus_message_read_basic(reply, act->type,
                                              act->type == 's' ? (void *) &word : (void *) &ret_value->number);
        snprintf(text, 64, "%s", word);
        sd_bus_message_unref(reply);
        if (r < 0)
                workers_complain(play->workers, "%s cannot be read: %s", act->property, strerror(-r));
        return r;
}

static bool is_same(const struct act *act, const struct value *a, const struct value *b) {
        return act->type == 's' ? strcmp(a->text, b->text) == 0 : a->number == b->number;
}

static int call(struct play *play, const char *path, const char *interface, const char *method, char type,
                const struct value *value, sd_bus_error *error) {
        uint32_t word = (uint32_t) value->number;
        sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_method_call(play->bus, &message, NAME, path, interface, method);
        if (r >= 0 && type == 's')
                r = sd_bus_message_append_basic(message, 's', value->text);
        else if (r >= 0 && type == 't')
                r = sd_bus_message_append_basic(message, 't', &value->number);
        else if (r >= 0 && type)
                r = sd_bus_message_append_basic(message, type, &word);
        if (r >= 0)
                r = sd_bus_call(play->bus, message, ANSWER_USEC, error, NULL);
        sd_bus_message_unref(message);
        return r;
}

/* What was granted is in force; what was refused is as it was. */
static void set(struct play *play, int number, const struct value *value) {
        const struct act *act = &acts[number];
        struct value before = {}, after = {};
        char before_text[64], after_text[64];
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t start;
        int r;

        if (read_back(play, act, &before, before_text) < 0)
                return;
        start = now_usec();
        r = call(play, act->path, act->interface, act->setter, act->type, value, &error);
        note(play->times[number], start);
        if (sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY))
                workers_complain(play->workers, "%s was not answered", act->setter);
        play->n_refused += r < 0;
        sd_bus_error_free(&error);
        if (read_back(play, act, &after, after_text) < 0)
                return;
        if (!is_same(act, &after, r < 0 ? &before : value))
                workers_complain(play->workers, "%s: %s %" PRIu64 " was %s, but %s %" PRIu64 " is in force",
                                 act->setter, value->text ? value->text : "", value->number,
                                 r < 0 ? "refused" : "granted", after_text, after.number);
        if (number == LOAD_MODE)
                snprintf(play->mode, sizeof play->mode, "%.15s", after_text);
}

static void switch_module(struct play *play) {
        const char *path = play->measured == TCP ? TOP "/module/udp" : TOP "/module/tcp";
        struct value value = { .number = rand() % 2 ? 0 : 1000 + (uint64_t) rand() % 300000 };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        bool is_on = rand() % 2;
        uint64_t start = now_usec();

        if (call(play, path, NAME ".Module", is_on ? "Enable" : "Disable", is_on ? 't' : '\0', &value, &error) < 0)
                workers_complain(play->workers, "%s cannot be switched: %s", path, error.message);
        note(play->times[MODULE], start);
        sd_bus_error_free(&error);
}

static uint64_t draw_capacity(const struct play *play) {
        static const uint64_t large[] = { 16384, 65536, 65000 };

        if (play->is_small)
                return 16 + (uint64_t) rand() % 48;
        return rand() % 4 ? 2048 + (uint64_t) rand() % 4096 : large[rand() % 3];
}

static void change_something(struct play *play) {
        static const char *const modes[] = { "passive", "entry", "return" };
        int number = rand() % (play->measured == (TCP | UDP) ? MODULE : N_ACTS);
        struct value value = {};

        switch (number) {
        case LOAD_MODE: value.text = modes[rand() % 3]; break;
        case INTERVAL:
        case IDLE_INTERVAL: value.number = 100000 + (uint64_t) rand() % 200000; break;
        case PROCESSES: value.number = draw_capacity(play); break;
        case SERVICE_ROWS: value.number = 16 + (uint64_t) rand() % 5000; break;
        case MODULE: switch_module(play); return;
        default: value.number = (uint64_t) rand() % 2;
        }
        set(play, number, &value);
}

static void expect_known(struct play *play, unsigned metric, bool is_known) {
        if (!(observer_known(play->observer) & UINT64_C(1) << metric) == is_known)
                workers_complain(play->workers, "change %u: %s is %s in mode %s", play->n_done, metric_name(metric),
                                 is_known ? "unknown" : "known", play->mode);
}

/* Only the mode decides about the modules that stay on. */
static void expect_mode(struct play *play) {
        bool is_passive = strcmp(play->mode, "passive") == 0, is_return = strcmp(play->mode, "return") == 0;
        uint64_t sequence = 0;

        if (sd_bus_get_property_trivial(play->bus, NAME, TOP, NAME ".Manager", "Sequence", NULL, 't', &sequence) < 0)
                workers_complain(play->workers, "Sequence cannot be read");
        observer_reach(play->observer, sequence); /* a reader follows to another segment in its own time */
        if (play->measured & TCP) {
                expect_known(play, SOCKTALLY_METRIC_tcp_tx_bytes, true);
                expect_known(play, SOCKTALLY_METRIC_tcp_rx_bytes, true);
                expect_known(play, SOCKTALLY_METRIC_tcp_tx_calls, !is_passive);
                expect_known(play, SOCKTALLY_METRIC_tcp_rx_calls, !is_passive);
                expect_known(play, SOCKTALLY_METRIC_tcp_tx_errors, is_return);
        }
        if (play->measured & UDP) {
                expect_known(play, SOCKTALLY_METRIC_udp_tx_bytes, true);
                expect_known(play, SOCKTALLY_METRIC_udp_rx_bytes, true);
                expect_known(play, SOCKTALLY_METRIC_udp_tx_calls, true);
                expect_known(play, SOCKTALLY_METRIC_udp_tx_errors, is_return);
        }
}

static uint64_t sync_now(struct play *play) {
        sd_bus_message *reply = NULL;
        uint64_t sequence = 0;

        if (sd_bus_call_method(play->bus, NAME, TOP, NAME ".Manager", "Sync", NULL, &reply, NULL) < 0 ||
            sd_bus_message_read(reply, "t", &sequence) < 0)
                workers_complain(play->workers, "Sync fails");
        sd_bus_message_unref(reply);
        return sequence;
}

static void compare(struct play *play, unsigned metric) {
        for (unsigned i = 0; i < N_WORKERS; i++) {
                uint64_t counted = 0, moved = play->workers->workers[i].moved[metric];

                if (!observer_find(play->observer, i, metric, &counted))
                        workers_complain(play->workers, "worker %u has no %s", i, metric_name(metric));
                else if (counted != moved)
                        workers_complain(play->workers, "worker %u: %s is %" PRIu64 ", moved %" PRIu64, i,
                                         metric_name(metric), counted, moved);
        }
}

/* Of a protocol that nobody else speaks. */
static void compare_sum(struct play *play) {
        const unsigned metric = SOCKTALLY_METRIC_other_tx_bytes;
        uint64_t host = 0, rows, moved = N_RESTING * RESTING_BYTES;

        for (unsigned i = 0; i < N_WORKERS; i++)
                moved += play->workers->workers[i].moved[metric];
        if (!observer_sum(play->observer, metric, &host, &rows))
                workers_complain(play->workers, "%s is unknown", metric_name(metric));
        else if (host != moved || rows != moved)
                workers_complain(play->workers, "%s: host %" PRIu64 ", rows %" PRIu64 ", moved %" PRIu64,
                                 metric_name(metric), host, rows, moved);
}

static void compare_all(struct play *play) {
        workers_hold(play->workers);
        observer_reach(play->observer, sync_now(play));
        if (play->measured & UDP)
                compare_sum(play);
        if (play->is_small)
                return;
        if (play->measured & TCP) {
                compare(play, SOCKTALLY_METRIC_tcp_tx_bytes);
                compare(play, SOCKTALLY_METRIC_tcp_rx_bytes);
        }
        if (play->measured & UDP) {
                compare(play, SOCKTALLY_METRIC_udp_tx_bytes);
                compare(play, SOCKTALLY_METRIC_udp_rx_bytes);
                compare(play, SOCKTALLY_METRIC_other_tx_bytes);
                compare(play, SOCKTALLY_METRIC_other_rx_bytes);
        }
}

static void wait_for_daemon(struct play *play) {
        uint64_t start = now_usec(), sequence;

        while (sd_bus_get_property_trivial(play->bus, NAME, TOP, NAME ".Manager", "Sequence", NULL, 't', &sequence) < 0)
                if (now_usec() - start > ANSWER_USEC)
                        bail_out("the daemon", "does not come to the bus");
}

static void open_play(struct play *play, const struct playbill *bill) {
        char bus[128], problem[400];
        const char *const options[] = { bus, "--config=/dev/null", NULL };

        if (broker_start(&play->broker) < 0)
                bail_out("dbus-daemon", "does not start");
        snprintf(bus, sizeof bus, "--bus=%s", play->broker.address);
        if (service_start(&play->service, bill, options, problem, sizeof problem) < 0)
                bail_out("the daemon", problem);
        snprintf(play->mode, sizeof play->mode, "%s", bill->load_mode);
        play->bus = connect_to(&play->broker);
        wait_for_daemon(play);
        play->workers = workers_start(false);
        play->observer = observer_open(play->service.directory, play->workers);
        if (!play->observer)
                bail_out("the daemon", "gives no segment");
        for (int i = 0; i < 3; i++)
                play->readers[i] = start_reader(play, i);
}

static void close_play(struct play *play) {
        char problem[400];

        for (int i = 0; i < 3; i++) {
                kill(play->readers[i], SIGKILL);
                waitpid(play->readers[i], NULL, 0);
        }
        observer_close(play->observer);
        sd_bus_close_unref(play->bus);
        if (service_stop(&play->service, problem, sizeof problem) < 0)
                workers_complain(play->workers, "%s", problem);
}

static bool report(const struct play *play) {
        static unsigned number;
        const char *problem = play->workers->problem;

        if (problem[0])
                printf("# %s\n", problem);
        printf("# %u changes, %u of them refused\n", play->n_done, play->n_refused);
        printf("%sok %u - %s\n", problem[0] ? "not " : "", ++number, play->sentence);
        fflush(stdout);
        return !problem[0];
}

static bool run(struct play *play, const struct playbill *bill, unsigned n) {
        bool is_well;

        open_play(play, bill);
        while (play->n_done < n && !play->workers->problem[0]) {
                change_something(play);
                expect_mode(play);
                play->n_done++;
        }
        if (!play->workers->problem[0])
                compare_all(play);
        close_play(play);
        is_well = report(play);
        workers_stop(play->workers);
        broker_stop(&play->broker);
        return is_well;
}

static int compare_times(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static void print_times(const char *what, struct times *times) {
        if (times->n == 0)
                return;
        qsort(times->usec, times->n, sizeof times->usec[0], compare_times);
        printf("# | %s | %u | %.3f | %.3f | %.3f |\n", what, times->n, (double) times->usec[times->n / 2] / 1e3,
               (double) times->usec[times->n * 99 / 100] / 1e3, (double) times->usec[times->n - 1] / 1e3);
}

static void print_table(struct times *const times[N_ACTS], struct times *reads) {
        printf("# | what | times | median ms | 99 of 100 within ms | worst ms |\n# |---|---|---|---|---|\n");
        for (int i = 0; i < N_ACTS; i++) {
                char what[64];

                snprintf(what, sizeof what, "changing %s of %s", i == MODULE ? "a module" : acts[i].property,
                         i == MODULE ? "two" : strrchr(acts[i].path, '/') + 1);
                print_times(what, times[i]);
        }
        print_times("reading a property meanwhile", reads);
}

/* Others that speak this protocol wait, or we for them. */
static void take_turns(void) {
        int fd = open("/tmp/socktally-live.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd >= 0)
                (void) flock(fd, LOCK_EX);
}

int main(int argc, char **argv) {
        const char *method = getenv("SOCKTALLY_ATTACH_METHOD"), *daemon = getenv("SOCKTALLYD");
        unsigned n = argc > 1 ? (unsigned) atoi(argv[1]) : 1000, seed = argc > 2 ? (unsigned) atoi(argv[2]) : 1;
        struct playbill bill = { .daemon = daemon ? daemon : "daemon/socktallyd", .load_mode = "entry",
                                 .attach_method = method ? method : "auto", .scale = 1 };
        struct play plays[] = {
                { .sentence = "TCP is exact while everything else changes", .measured = TCP },
                { .sentence = "UDP is exact while everything else changes", .measured = UDP },
                { .sentence = "with fewer rows than processes the sum is exact", .measured = TCP | UDP,
                  .is_small = true },
        };
        struct times *times[N_ACTS], *reads = new_times();
        bool is_well = true;

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root may load programs into the kernel\n");
                return EXIT_SUCCESS;
        }
        setpgid(0, 0);
        take_turns();
        srand(seed);
        printf("# seed %u, %u changes\n1..3\n", seed, n);
        for (int i = 0; i < N_ACTS; i++)
                times[i] = new_times();
        for (size_t i = 0; i < sizeof plays / sizeof plays[0]; i++) {
                memcpy(plays[i].times, times, sizeof times);
                plays[i].reads = reads;
                is_well = run(&plays[i], &bill, i == 0 ? n - 2 * (n / 3) : n / 3) && is_well;
        }
        print_table(times, reads);
        return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}
