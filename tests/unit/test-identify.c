/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Against made-up /proc and cgroup trees of each kind of machine: pure version 2, hybrid, version 1, container. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/identities.h"
#include "tests/unit/tree.h"

#define START_NSEC UINT64_C(123450000000)
#define START_TICKS "12345"

struct machine {
        struct tree *tree;
        struct identities *identities;
};

static struct machine machine_open(struct tree *tree, bool has_cgroup2) {
        struct machine machine = { .tree = tree };
        struct identities_config config = {
                .proc = tree_directory(tree, "proc"),
                .cgroup_mount = has_cgroup2 ? tree_directory(tree, "cgroup") : NULL,
                .max_cgroups = 100,
        };

        assert_int_equal(identities_new(&machine.identities, &config), 0);
        return machine;
}

static uint64_t cgroup_make(struct machine *machine, const char *path) {
        char name[200];
        struct stat st;

        snprintf(name, sizeof name, "cgroup%s", path);
        assert_int_equal(stat(tree_directory(machine->tree, name), &st), 0);
        return st.st_ino;
}

static void process_make(struct machine *machine, unsigned pid, const char *cgroup) {
        char name[64];

        snprintf(name, sizeof name, "proc/%u/cgroup", pid);
        tree_file(machine->tree, name, cgroup);
        snprintf(name, sizeof name, "proc/%u/stat", pid);
        tree_file(machine->tree, name,
                  "42 (a) S 99) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 " START_TICKS " 20\n");
}

static void check_start(struct machine *machine, uint64_t cgroup_id, uint32_t pid, uint64_t start, const char *name,
                        uint32_t uid) {
        struct process_key key = { .tgid = 42, .start_time = start, .cgroup_id = cgroup_id };
        struct identity identity;

        (void) identities_find(machine->identities, &key, pid, "p", &identity);
        assert_string_equal(identity.unit.name, name);
        assert_int_equal(identity.unit.uid, uid);
}

static void check(struct machine *machine, uint64_t cgroup_id, uint32_t pid, const char *name, uint32_t uid) {
        check_start(machine, cgroup_id, pid, START_NSEC, name, uid);
}

static void a_cgroup_is_named_without_asking_its_process(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/user.slice/user-7.slice/user@7.service/app.slice/x.service");

        check(&machine, id, 0, "x.service", 7);
        identities_free(machine.identities);
}

static void a_service_that_is_gone_is_still_named(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/short.service");

        identities_follow(machine.identities);
        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/short.service")), 0);
        identities_follow(machine.identities);
        check(&machine, id, 0, "short.service", UNIT_SYSTEM);
        identities_free(machine.identities);
}

/* Its process ended while no daemon ran: the next one knows the name from the one before. */
static void a_service_that_went_between_two_daemons_is_still_named(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t early = cgroup_make(&machine, "/system.slice/early.service"),
                 late = cgroup_make(&machine, "/system.slice/late.service"),
                 here = cgroup_make(&machine, "/system.slice/here.service");
        FILE *file = tmpfile();

        assert_non_null(file);
        identities_follow(machine.identities);
        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/system.slice/early.service")), 0);
        identities_follow(machine.identities);
        for (unsigned i = 0; i < 3; i++) { /* each daemon hands on what it got, though it may not live for long */
                rewind(file);
                assert_int_equal(identities_keep(machine.identities, file), 0);
                identities_free(machine.identities);
                if (i == 0)
                        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/system.slice/late.service")), 0);
                machine = machine_open(*state, true);
                check(&machine, early, 0, "", UNIT_SYSTEM);
                check(&machine, late, 0, "", UNIT_SYSTEM);
                rewind(file);
                assert_int_equal(identities_restore(machine.identities, file), 0);
                check(&machine, early, 0, "early.service", UNIT_SYSTEM);
                check(&machine, late, 0, "late.service", UNIT_SYSTEM);
                check(&machine, here, 0, "here.service", UNIT_SYSTEM);
        }
        identities_free(machine.identities);
        fclose(file);
}

