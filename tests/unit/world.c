/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model is a value for each setting, as text, and whether it is certain: what nobody was told of is not. */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/world.h"

#ifdef __SANITIZE_ADDRESS__
#define IS_MEASURED false /* the allocator keeps what was freed */
#else
#define IS_MEASURED true
#endif

#define MAX_IN_FLIGHT 100

struct flight {
        struct world *world;
        struct nonsense_change change;
        size_t connection;
};

uint64_t world_now_usec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

void world_act_as(uid_t uid) {
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setgroups(0, NULL), 0);
        assert_int_equal(setegid(uid), 0);
        assert_int_equal(seteuid(uid), 0);
}

sd_bus *world_connect_as(struct world *world, uid_t uid) {
        const char *name;
        sd_bus *bus;

        world_act_as(uid);
        bus = stage_connect(world->stage);
        assert_true(sd_bus_get_unique_name(bus, &name) >= 0);
        world_act_as(0);
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

void world_expect_model(struct world *world) {
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

int world_call(sd_bus *bus, const char *path, const char *interface, const char *method, char ret_error[128],
               const char *types, const void *argument) {
        uint64_t start = world_now_usec();
        int r;

        do
                r = stage_call(bus, path, interface, method, ret_error, types, argument);
        while (r < 0 && strcmp(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED) == 0 &&
               world_now_usec() - start < ANSWER_USEC);
        if (strcmp(ret_error, SD_BUS_ERROR_NO_REPLY) == 0)
                fail_msg("%s was not answered", method);
        return r;
}

/* A change behind all that this caller asked for: then nothing of it is under way any more. */
static void settle(struct world *world, sd_bus *bus) {
        char error[128];

        world_call(bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "entry");
        for (size_t i = 0; error[0] == '\0' && i < world->n_settings; i++)
                if (strcmp(world->settings[i].property, "LoadMode") == 0) {
                        strcpy(world->values[i], "entry");
                        world->is_certain[i] = true;
                }
}

void world_ping(struct world *world) {
        char error[128];

        assert_int_equal(world_call(world->stage->bus, STAGE_PATH, "org.freedesktop.DBus.Peer", "Ping", error, NULL,
                                    NULL), 0);
}

void world_play(struct world *world, uid_t uid, size_t n_connections, unsigned n_calls) {
        sd_bus *buses[MAX_CONNECTIONS];
        uint64_t start = world_now_usec();

        for (size_t i = 0; i < n_connections; i++)
                buses[i] = world_connect_as(world, uid);
        for (unsigned i = 0; i < n_calls; i++) {
                drain_to(world, buses[i % n_connections], i % n_connections, MAX_IN_FLIGHT - 1);
                send_one(world, buses[i % n_connections], i % n_connections);
        }
        for (size_t i = 0; i < n_connections; i++) {
                drain_to(world, buses[i], i, 0);
                settle(world, buses[i]);
                sd_bus_close_unref(buses[i]);
        }
        print_message("# %u calls in %.1f s\n", n_calls, (double) (world_now_usec() - start) / 1e6);
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

void world_expect_flat(struct world *world, unsigned long slack_kib) {
        unsigned long kib, n_descriptors;

        for (int i = 0; i < 3; i++)
                world_ping(world);
        measure_memory(world, &kib, &n_descriptors);
        /* A file that it reads at this very moment is none that it keeps. */
        for (int i = 0; i < 100 && n_descriptors != world->n_descriptors; i++) {
                world_ping(world);
                measure_memory(world, &kib, &n_descriptors);
        }
        print_message("# %lu KiB, %lu descriptors; before: %lu KiB, %lu descriptors\n", kib, n_descriptors,
                      world->anon_kib, world->n_descriptors);
        assert_int_equal(n_descriptors, world->n_descriptors);
        if (IS_MEASURED)
                assert_true(kib <= world->anon_kib + slack_kib);
}

void world_call_each(struct world *world) {
        char error[128];
        uint64_t sequence;

        for (size_t i = 0; i < 21; i++) {
                world_ping(world);
                assert_true(sd_bus_get_property_trivial(world->stage->bus, STAGE_NAME, STAGE_PATH, STAGE_MANAGER,
                                                        "Sequence", NULL, 't', &sequence) >= 0);
                assert_int_equal(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "Sync", error, NULL), 0);
        }
}

void world_reload(struct world *world) {
        char error[128];

        assert_int_equal(stage_call(world->stage->bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL), 0);
        for (size_t i = 0; i < world->n_settings; i++)
                if (strcmp(world->settings[i].property, "LogLevel") != 0) {
                        strcpy(world->values[i], world->initial[i]);
                        world->is_certain[i] = true;
                }
        world_expect_model(world);
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

int world_open(void **state) {
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
        world_expect_model(world);
        memcpy(world->initial, world->values, sizeof world->initial);
        *state = world;
        /* Once through everything, so that what is kept for later is there. */
        world->may_change = true;
        assert_int_equal(stage_call(world->stage->bus, STAGE_PATH "/table/processes", STAGE_TABLE, "SetCapacity", error,
                                    "u", 20000), 0);
        world_play(world, 0, 1, N_BY(2000));
        world_reload(world);
        world->may_change = false;
        world_play(world, STAGE_NOBODY, 8, N_BY(2000));
        measure_memory(world, &world->anon_kib, &world->n_descriptors);
        return 0;
}

int world_close(void **state) {
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
