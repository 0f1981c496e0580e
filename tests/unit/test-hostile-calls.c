/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon itself, as it is installed, under a hundred thousand calls that no sane program would make. A model
 * follows what the answers say: a call that was refused changed nothing, one that was accepted changed what it said and
 * nothing else. In the end nothing leaked, everything is in force that the model has, and the daemon answers and
 * publishes as fast as before. SOCKTALLY_TEST_SEED repeats a run.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/bus-stage.h"
#include "tests/unit/nonsense.h"
#include "tests/unit/raw-bus.h"

#ifdef __SANITIZE_ADDRESS__
#define N_BY(n) ((n) / 4)
#define IS_MEASURED false /* the allocator keeps what was freed */
#else
#define N_BY(n) (n)
#define IS_MEASURED true
#endif

#define MAX_CONNECTIONS 200
#define MAX_IN_FLIGHT 100
#define MAX_SETTINGS 64
#define ANSWER_USEC UINT64_C(400000000) /* a failure, not a wait; an answer of polkit may get lost for 300 s */
#define SLACK_KIB 6144
#define SLACK_OF_TABLES_KIB 65536 /* the room for the largest tables is kept for the next ones */

struct world {
        struct stage *stage;
        struct nonsense *nonsense;
        uint64_t seed;
        const struct nonsense_setting *settings;
        size_t n_settings;
        char values[MAX_SETTINGS][64], initial[MAX_SETTINGS][64];
        bool is_certain[MAX_SETTINGS];
        bool may_change;
        unsigned long n_calls, n_answers, n_accepted, n_changes;
        unsigned long anon_kib, n_descriptors;
        unsigned n_in_flight[MAX_CONNECTIONS];
};

struct flight {
        struct world *world;
        struct nonsense_change change;
        size_t connection;
};

static uint64_t now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

/* The bus asks the kernel who connects, and that is who it is for good. */
static void act_as(uid_t uid) {
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setgroups(0, NULL), 0);
        assert_int_equal(setegid(uid), 0);
        assert_int_equal(seteuid(uid), 0);
}

static sd_bus *connect_as(struct world *world, uid_t uid) {
        const char *name;
        sd_bus *bus;

        act_as(uid);
        bus = stage_connect(world->stage);
        assert_true(sd_bus_get_unique_name(bus, &name) >= 0);
        act_as(0);
        return bus;
}

static void read_setting(struct world *world, size_t number, char ret_value[64]) {
        const struct nonsense_setting *setting = &world->settings[number];
        sd_bus_message *reply = NULL;
        const char *text = "";
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t value = 0;

        if (sd_bus_get_property(world->stage->bus, STAGE_NAME, setting->path, setting->interface, setting->property,
                                &error, &reply, (char[]) { setting->type, '\0' }) < 0)
                fail_msg("%s of %s cannot be read: %s, %s", setting->property, setting->path, error.name,
                         error.message);
        assert_true(sd_bus_message_read_basic(reply, setting->type,
                                              setting->type == 's' ? (void *) &text : (void *) &value) > 0);
        if (setting->type == 's')
                snprintf(ret_value, 64, "%.60s", text);
        else
                snprintf(ret_value, 64, "%" PRIu64, value);
        sd_bus_message_unref(reply);
}

static void expect_model(struct world *world) {
        char value[64];

        for (size_t i = 0; i < world->n_settings; i++) {
                const struct nonsense_setting *setting = &world->settings[i];

                if (!setting->type)
                        continue;
                read_setting(world, i, value);
                if (world->is_certain[i] && strcmp(value, world->values[i]) != 0)
                        fail_msg("%s of %s is %s, must be %s", setting->property, setting->path, value,
                                 world->values[i]);
                strcpy(world->values[i], value);
                world->is_certain[i] = true;
        }
        assert_int_equal(waitpid(world->stage->daemon, NULL, WNOHANG), 0);
}

static void change_model(struct world *world, const struct nonsense_change *change, bool is_told) {
        if (change->setting == NONSENSE_CHANGES_ALL)
                memset(world->is_certain, 0, sizeof world->is_certain);
        if (change->setting < 0)
                return;
        world->n_changes += is_told;
        world->is_certain[change->setting] = change->is_certain && is_told;
        strcpy(world->values[change->setting], change->value);
}

