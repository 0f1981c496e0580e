/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PropertiesChanged is exact: a listener that believes what it was told knows every announced property as if it had
 * asked, and was never told what it knew. The whole daemon, on a collector that follows a script, is changed at random.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/daemon.h"
#include "daemon/privilege.h"
#include "tests/unit/bus-stage.h"
#include "tests/unit/nonsense.h"
#include "tests/unit/script-collect.h"

#define MAX_PROPERTIES 64
#define N_CHANGES 300
#define N_NONSENSE 10000
#define SLACK_KIB 256
#ifdef __SANITIZE_ADDRESS__
#define IS_MEASURED false /* the allocator keeps what was freed */
#else
#define IS_MEASURED true
#endif

/* What the listener believes. */
struct belief {
        char path[64], name[40], value[8192];
};

struct listener {
        struct belief beliefs[MAX_PROPERTIES];
        size_t n;
        unsigned n_told, n_replaced;
        char xml[65536];
};

static const struct {
        const char *path, *interface;
} objects[] = {
        { STAGE_PATH, STAGE_MANAGER },
        { STAGE_PATH "/module/tcp", STAGE_MODULE },
        { STAGE_PATH "/module/udp", STAGE_MODULE },
        { STAGE_PATH "/module/connect", STAGE_MODULE },
        { STAGE_PATH "/table/processes", STAGE_TABLE },
        { STAGE_PATH "/table/services", STAGE_TABLE },
        { STAGE_PATH "/table/apps", STAGE_TABLE },
        { STAGE_PATH "/table/containers", STAGE_TABLE },
        { STAGE_PATH "/table/users", STAGE_TABLE },
};

/* Its runtime directory is beside the bus; it has no file. */
static int run_daemon(const char *address, struct stage_script *unused) {
        char directory[128], bus[128], message[256];
        char *argv[] = { (char *) "socktallyd", directory, (char *) "--config=/dev/null", bus,
                         (char *) "--log-level=err", NULL };
        struct script script = { .n_rows = 5, .bytes = 10 };
        struct daemon *daemon = NULL;
        struct options options;
        int r;

        snprintf(directory, sizeof directory, "--runtime-directory=%.80s-run", strchr(address, '/'));
        snprintf(bus, sizeof bus, "--bus=%s", address);
        script_use(&script);
        r = options_parse(5, argv, &options, message, sizeof message);
        if (r >= 0)
                r = daemon_new(&daemon, &options, &script_operations);
        if (r >= 0)
                r = daemon_run(daemon);
        daemon_free(daemon);
        return r;
}

/* The value at the message's place as text. */
static void print_value(sd_bus_message *m, char *text, size_t size) {
        const char *contents, *s;
        uint64_t t;
        int b;
        uint32_t u;
        char type;
        size_t n = strlen(text);

        assert_true(sd_bus_message_peek_type(m, &type, &contents) > 0);
        if (strchr("avre(", type)) {
                assert_true(sd_bus_message_enter_container(m, type, contents) > 0);
                while (!sd_bus_message_at_end(m, false))
                        print_value(m, text, size);
                assert_true(sd_bus_message_exit_container(m) >= 0);
        } else if (type == 's') {
                assert_true(sd_bus_message_read(m, "s", &s) > 0);
                snprintf(text + n, size - n, "\"%s\" ", s);
        } else if (type == 'b') {
                assert_true(sd_bus_message_read(m, "b", &b) > 0);
                snprintf(text + n, size - n, "%d ", b);
        } else if (type == 'u') {
                assert_true(sd_bus_message_read(m, "u", &u) > 0);
                snprintf(text + n, size - n, "%u ", u);
        } else {
                assert_true(sd_bus_message_read(m, "t", &t) > 0);
                snprintf(text + n, size - n, "%llu ", (unsigned long long) t);
        }
}