static void kept_names_that_make_no_sense_are_refused(void **state) {
        static const uint64_t noise[] = { 3, 4, 5, UINT64_MAX, 7, 8 };
        struct machine machine = machine_open(*state, true);
        FILE *file = tmpfile();
        long size;

        assert_non_null(file);
        setvbuf(file, NULL, _IONBF, 0); /* each call sees what is in the file now */
        cgroup_make(&machine, "/system.slice/a.service");
        identities_follow(machine.identities);
        assert_int_equal(identities_keep(machine.identities, file), 0);
        size = ftell(file);
        for (long n = size - 1; n >= 0; n--) {
                assert_int_equal(ftruncate(fileno(file), n), 0);
                rewind(file);
                assert_int_equal(identities_restore(machine.identities, file), -ESTALE);
        }
        rewind(file);
        fwrite(noise, sizeof noise, 1, file);
        rewind(file);
        assert_int_equal(identities_restore(machine.identities, file), -ESTALE);
        identities_free(machine.identities);
        machine = machine_open(*state, false);
        rewind(file);
        assert_int_equal(identities_keep(machine.identities, file), 0);
        rewind(file);
        assert_int_equal(identities_restore(machine.identities, file), 0);
        identities_free(machine.identities);
        fclose(file);
}

static void on_version_1_systemds_own_hierarchy_counts(void **state) {
        struct machine machine = machine_open(*state, true);

        process_make(&machine, 42, "12:pids:/x\n9:name=systemd:/system.slice/cron.service\n0::/\n");
        check(&machine, 1, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 0, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 1, 43, "", UNIT_SYSTEM); /* gone */
        identities_free(machine.identities);
}

/* Below a cgroup of their own, users make what names they like. */
static void a_path_that_looks_like_a_hierarchy_is_only_a_path(void **state) {
        static const char *const contents[] = {
                "5:cpu:/users/eve/:name=systemd:/system.slice/sshd.service\n1:name=systemd:/a.slice/own.scope\n",
                "5:cpu:/eve/1:name=systemd:/sshd.service\n1:name=systemd:/own.scope\n",
                "3:name=systemd2:/sshd.service\n2:cpu,name=systemd:/sshd.service\n1:name=systemd:/own.scope\n",
        };
        struct machine machine = machine_open(*state, true);

        for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
                process_make(&machine, 42, contents[i]);
                check(&machine, 1, 42, "own.scope", UNIT_SYSTEM);
        }
        process_make(&machine, 42, "1:name=systemd:/user.slice/0::/sshd.service\n");
        check(&machine, 4711, 42, "", UNIT_SYSTEM);
        process_make(&machine, 42, "1:name=systemd:/sshd.service"); /* the rest did not fit */
        check(&machine, 1, 42, "", UNIT_SYSTEM);
        identities_free(machine.identities);
}

static void without_any_cgroup2_the_process_is_asked(void **state) {
        struct machine machine = machine_open(*state, false);

        process_make(&machine, 42, "1:name=systemd:/system.slice/cron.service\n0::/system.slice/v2.service\n");
        check(&machine, 1, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 4711, 42, "v2.service", UNIT_SYSTEM);
        identities_follow(machine.identities);
        identities_free(machine.identities);
}

static void a_pid_that_was_used_again_is_not_asked(void **state) {
        struct machine machine = machine_open(*state, true);

        process_make(&machine, 42, "1:name=systemd:/system.slice/cron.service\n0::/\n");
        check_start(&machine, 1, 42, START_NSEC + 5000000, "cron.service", UNIT_SYSTEM);
        check_start(&machine, 1, 42, START_NSEC + 50000000, "", UNIT_SYSTEM);
        identities_free(machine.identities);
}