static int on_answer(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct flight *flight = userdata;
        struct world *world = flight->world;

        world->n_in_flight[flight->connection]--;
        world->n_answers++;
        if (sd_bus_message_is_method_error(message, SD_BUS_ERROR_NO_REPLY))
                fail_msg("a call was not answered");
        if (!sd_bus_message_is_method_error(message, NULL)) {
                world->n_accepted++;
                if (flight->change.setting >= 0 && !world->may_change)
                        fail_msg("a stranger has changed %s", world->settings[flight->change.setting].property);
                change_model(world, &flight->change, true);
        }
        free(flight);
        return 0;
}

static void drain_to(struct world *world, sd_bus *bus, size_t connection, unsigned limit) {
        while (world->n_in_flight[connection] > limit) {
                int r = sd_bus_process(bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(bus, ANSWER_USEC);
                assert_true(r > 0);
        }
}

static void send_one(struct world *world, sd_bus *bus, size_t connection) {
        struct flight *flight = calloc(1, sizeof *flight);
        sd_bus_message *call;

        assert_non_null(flight);
        *flight = (struct flight) { .world = world, .connection = connection };
        while (nonsense_call(world->nonsense, bus, &call, &flight->change) < 0)
                ;
        world->n_calls++;
        if (sd_bus_message_get_expect_reply(call) > 0) {
                world->n_in_flight[connection]++;
                assert_true(sd_bus_call_async(bus, NULL, call, on_answer, flight, ANSWER_USEC) >= 0);
        } else {
                /* Nobody will say what came of it; what is said later is about later calls. */
                if (world->may_change && flight->change.setting != NONSENSE_CHANGES_NOTHING) {
                        drain_to(world, bus, connection, 0);
                        change_model(world, &flight->change, false);
                }
                assert_true(sd_bus_send(bus, call, NULL) >= 0);
                free(flight);
        }
        sd_bus_message_unref(call);
}

/* While many descriptors are on their way the bus itself refuses messages; that passes. */
static int call_patiently(sd_bus *bus, const char *path, const char *interface, const char *method, char ret_error[128],
                          const char *types, const void *argument) {
        uint64_t start = now_usec();
        int r;

        do
                r = stage_call(bus, path, interface, method, ret_error, types, argument);
        while (r < 0 && strcmp(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED) == 0 && now_usec() - start < ANSWER_USEC);
        if (strcmp(ret_error, SD_BUS_ERROR_NO_REPLY) == 0)
                fail_msg("%s was not answered", method);
        return r;
}

/* A change behind all that this caller asked for: then nothing of it is under way any more. */
static void settle(struct world *world, sd_bus *bus) {
        char error[128];

        call_patiently(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "entry");
        for (size_t i = 0; error[0] == '\0' && i < world->n_settings; i++)
                if (strcmp(world->settings[i].property, "LoadMode") == 0) {
                        strcpy(world->values[i], "entry");
                        world->is_certain[i] = true;
                }
}

/* The daemon has seen all that was sent to it before. */
static void ping(struct world *world) {
        char error[128];

        assert_int_equal(call_patiently(world->stage->bus, STAGE_PATH, "org.freedesktop.DBus.Peer", "Ping", error, NULL,
                                        NULL), 0);
}

static void play(struct world *world, uid_t uid, size_t n_connections, unsigned n_calls) {
        sd_bus *buses[MAX_CONNECTIONS];
        uint64_t start = now_usec();

        for (size_t i = 0; i < n_connections; i++)
                buses[i] = connect_as(world, uid);
        for (unsigned i = 0; i < n_calls; i++) {
                drain_to(world, buses[i % n_connections], i % n_connections, MAX_IN_FLIGHT - 1);
                send_one(world, buses[i % n_connections], i % n_connections);
        }
        for (size_t i = 0; i < n_connections; i++) {
                drain_to(world, buses[i], i, 0);
                settle(world, buses[i]);
                sd_bus_close_unref(buses[i]);
        }
        print_message("# %u calls in %.1f s\n", n_calls, (double) (now_usec() - start) / 1e6);
}

static void measure_memory(struct world *world, unsigned long *ret_kib, unsigned long *ret_descriptors) {
        char path[64], line[128];
        struct dirent *entry;
        FILE *file;
        DIR *directory;

        *ret_kib = *ret_descriptors = 0;
        snprintf(path, sizeof path, "/proc/%d/status", (int) world->stage->daemon);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
                (void) sscanf(line, "RssAnon: %lu", ret_kib);
        fclose(file);
        snprintf(path, sizeof path, "/proc/%d/fd", (int) world->stage->daemon);
        directory = opendir(path);
        assert_non_null(directory);
        while ((entry = readdir(directory)))
                ++*ret_descriptors;
        closedir(directory);
}

/* Each answer comes behind what the daemon asked of the bus before it: what callers left behind is gone. */
static void expect_flat(struct world *world, unsigned long slack_kib) {
        unsigned long kib, n_descriptors;

        for (int i = 0; i < 3; i++)
                ping(world);
        measure_memory(world, &kib, &n_descriptors);
        /* A file that it reads at this very moment is none that it keeps. */
        for (int i = 0; i < 100 && n_descriptors != world->n_descriptors; i++) {
                ping(world);
                measure_memory(world, &kib, &n_descriptors);
        }
        print_message("# %lu KiB, %lu descriptors; before: %lu KiB, %lu descriptors\n", kib, n_descriptors,
                      world->anon_kib, world->n_descriptors);
        assert_int_equal(n_descriptors, world->n_descriptors);
        if (IS_MEASURED)
                assert_true(kib <= world->anon_kib + slack_kib);
}

/* A property and Sync are answered. */
static void call_each(struct world *world) {
        char error[128];
        uint64_t sequence;

        for (size_t i = 0; i < 21; i++) {
                ping(world);
                assert_true(sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                        "Sequence", NULL, 't', &sequence) >= 0);
                assert_int_equal(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "Sync", error, NULL), 0);
        }
}