/* As the installed introspection data says: announced is what has no annotation. */
static bool is_announced(const struct listener *listener, const char *interface, const char *name) {
        char tag[128];
        const char *start, *end;

        snprintf(tag, sizeof tag, "<interface name=\"%s\">", interface);
        start = strstr(listener->xml, tag);
        assert_non_null(start);
        snprintf(tag, sizeof tag, "<property name=\"%s\" ", name);
        start = strstr(start, tag);
        assert_non_null(start);
        end = strstr(start, "</property>");
        start = strstr(start, "EmitsChangedSignal");
        return !start || start > end;
}

static struct belief *find(struct listener *listener, const char *path, const char *name) {
        for (size_t i = 0; i < listener->n; i++)
                if (strcmp(listener->beliefs[i].path, path) == 0 && strcmp(listener->beliefs[i].name, name) == 0)
                        return &listener->beliefs[i];
        return NULL;
}

static void learn(struct listener *listener, const char *path, const char *name, const char *value) {
        struct belief *belief = find(listener, path, name);

        if (!belief) {
                assert_true(listener->n < MAX_PROPERTIES);
                belief = &listener->beliefs[listener->n++];
                snprintf(belief->path, sizeof belief->path, "%s", path);
                snprintf(belief->name, sizeof belief->name, "%s", name);
        }
        snprintf(belief->value, sizeof belief->value, "%s", value);
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct listener *listener = userdata;
        const char *path = sd_bus_message_get_path(message), *interface, *name;

        assert_true(sd_bus_message_read(message, "s", &interface) > 0);
        assert_true(sd_bus_message_enter_container(message, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
                char value[8192] = "";

                assert_true(sd_bus_message_read(message, "s", &name) > 0);
                print_value(message, value, sizeof value);
                sd_bus_message_exit_container(message);
                assert_true(is_announced(listener, interface, name));
                assert_non_null(find(listener, path, name));
                if (strcmp(find(listener, path, name)->value, value) == 0)
                        fail_msg("%s %s was announced and is what it was: %s", path, name, value);
                learn(listener, path, name, value);
                listener->n_told++;
        }
        return 0;
}

/* It says what the property says, which was told before. */
static int on_replaced(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        struct listener *listener = userdata;
        uint64_t incarnation;
        char value[32];

        assert_true(sd_bus_message_read(message, "t", &incarnation) > 0);
        snprintf(value, sizeof value, "%" PRIu64, incarnation);
        assert_non_null(strstr(find(listener, STAGE_PATH, "Incarnation")->value, value));
        listener->n_replaced++;
        return 0;
}

/* How many announced properties are not as believed; the first time they are learned. */
static unsigned compare(struct stage *stage, struct listener *listener, size_t i, bool is_first, char ret_what[256]) {
        sd_bus_message *reply = NULL;
        unsigned n_wrong = 0;
        const char *name;

        assert_true(sd_bus_call_method(stage->bus, STAGE_NAME, objects[i].path, "org.freedesktop.DBus.Properties",
                                       "GetAll", NULL, &reply, "s", objects[i].interface) >= 0);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        assert_true(sd_bus_message_enter_container(reply, 'a', "{sv}") > 0);
        while (sd_bus_message_enter_container(reply, 'e', "sv") > 0) {
                char value[8192] = "";

                assert_true(sd_bus_message_read(reply, "s", &name) > 0);
                print_value(reply, value, sizeof value);
                sd_bus_message_exit_container(reply);
                if (is_first && is_announced(listener, objects[i].interface, name))
                        learn(listener, objects[i].path, name, value);
                else if (!is_first && is_announced(listener, objects[i].interface, name) &&
                         strcmp(find(listener, objects[i].path, name)->value, value) != 0) {
                        snprintf(ret_what, 256, "%.60s %.40s is %.100s", objects[i].path, name, value);
                        n_wrong++;
                }
        }
        sd_bus_message_unref(reply);
        return n_wrong;
}

/* What the daemon changes by itself may fall between the answer and the look at what was told: look again. */
static void expect_belief(struct stage *stage, struct listener *listener) {
        char what[256] = "";

        for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++) {
                unsigned tries = 0;

                while (compare(stage, listener, i, false, what) > 0)
                        if (++tries == 5)
                                fail_msg("%s, and nobody was told", what);
        }
}

