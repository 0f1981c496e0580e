/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Against made-up /proc and cgroup trees of each kind of machine: pure version 2, hybrid, version 1, container. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/identity.h"
#include "tests/unit/tree.h"

#define START_NSEC UINT64_C(123450000000)
#define START_TICKS "12345"

struct machine {
        struct tree *tree;
        struct identity *identity;
};

static struct machine machine_open(struct tree *tree, bool has_cgroup2) {
        struct machine machine = { .tree = tree };
        struct identity_config config = {
                .proc = tree_directory(tree, "proc"),
                .cgroup_mount = has_cgroup2 ? tree_directory(tree, "cgroup") : NULL,
                .max_cgroups = 100,
        };

        assert_int_equal(identity_new(&machine.identity, &config), 0);
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
        struct process_row row = { .pid = pid };
        struct unit unit;

        identity_unit(machine->identity, &key, &row, &unit);
        assert_string_equal(unit.name, name);
        assert_int_equal(unit.uid, uid);
}

static void check(struct machine *machine, uint64_t cgroup_id, uint32_t pid, const char *name, uint32_t uid) {
        check_start(machine, cgroup_id, pid, START_NSEC, name, uid);
}

static void a_cgroup_is_named_without_asking_its_process(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/user.slice/user-7.slice/user@7.service/app.slice/x.service");

        check(&machine, id, 0, "x.service", 7);
        identity_free(machine.identity);
}

static void a_service_that_is_gone_is_still_named(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/short.service");

        identity_follow(machine.identity);
        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/short.service")), 0);
        identity_follow(machine.identity);
        check(&machine, id, 0, "short.service", UNIT_SYSTEM);
        identity_free(machine.identity);
}

/* Its process ended while no daemon ran: the next one knows the name from the one before. */
static void a_service_that_went_between_two_daemons_is_still_named(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t early = cgroup_make(&machine, "/system.slice/early.service"),
                 late = cgroup_make(&machine, "/system.slice/late.service"),
                 here = cgroup_make(&machine, "/system.slice/here.service");
        FILE *file = tmpfile();

        assert_non_null(file);
        identity_follow(machine.identity);
        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/system.slice/early.service")), 0);
        identity_follow(machine.identity);
        for (unsigned i = 0; i < 3; i++) { /* each daemon hands on what it got, though it may not live for long */
                rewind(file);
                assert_int_equal(identity_keep(machine.identity, file), 0);
                identity_free(machine.identity);
                if (i == 0)
                        assert_int_equal(rmdir(tree_path(machine.tree, "cgroup/system.slice/late.service")), 0);
                machine = machine_open(*state, true);
                check(&machine, early, 0, "", UNIT_SYSTEM);
                check(&machine, late, 0, "", UNIT_SYSTEM);
                rewind(file);
                assert_int_equal(identity_restore(machine.identity, file), 0);
                check(&machine, early, 0, "early.service", UNIT_SYSTEM);
                check(&machine, late, 0, "late.service", UNIT_SYSTEM);
                check(&machine, here, 0, "here.service", UNIT_SYSTEM);
        }
        identity_free(machine.identity);
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
        identity_follow(machine.identity);
        assert_int_equal(identity_keep(machine.identity, file), 0);
        size = ftell(file);
        for (long n = size - 1; n >= 0; n--) {
                assert_int_equal(ftruncate(fileno(file), n), 0);
                rewind(file);
                assert_int_equal(identity_restore(machine.identity, file), -ESTALE);
        }
        rewind(file);
        fwrite(noise, sizeof noise, 1, file);
        rewind(file);
        assert_int_equal(identity_restore(machine.identity, file), -ESTALE);
        identity_free(machine.identity);
        machine = machine_open(*state, false);
        rewind(file);
        assert_int_equal(identity_keep(machine.identity, file), 0);
        rewind(file);
        assert_int_equal(identity_restore(machine.identity, file), 0);
        identity_free(machine.identity);
        fclose(file);
}

static void on_version_1_systemds_own_hierarchy_counts(void **state) {
        struct machine machine = machine_open(*state, true);

        process_make(&machine, 42, "12:pids:/x\n9:name=systemd:/system.slice/cron.service\n0::/\n");
        check(&machine, 1, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 0, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 1, 43, "", UNIT_SYSTEM); /* gone */
        identity_free(machine.identity);
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
        identity_free(machine.identity);
}

static void without_any_cgroup2_the_process_is_asked(void **state) {
        struct machine machine = machine_open(*state, false);

        process_make(&machine, 42, "1:name=systemd:/system.slice/cron.service\n0::/system.slice/v2.service\n");
        check(&machine, 1, 42, "cron.service", UNIT_SYSTEM);
        check(&machine, 4711, 42, "v2.service", UNIT_SYSTEM);
        assert_int_equal(identity_fd(machine.identity), -1);
        identity_follow(machine.identity);
        identity_free(machine.identity);
}

static void a_pid_that_was_used_again_is_not_asked(void **state) {
        struct machine machine = machine_open(*state, true);

        process_make(&machine, 42, "1:name=systemd:/system.slice/cron.service\n0::/\n");
        check_start(&machine, 1, 42, START_NSEC + 5000000, "cron.service", UNIT_SYSTEM);
        check_start(&machine, 1, 42, START_NSEC + 50000000, "", UNIT_SYSTEM);
        identity_free(machine.identity);
}

static void the_root_of_a_version_2_tree_is_outside_every_unit(void **state) {
        struct machine machine = machine_open(*state, true);
        struct stat st;

        process_make(&machine, 42, "0::/\n");
        assert_int_equal(stat(tree_path(machine.tree, "cgroup"), &st), 0);
        check(&machine, st.st_ino, 42, "", UNIT_SYSTEM);
        identity_free(machine.identity);
}

static void a_cgroup_that_nobody_can_name_is_no_unit_unless_its_process_stands_there(void **state) {
        struct machine machine = machine_open(*state, true);
        uint64_t id = cgroup_make(&machine, "/other.service");

        process_make(&machine, 42, "0::/other.service\n");
        check(&machine, id + 100000, 42, "", UNIT_SYSTEM); /* it has moved on since */
        check(&machine, id, 42, "other.service", UNIT_SYSTEM);
        identity_free(machine.identity);
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
        identity_free(machine.identity);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

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
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