static void the_root_of_a_version_2_tree_is_outside_every_unit(void **state) {
        struct machine machine = machine_open(*state, true);
        struct stat st;

        process_make(&machine, 42, "0::/\n");
        assert_int_equal(stat(tree_path(machine.tree, "cgroup"), &st), 0);
        check(&machine, st.st_ino, 42, "", UNIT_SYSTEM);
        identities_free(machine.identities);
}

static void a_cgroup_that_nobody_can_name_is_no_unit_unless_its_process_stands_there(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/other.service");

        process_make(&machine, 42, "0::/other.service\n");
        check(&machine, id + 100000, 42, "", UNIT_SYSTEM); /* it has moved on since */
        check(&machine, id, 42, "other.service", UNIT_SYSTEM);
        identities_free(machine.identities);
}

static void strange_contents_of_proc_do_no_harm(void **state) {
        static const char *const contents[] = { "", "\n\n\n", "0::", "0::\n", "name=systemd", ":name=systemd:",
                                                "1:name=systemd:/../../x.service\n", "1:name=systemd:/a b.service\n" };
        struct machine machine = machine_open(*state, true);
        char longest[6000];

        for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
                process_make(&machine, 42, contents[i]);
                check(&machine, 1, 42, "", UNIT_SYSTEM);
                check(&machine, 987654321987, 42, "", UNIT_SYSTEM);
        }
        memset(longest, 'a', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        memcpy(longest, "1:name=systemd:/", 16);
        process_make(&machine, 42, longest);
        check(&machine, 1, 42, "", UNIT_SYSTEM);
        tree_file(machine.tree, "proc/42/stat", "nonsense");
        process_make(&machine, 43, "1:name=systemd:/system.slice/cron.service\n");
        tree_file(machine.tree, "proc/43/stat", "43 (x");
        check(&machine, 1, 43, "", UNIT_SYSTEM);
        identities_free(machine.identities);
}

/* Knows what is in /late.slice, but only after somebody has told it by its descriptor. */
struct late {
        int fd;
        bool has_answer;
        const char *complaint;
};

static struct late *late; /* the only one that is open */
static unsigned n_late;

static int late_open(void **ret_state) {
        late = calloc(1, sizeof *late);
        assert_non_null(late);
        late->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_true(late->fd >= 0);
        *ret_state = late;
        n_late++;
        return 0;
}

static void late_close(void *state) {
        close(late->fd);
        free(state);
        n_late--;
}

static int late_fd(const void *state) {
        return ((const struct late *) state)->fd;
}

static bool late_follow(void *state) {
        uint64_t n;

        if (read(late->fd, &n, sizeof n) < 0)
                return false;
        late->has_answer = n == 1; /* 2: it knows it no more */
        ((struct late *) state)->complaint = n == 2 ? "it forgot" : NULL;
        return true;
}

static bool late_matches(const char *path) {
        return strncmp(path, "/late.slice/", 12) == 0;
}

static void late_look_up(void *state, const char *path, struct identity *identity) {
        if (((struct late *) state)->has_answer)
                snprintf(identity->unit.name, sizeof identity->unit.name, "late:%s", path + 12);
}

/* After the second answer, once. */
static const char *late_complaint(void *state) {
        const char *complaint = ((struct late *) state)->complaint;

        ((struct late *) state)->complaint = NULL;
        return complaint;
}

static unsigned n_complaints;

static void on_complaint(const char *source, const char *complaint) {
        assert_string_equal(source, "late");
        assert_string_equal(complaint, "it forgot");
        n_complaints++;
}

static int fail_to_open(void **ret_state) {
        return -EMFILE;
}

static void tell_late(sd_event *event, uint64_t what) {
        assert_int_equal(write(late->fd, &what, sizeof what), sizeof what);
        assert_true(sd_event_run(event, UINT64_MAX) > 0);
}