static void change_setting(struct stage *stage) {
        static const uint64_t spans[] = { 0,       100000,   100000,     200000,    1000000,
                                          1000000, 10000000, 3600000000, UINT64_MAX };
        static const char *const modes[] = { "passive", "entry", "return", "entry", "all" };
        static const char *const methods[] = { "auto", "tracepoint", "trampoline", "best" };
        static const char *const switches[] = { "SetServices", "SetServices", "SetApps", "SetMapsPerCore" };
        char error[128];

        switch (rand() % 5) {
        case 0: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t", spans[rand() % 9]);
                break;
        case 1: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIdleIntervalUSec", error, "t",
                           spans[rand() % 9]);
                break;
        case 2: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", modes[rand() % 5]);
                break;
        case 3: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetAttachMethod", error, "s", methods[rand() % 4]);
                break;
        case 4: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, switches[rand() % 4], error, "b", rand() % 2);
                break;
        }
}

static void change_another_thing(struct stage *stage) {
        static const uint64_t lifetimes[] = { 0, 1, 1000, 60000000, UINT64_MAX };
        static const uint32_t capacities[] = { 0, 16, 16384, 65536, UINT32_MAX };
        static const char *const levels[] = { "err", "crit", "alert", "loud" };
        const char *module = objects[1 + rand() % 2].path, *table = objects[3 + rand() % 2].path;
        char error[128];

        switch (rand() % 5) {
        case 0: stage_call(stage->bus, module, STAGE_MODULE, "Enable", error, "t", lifetimes[rand() % 5]); break;
        case 1: stage_call(stage->bus, module, STAGE_MODULE, "Disable", error, NULL); break;
        case 2: stage_call(stage->bus, table, STAGE_TABLE, "SetCapacity", error, "u", capacities[rand() % 5]); break;
        case 3: stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, rand() % 2 ? "Reload" : "Save", error, NULL); break;
        case 4: (void) sd_bus_set_property(stage->bus, STAGE_NAME, "/org/freedesktop/LogControl1",
                                           "org.freedesktop.LogControl1", "LogLevel", NULL, "s", levels[rand() % 4]);
                break;
        }
}

static void read_xml(struct listener *listener) {
        const char *top = getenv("srcdir");
        char path[512];
        FILE *file;

        snprintf(path, sizeof path, "%s/dbus/org.socktally1.xml", top ? top : ".");
        file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(listener->xml, 1, sizeof listener->xml - 1, file) > 0);
        fclose(file);
}

static struct listener *listen_and_learn(struct stage *stage) {
        struct listener *listener = calloc(1, sizeof *listener);
        char what[256];

        assert_non_null(listener);
        read_xml(listener);
        assert_true(sd_bus_match_signal(stage->bus, NULL, STAGE_NAME, NULL, "org.freedesktop.DBus.Properties",
                                        "PropertiesChanged", on_changed, listener) >= 0);
        assert_true(sd_bus_match_signal(stage->bus, NULL, STAGE_NAME, STAGE_PATH, STAGE_MANAGER, "SegmentReplaced",
                                        on_replaced, listener) >= 0);
        for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
                (void) compare(stage, listener, i, true, what);
        return listener;
}

static void whoever_believes_what_is_announced_knows_everything(void **state) {
        struct stage *stage = *state;
        struct listener *listener = listen_and_learn(stage);

        srand(20261121);
        for (unsigned i = 0; i < N_CHANGES; i++) {
                if (rand() % 2)
                        change_setting(stage);
                else
                        change_another_thing(stage);
                expect_belief(stage, listener);
        }
        print_message("# %u values were announced in %d changes\n", listener->n_told, N_CHANGES);
        assert_true(listener->n_told > N_CHANGES / 4);
        assert_true(listener->n_replaced > 0);
        free(listener);
}

/* What the daemon holds: anonymous memory in KiB, and descriptors. */
struct holding {
        unsigned long kib, descriptors;
};