/* Back to what the configuration has. */
static void reload(struct world *world) {
        char error[128];

        assert_int_equal(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL), 0);
        for (size_t i = 0; i < world->n_settings; i++)
                if (strcmp(world->settings[i].property, "LogLevel") != 0) {
                        strcpy(world->values[i], world->initial[i]);
                        world->is_certain[i] = true;
                }
        expect_model(world);
}

static void strangers_are_answered_and_change_nothing(void **state) {
        struct world *world = *state;

        play(world, STAGE_NOBODY, 8, N_BY(50000));
        expect_model(world);
        expect_flat(world, SLACK_KIB);
}

static void strangers_that_vanish_leave_nothing_behind(void **state) {
        struct world *world = *state;
        char error[128];
        sd_bus *bus;

        world->stage->script->polkit = POLKIT_SILENT;
        for (int i = 0; i < N_BY(100); i++) {
                bus = connect_as(world, STAGE_NOBODY);
                for (int k = 0; k < 20; k++)
                        assert_true(sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                             "SetLoadMode", NULL, NULL, "s", "passive") >= 0);
                for (int k = 0; k < 80; k++) {
                        struct nonsense_change change;
                        sd_bus_message *call;

                        if (nonsense_call(world->nonsense, bus, &call, &change) < 0)
                                continue;
                        assert_true(sd_bus_send(bus, call, NULL) >= 0);
                        sd_bus_message_unref(call);
                }
                world->n_calls += 100;
                sd_bus_close_unref(bus);
        }
        world->stage->script->polkit = POLKIT_NO;
        ping(world);
        expect_model(world);
        /* Would be refused a place for ever if those who left still had theirs. */
        bus = connect_as(world, STAGE_NOBODY);
        call_patiently(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "passive");
        assert_string_equal(error, SD_BUS_ERROR_ACCESS_DENIED);
        sd_bus_close_unref(bus);
        expect_flat(world, SLACK_KIB);
}