static void a_source_that_answers_later_moves_the_generation(void **state) {
        static const struct identity_source sources[] = {
                { .name = "unit", .look_up = unit_look_up },
                { "late", late_matches, late_look_up, late_open, late_close, late_fd, late_follow, late_complaint },
                { .name = NULL },
        };
        struct machine machine = { .tree = *state };
        struct identities_config config = {
                .proc = tree_directory(*state, "proc"),
                .cgroup_mount = tree_directory(*state, "cgroup"),
                .max_cgroups = 100,
                .sources = sources,
                .complain = on_complaint,
        };
        uint64_t id = cgroup_make(&machine, "/late.slice/4711"),
                 other = cgroup_make(&machine, "/system.slice/x.service");

        assert_int_equal(sd_event_new(&config.event), 0);
        assert_int_equal(identities_new(&machine.identities, &config), 0);
        check(&machine, id, 0, "", UNIT_SYSTEM);
        identities_follow(machine.identities);
        assert_int_equal(identities_generation(machine.identities), 0);
        tell_late(config.event, 1);
        assert_int_equal(identities_generation(machine.identities), 1);
        check(&machine, id, 0, "late:4711", UNIT_SYSTEM);
        check(&machine, other, 0, "x.service", UNIT_SYSTEM);
        identities_follow(machine.identities);
        assert_int_equal(identities_generation(machine.identities), 1);
        assert_int_equal(n_complaints, 0);
        tell_late(config.event, 2);
        assert_int_equal(identities_generation(machine.identities), 2);
        identities_follow(machine.identities);
        assert_int_equal(n_complaints, 1);
        check(&machine, id, 0, "", UNIT_SYSTEM);
        identities_free(machine.identities);
        sd_event_unref(config.event);
        assert_int_equal(n_late, 0);
}

static void a_source_that_cannot_be_opened_closes_those_before(void **state) {
        static const struct identity_source sources[] = {
                { "late", late_matches, late_look_up, late_open, late_close, late_fd, late_follow, NULL },
                { "broken", late_matches, late_look_up, fail_to_open, late_close, NULL, NULL, NULL },
                { .name = NULL },
        };
        struct identities_config config = { .proc = tree_directory(*state, "proc"), .sources = sources };
        struct identities *identities;

        assert_int_equal(identities_new(&identities, &config), -EMFILE);
        assert_int_equal(n_late, 0);
}