static struct holding holding_of(const struct stage *stage) {
        struct holding holding = { 0 };
        char path[64], line[128];
        DIR *directory;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/status", (int) stage->daemon);
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
                (void) sscanf(line, "RssAnon: %lu", &holding.kib);
        fclose(file);
        snprintf(path, sizeof path, "/proc/%d/fd", (int) stage->daemon);
        directory = opendir(path);
        assert_non_null(directory);
        while (readdir(directory))
                holding.descriptors++;
        closedir(directory);
        return holding;
}

/* Nobody but the callers: the level of the log, and which segment there is, are not the file's. */
static bool comes_back(const char *name) {
        return strcmp(name, "LogLevel") != 0 && strcmp(name, "Incarnation") != 0;
}

/* Twice, as some of what a daemon holds is made when it is needed first, and then kept. */
static void after_nonsense_everything_is_as_announced_and_a_reload_takes_it_back(void **state) {
        struct stage *stage = *state;
        struct listener *listener = listen_and_learn(stage), *first = malloc(sizeof *first);
        struct holding before = { 0 }, after = { 0 };
        char error[128];

        assert_non_null(first);
        *first = *listener;
        for (int turn = 0; turn < 2; turn++) {
                assert_int_equal(nonsense_flood(stage->bus, STAGE_NAME, 20250101, N_NONSENSE), 0);
                assert_true(listener->n_told > 0);
                expect_belief(stage, listener);
                assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL), 0);
                expect_belief(stage, listener);
                for (size_t i = 0; i < first->n; i++)
                        if (comes_back(first->beliefs[i].name))
                                assert_string_equal(listener->beliefs[i].value, first->beliefs[i].value);
                after = holding_of(stage);
                if (turn == 0)
                        before = after;
        }
        assert_int_equal(after.descriptors, before.descriptors);
        print_message("# %lu KiB, before %lu KiB\n", after.kib, before.kib);
        if (IS_MEASURED)
                assert_true(after.kib <= before.kib + SLACK_KIB);
        free(first);
        free(listener);
}

static int count(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        ++*(unsigned *) userdata;
        return 0;
}

/* The readers' idle interval begins after ten seconds; this takes less than one. */
static void asking_for_what_is_so_already_succeeds_and_tells_nobody(void **state) {
        struct stage *stage = *state;
        unsigned n_told = 0;
        char error[128];

        assert_true(sd_bus_match_signal(stage->bus, NULL, STAGE_NAME, NULL, NULL, NULL, count, &n_told) >= 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetLoadMode", error, "s", "entry"), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetAttachMethod", error, "s", "auto"), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIntervalUSec", error, "t",
                                    (uint64_t) 1000000), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetIdleIntervalUSec", error, "t",
                                    (uint64_t) 10000000), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetServices", error, "b", 1), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetApps", error, "b", 1), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "SetMapsPerCore", error, "b", 0), 0);
        assert_int_equal(stage_call(stage->bus, objects[1].path, STAGE_MODULE, "Enable", error, "t", (uint64_t) 0), 0);
        assert_int_equal(stage_call(stage->bus, objects[4].path, STAGE_TABLE, "SetCapacity", error, "u", 16384), 0);
        assert_int_equal(stage_call(stage->bus, STAGE_PATH, STAGE_MANAGER, "Reload", error, NULL), 0);
        while (sd_bus_process(stage->bus, NULL) > 0)
                ;
        assert_int_equal(n_told, 0);
}

static int open_real(void **state) {
        return stage_open_with(state, run_daemon);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_real, stage_close)

int main(void) {
        static const struct CMUnitTest cases[] = {
                CASE(whoever_believes_what_is_announced_knows_everything),
                CASE(asking_for_what_is_so_already_succeeds_and_tells_nobody),
                CASE(after_nonsense_everything_is_as_announced_and_a_reload_takes_it_back),
        };
        char missing[64];

        if (privilege_missing(missing, sizeof missing) > 0) {
                printf("1..0 # SKIP the daemon would not start without %s\n", missing);
                return 0;
        }
        return stage_run(cases, 3, 3);
}