/* Calls that all want an answer, from one who reads none until the last is sent. */
static void who_does_not_read_stops_nobody_else(void **state) {
        struct world *world = *state;
        sd_bus *bus = connect_as(world, STAGE_NOBODY);

        for (int i = 0; i < N_BY(10000); i++) {
                assert_true(sd_bus_call_method_async(bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                     i % 4 ? "Sync" : "OpenSegment", NULL, NULL, i % 4 ? NULL : "s",
                                                     "public") >= 0);
                if (i % 500 == 0)
                        call_each(world);
        }
        world->n_calls += N_BY(10000);
        sd_bus_close_unref(bus);
        expect_model(world);
        expect_flat(world, SLACK_KIB);
}

static void many_connections_at_once_are_served(void **state) {
        struct world *world = *state;

        play(world, STAGE_NOBODY, MAX_CONNECTIONS, N_BY(4000));
        expect_model(world);
        expect_flat(world, SLACK_KIB);
}

static void messages_that_no_library_would_send_change_nothing(void **state) {
        struct world *world = *state;
        int fd = -1;

        for (int i = 0; i < N_BY(4000); i++) {
                if (fd < 0) {
                        act_as(STAGE_NOBODY);
                        fd = raw_connect(world->stage->address + strlen("unix:path="));
                        act_as(0);
                        assert_true(fd >= 0);
                }
                if (raw_send(fd, STAGE_NAME, &world->seed) < 0 || i % 20 == 19) {
                        close(fd);
                        fd = -1;
                }
        }
        if (fd >= 0)
                close(fd);
        world->n_calls += N_BY(4000);
        expect_model(world);
        expect_flat(world, SLACK_KIB);
}

static void the_largest_message_that_the_bus_passes_is_refused(void **state) {
        struct world *world = *state;
        size_t size = 31 << 20;
        char *large = malloc(size + 1), error[128];
        sd_bus *bus = connect_as(world, STAGE_NOBODY);

        assert_non_null(large);
        memset(large, '%', size);
        large[size] = '\0';
        assert_true(stage_call(bus, STAGE_PATH, STAGE_MANAGER, "OpenSegment", error, "s", large) < 0);
        assert_string_equal(error, "org.socktally1.Error.InvalidArgument");
        assert_true(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", large) < 0);
        assert_string_equal(error, "org.socktally1.Error.InvalidArgument");
        world->n_calls += 2;
        free(large);
        sd_bus_close_unref(bus);
        expect_model(world);
        expect_flat(world, SLACK_KIB);
}

static void what_root_was_granted_is_in_force_and_nothing_else(void **state) {
        struct world *world = *state;
        unsigned long n_changes = world->n_changes;

        world->may_change = true;
        play(world, 0, 1, N_BY(20000));
        expect_model(world);
        print_message("# %lu changes\n", world->n_changes - n_changes);
        assert_true(world->n_changes > n_changes);
        reload(world);
        expect_flat(world, SLACK_OF_TABLES_KIB);
}

static void what_polkit_allowed_is_in_force_and_nothing_else(void **state) {
        struct world *world = *state;
        unsigned long n_changes = world->n_changes;

        world->stage->script->polkit = POLKIT_YES;
        world->may_change = true;
        play(world, STAGE_NOBODY, 1, N_BY(12000));
        world->stage->script->polkit = POLKIT_NO;
        expect_model(world);
        print_message("# %lu changes\n", world->n_changes - n_changes);
        assert_true(world->n_changes > n_changes);
        reload(world);
        expect_flat(world, SLACK_OF_TABLES_KIB);
}

/* And by itself. */
static void the_daemon_answers_and_publishes_as_before(void **state) {
        struct world *world = *state;
        uint64_t start = now_usec(), first, sequence;

        call_each(world);
        sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "Sequence", NULL, 't',
                                    &first);
        do
                assert_true(sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                        "Sequence", NULL, 't', &sequence) >= 0);
        while (sequence == first && now_usec() - start < ANSWER_USEC);
        assert_true(sequence > first);
        print_message("# seed %" PRIu64 ", %lu calls, %lu answers, %lu accepted, %lu changes\n", world->seed,
                      world->n_calls, world->n_answers, world->n_accepted, world->n_changes);
}