/* Every machine has these; that a name is not known is another answer than that there is none. */
static void who_cannot_be_asked_any_more_is_not_known(void **state) {
        struct machine machine = machine_open(*state, true);
        struct process_key key = { .tgid = 42, .start_time = START_NSEC, .cgroup_id = 1 };
        uint64_t here = cgroup_make(&machine, "/here.service");
        struct identity identity;

        process_make(&machine, 42, "0::/\n");
        assert_true(identities_find(machine.identities, &key, 42, "p", &identity));
        assert_false(identities_find(machine.identities, &key, 43, "p", &identity));
        assert_false(identities_find(machine.identities, &key, 0, "p", &identity));
        key.cgroup_id = here + 100000;
        assert_false(identities_find(machine.identities, &key, 42, "p", &identity));
        key.cgroup_id = here;
        assert_true(identities_find(machine.identities, &key, 0, "p", &identity));
        identities_free(machine.identities);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

static void assert_app(struct machine *machine, uint64_t cgroup_id, uint32_t pid, const char *comm, const char *id) {
        struct process_key key = { .tgid = 42, .start_time = START_NSEC, .cgroup_id = cgroup_id };
        struct identity identity;

        (void) identities_find(machine->identities, &key, pid, comm, &identity);
        assert_string_equal(identity.app.id, id);
        assert_int_equal(identity.app.kind == APP_GROUP, strchr(id, '.') == NULL); /* else it is the unit */
}

static struct rules *make_rules(const char *group, const char *pattern) {
        struct rules *rules;

        assert_int_equal(rules_new(&rules, "apps.conf"), 0);
        assert_int_equal(rules_add(rules, group, pattern, 1), 0);
        return rules;
}

static void a_rule_names_the_app_and_nothing_else(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/system.slice/x.service");

        identities_set_rules(machine.identities, make_rules("web", "nginx"));
        assert_app(&machine, id, 0, "nginx", "web");
        assert_app(&machine, id, 0, "other", "x.service");
        assert_app(&machine, id + 100000, 0, "nginx", "web"); /* gone, but its name is known */
        check(&machine, id, 0, "x.service", UNIT_SYSTEM);
        identities_set_rules(machine.identities, make_rules("script", "*app.py*"));
        process_make(&machine, 42, "0::/system.slice/x.service\n");
        tree_file(machine.tree, "proc/42/cmdline", "python3 /opt/app.py");
        assert_app(&machine, id, 42, "python3", "script");
        assert_app(&machine, id, 43, "python3", "x.service");
        identities_free(machine.identities);
}

static void a_command_line_is_one_safe_line(void **state) {
        struct machine machine = machine_open(*state, true);
        static const char arguments[] = "/bin/x\0--na\nme=\x1b[2J\0\0";
        char line[64], shortened[9];
        FILE *file;

        process_make(&machine, 42, "0::/\n");
        file = fopen(tree_path(machine.tree, "proc/42/cmdline"), "w");
        assert_non_null(file);
        assert_int_equal(fwrite(arguments, 1, sizeof arguments - 1, file), sizeof arguments - 1);
        fclose(file);
        identities_command_line(machine.identities, 42, START_NSEC, line, sizeof line);
        assert_string_equal(line, "/bin/x --na me=?[2J");
        identities_command_line(machine.identities, 42, START_NSEC, shortened, sizeof shortened);
        assert_string_equal(shortened, "/bin/x -");
        identities_command_line(machine.identities, 43, START_NSEC, line, sizeof line);
        assert_string_equal(line, "");
        identities_free(machine.identities);
}

static void other_rules_move_the_generation(void **state) {
        struct machine machine = machine_open(*state, true);

        identities_set_rules(machine.identities, NULL);
        assert_int_equal(identities_generation(machine.identities), 0);
        identities_set_rules(machine.identities, make_rules("web", "nginx"));
        assert_int_equal(identities_generation(machine.identities), 1);
        identities_set_rules(machine.identities, make_rules("web", "nginx"));
        assert_int_equal(identities_generation(machine.identities), 1);
        identities_set_rules(machine.identities, make_rules("web", "apache2"));
        assert_int_equal(identities_generation(machine.identities), 2);
        identities_set_rules(machine.identities, NULL);
        assert_int_equal(identities_generation(machine.identities), 3);
        identities_free(machine.identities);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_cgroup_is_named_without_asking_its_process),
                CASE(a_service_that_is_gone_is_still_named),
                CASE(a_service_that_went_between_two_daemons_is_still_named),
                CASE(kept_names_that_make_no_sense_are_refused),
                CASE(on_version_1_systemds_own_hierarchy_counts),
                CASE(a_path_that_looks_like_a_hierarchy_is_only_a_path),
                CASE(without_any_cgroup2_the_process_is_asked),
                CASE(a_pid_that_was_used_again_is_not_asked),
                CASE(the_root_of_a_version_2_tree_is_outside_every_unit),
                CASE(a_cgroup_that_nobody_can_name_is_no_unit_unless_its_process_stands_there),
                CASE(strange_contents_of_proc_do_no_harm),
                CASE(a_source_that_answers_later_moves_the_generation),
                CASE(a_source_that_cannot_be_opened_closes_those_before),
                CASE(who_cannot_be_asked_any_more_is_not_known),
                CASE(a_rule_names_the_app_and_nothing_else),
                CASE(other_rules_move_the_generation),
                CASE(a_command_line_is_one_safe_line),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