static void the_daemon_ends_by_itself_and_leaked_nothing(void **state) {
        struct world *world = *state;
        int status;

        kill(world->stage->daemon, SIGTERM);
        assert_int_equal(waitpid(world->stage->daemon, &status, 0), world->stage->daemon);
        world->stage->daemon = 0;
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

/* Takes the place of this process, in which the stage expects the daemon. */
static int run_daemon(const char *address, struct stage_script *script) {
        char runtime[128], config[128], bus[128], log[128];
        const char *directory = address + strlen("unix:path=");
        int n = (int) (strrchr(directory, '/') - directory);
        FILE *file;

        snprintf(log, sizeof log, "%.*s/log", n, directory);
        snprintf(config, sizeof config, "--config=%.*s/socktally.conf", n, directory);
        snprintf(runtime, sizeof runtime, "--runtime-directory=%.*s/run", n, directory);
        snprintf(bus, sizeof bus, "--bus=%s", address);
        file = fopen(strchr(config, '/'), "we");
        if (!file || fputs("[Socktally]\nInterval=200ms\nIdleInterval=200ms\n", file) < 0 || fclose(file) != 0 ||
            !freopen(log, "w", stderr))
                return -errno;
        unsetenv("NOTIFY_SOCKET");
        execl("daemon/socktallyd", "socktallyd", config, runtime, bus, (char *) NULL);
        return -errno;
}

static int open_world(void **state) {
        const char *seed = getenv("SOCKTALLY_TEST_SEED");
        struct world *world = calloc(1, sizeof *world);
        char error[128];

        assert_non_null(world);
        world->seed = seed ? strtoull(seed, NULL, 10) : 20250101;
        stage_open_with((void **) &world->stage, run_daemon);
        stage_start_polkit(world->stage, POLKIT_NO);
        world->nonsense = nonsense_new(world->stage->bus, STAGE_NAME, world->seed);
        assert_non_null(world->nonsense);
        world->n_settings = nonsense_settings(world->nonsense, &world->settings);
        assert_true(world->n_settings > 0);
        expect_model(world);
        memcpy(world->initial, world->values, sizeof world->initial);
        *state = world;
        /* Once through everything, so that what is kept for later is there. */
        world->may_change = true;
        assert_int_equal(stage_call(world->stage->bus, STAGE_PATH "/table/processes", STAGE_TABLE, "SetCapacity", error,
                                    "u", 20000), 0);
        play(world, 0, 1, N_BY(2000));
        reload(world);
        world->may_change = false;
        play(world, STAGE_NOBODY, 8, N_BY(2000));
        measure_memory(world, &world->anon_kib, &world->n_descriptors);
        return 0;
}

static int close_world(void **state) {
        struct world *world = *state;
        char path[96];

        for (const char *const *name = (const char *const[]) { "log", "socktally.conf", NULL }; *name; name++) {
                snprintf(path, sizeof path, "%s/%s", world->stage->directory, *name);
                unlink(path);
        }
        nonsense_free(world->nonsense);
        stage_close((void **) &world->stage);
        free(world);
        return 0;
}

int main(void) {
        static const struct CMUnitTest cases[] = {
                cmocka_unit_test(strangers_are_answered_and_change_nothing),
                cmocka_unit_test(strangers_that_vanish_leave_nothing_behind),
                cmocka_unit_test(who_does_not_read_stops_nobody_else),
                cmocka_unit_test(many_connections_at_once_are_served),
                cmocka_unit_test(messages_that_no_library_would_send_change_nothing),
                cmocka_unit_test(the_largest_message_that_the_bus_passes_is_refused),
                cmocka_unit_test(what_root_was_granted_is_in_force_and_nothing_else),
                cmocka_unit_test(what_polkit_allowed_is_in_force_and_nothing_else),
                cmocka_unit_test(the_daemon_answers_and_publishes_as_before),
                cmocka_unit_test(the_daemon_ends_by_itself_and_leaked_nothing),
        };

        if (geteuid() != 0) {
                printf("1..0 # SKIP only root can run the daemon\n");
                return 0;
        }
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(cases, open_world, close_world);
}
