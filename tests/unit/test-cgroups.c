/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On directories of a temporary file system, whose inode numbers stand for cgroup ids, and once on the kernel's own
 * tree where that is allowed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/cgroups.h"
#include "daemon/identity/mount.h"
#include "tests/unit/clock.h"
#include "tests/unit/tree.h"

static unsigned n_visits;

/* Stands in front of the C library's: whoever looks into a directory opens it. */
DIR *opendir(const char *path) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        n_visits++;
        return fd < 0 ? NULL : fdopendir(fd);
}

static uint64_t id_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_ino;
}

static struct cgroups *open_tree(struct tree *tree, uint32_t max) {
        struct cgroups *cgroups;

        assert_int_equal(cgroups_new(&cgroups, tree->path, max), 0);
        return cgroups;
}

/* A turn is due. */
static bool follow(struct cgroups *cgroups) {
        clock_move(CGROUPS_TURN_NS);
        return cgroups_follow(cgroups);
}

static void check_path(const struct cgroups *cgroups, uint64_t id, const char *expected) {
        const char *path = cgroups_path(cgroups, id);

        if (!expected) {
                assert_null(path);
                return;
        }
        assert_non_null(path);
        assert_string_equal(path, expected);
}

static void what_was_there_before_is_known(void **state) {
        struct tree *tree = *state;
        uint64_t id = id_of(tree_directory(tree, "system.slice/a.service/sub"));
        struct cgroups *cgroups = open_tree(tree, 100);

        check_path(cgroups, id, "/system.slice/a.service/sub");
        check_path(cgroups, id_of(tree->path), "/");
        check_path(cgroups, id + 1000000, NULL);
        assert_int_equal(cgroups_count(cgroups), 4);
        cgroups_free(cgroups);
}

static void what_comes_later_is_known_after_following(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups = open_tree(tree, 100);
        uint64_t id = id_of(tree_directory(tree, "a/b/c"));
        struct pollfd poll_fd = { cgroups_fd(cgroups), POLLIN, 0 };

        assert_int_equal(poll(&poll_fd, 1, 0), 1);
        follow(cgroups);
        check_path(cgroups, id, "/a/b/c");
        tree_directory(tree, "a/b/c/d");
        follow(cgroups);
        check_path(cgroups, id_of(tree_path(tree, "a/b/c/d")), "/a/b/c/d");
        cgroups_free(cgroups);
}

static void what_is_gone_keeps_its_name(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups = open_tree(tree, 100);
        uint64_t id = id_of(tree_directory(tree, "short.service"));

        follow(cgroups);
        assert_int_equal(rmdir(tree_path(tree, "short.service")), 0);
        follow(cgroups);
        check_path(cgroups, id, "/short.service");
        assert_int_equal(cgroups_count(cgroups), 1);
        cgroups_free(cgroups);
}

/* Far more than are remembered; where a file system uses inode numbers again, the newest name counts. */
static void thousands_that_come_and_go_do_no_harm(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups = open_tree(tree, 100);
        char name[32], path[32];

        for (unsigned i = 0; i < 3000; i++) {
                uint64_t id;

                snprintf(name, sizeof name, "s%u.service", i);
                snprintf(path, sizeof path, "/s%u.service", i);
                id = id_of(tree_directory(tree, name));
                follow(cgroups);
                assert_int_equal(rmdir(tree_path(tree, name)), 0);
                follow(cgroups);
                check_path(cgroups, id, path);
        }
        assert_int_equal(cgroups_count(cgroups), 1);
        cgroups_free(cgroups);
}

/* One event per directory: more than the queue holds, see fs.inotify.max_queued_events in inotify(7). */
static void lose_events(struct tree *tree) {
        char name[32];

        for (unsigned i = 0; i < 17000; i++) {
                snprintf(name, sizeof name, "x%u", i % 10);
                assert_int_equal(mkdir(tree_path(tree, name), 0755), 0);
                assert_int_equal(rmdir(tree_path(tree, name)), 0);
        }
}

static bool is_readable(const struct cgroups *cgroups) {
        struct pollfd poll_fd = { cgroups_fd(cgroups), POLLIN, 0 };

        return poll(&poll_fd, 1, 0) == 1;
}

static void follow_all(struct cgroups *cgroups) {
        while (!follow(cgroups) || is_readable(cgroups))
                continue;
}

static void when_events_were_lost_the_tree_is_walked_again(void **state) {
        struct tree *tree = *state;
        uint64_t before = id_of(tree_directory(tree, "before")), after;
        struct cgroups *cgroups = open_tree(tree, 16384);

        lose_events(tree);
        after = id_of(tree_directory(tree, "after"));
        assert_int_equal(rmdir(tree_path(tree, "before")), 0);
        follow_all(cgroups);
        check_path(cgroups, after, "/after");
        check_path(cgroups, before, "/before");
        assert_int_equal(cgroups_count(cgroups), 2);
        cgroups_free(cgroups);
}

/* Any user may make as many directories as they like, and as many events. */
static void no_walk_looks_into_more_directories_than_allowed(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        char name[32];

        for (unsigned i = 0; i < 1000; i++) {
                snprintf(name, sizeof name, "d%u/e%u", i % 10, i);
                tree_directory(tree, name);
        }
        n_visits = 0;
        cgroups = open_tree(tree, 50);
        assert_in_range(n_visits, 1, 50);
        n_visits = 0;
        lose_events(tree);
        follow_all(cgroups);
        assert_in_range(n_visits, 1, 50);
        assert_int_equal(cgroups_count(cgroups), 50);
        cgroups_free(cgroups);
}

static void however_often_events_are_lost_the_tree_is_walked_once_in_a_while(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        uint64_t late, begin = clock_time();

        tree_directory(tree, "a/b/c");
        cgroups = open_tree(tree, 100);
        n_visits = 0;
        for (unsigned i = 0; i < 3; i++) {
                lose_events(tree);
                follow_all(cgroups);
                assert_int_equal(n_visits, 4);
        }
        lose_events(tree);
        late = id_of(tree_directory(tree, "late"));
        follow_all(cgroups);
        check_path(cgroups, late, NULL);
        assert_true(cgroups_is_behind(cgroups));
        assert_true(clock_time() - begin < CGROUPS_RESCAN_NS);
        assert_int_equal(n_visits, 4);
        clock_move(CGROUPS_RESCAN_NS);
        follow_all(cgroups);
        assert_int_equal(n_visits, 9);
        check_path(cgroups, late, "/late");
        clock_move(2 * CGROUPS_RESCAN_NS);
        follow_all(cgroups);
        assert_int_equal(n_visits, 9); /* nothing was lost since */
        cgroups_free(cgroups);
}

static void make_directories(struct tree *tree, const char *parent, unsigned n) {
        char name[64];

        for (unsigned i = 0; i < n; i++) {
                snprintf(name, sizeof name, "%s/d%u", parent, i);
                tree_directory(tree, name);
        }
}

/* Whoever calls, and however often. */
static void a_turn_looks_at_few_directories_and_the_next_one_waits(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        unsigned n_turns = 0;

        make_directories(tree, "many", 2000);
        n_visits = 0;
        cgroups = open_tree(tree, 16384);
        while (cgroups_is_behind(cgroups)) {
                unsigned before = n_visits;
                bool is_all = follow(cgroups);

                assert_in_range(n_visits - before, 0, 200);
                before = n_visits;
                assert_int_equal(cgroups_follow(cgroups), is_all);
                assert_int_equal(n_visits, before);
                n_turns++;
        }
        assert_in_range(n_turns, 10, 200);
        assert_int_equal(n_visits, 2002);
        assert_int_equal(cgroups_count(cgroups), 2002);
        cgroups_free(cgroups);
}

static void what_is_near_the_root_is_known_first(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;

        make_directories(tree, "user.slice/one.slice/many", 2000);
        tree_directory(tree, "system.slice/a.service");
        cgroups = open_tree(tree, 100);
        check_path(cgroups, id_of(tree_path(tree, "system.slice/a.service")), "/system.slice/a.service");
        cgroups_free(cgroups);
}

static void a_directory_that_goes_while_it_is_listed_does_no_harm(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        char name[64];

        make_directories(tree, "many", 1000);
        cgroups = open_tree(tree, 16384);
        for (unsigned i = 0; i < 1000; i++) {
                snprintf(name, sizeof name, "many/d%u", i);
                assert_int_equal(rmdir(tree_path(tree, name)), 0);
        }
        assert_int_equal(rmdir(tree_path(tree, "many")), 0);
        follow_all(cgroups);
        assert_int_equal(cgroups_count(cgroups), 1);
        assert_false(cgroups_is_behind(cgroups));
        cgroups_free(cgroups);
}

/* What is gone makes room for what came meanwhile, although the table was full. */
static void when_events_were_lost_room_is_made_first(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        uint64_t later[9];
        char name[32];

        for (unsigned i = 0; i < 9; i++) {
                snprintf(name, sizeof name, "old%u", i);
                tree_directory(tree, name);
        }
        cgroups = open_tree(tree, 10);
        lose_events(tree);
        for (unsigned i = 0; i < 9; i++) {
                snprintf(name, sizeof name, "old%u", i);
                assert_int_equal(rmdir(tree_path(tree, name)), 0);
                snprintf(name, sizeof name, "new%u", i);
                later[i] = id_of(tree_directory(tree, name));
        }
        follow_all(cgroups);
        for (unsigned i = 0; i < 9; i++) {
                snprintf(name, sizeof name, "/new%u", i);
                check_path(cgroups, later[i], name);
        }
        assert_int_equal(cgroups_count(cgroups), 10);
        cgroups_free(cgroups);
}

static void no_more_directories_than_allowed_are_watched(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;
        char name[32];

        for (unsigned i = 0; i < 50; i++) {
                snprintf(name, sizeof name, "d%u", i);
                tree_directory(tree, name);
        }
        cgroups = open_tree(tree, 10);
        assert_int_equal(cgroups_count(cgroups), 10);
        tree_directory(tree, "one-more");
        follow(cgroups);
        assert_int_equal(cgroups_count(cgroups), 10);
        cgroups_free(cgroups);
}

static void a_path_is_confirmed_by_its_id(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups = open_tree(tree, 100);
        uint64_t id = id_of(tree_directory(tree, "late"));

        assert_int_equal(cgroups_confirm(cgroups, id + 1, "/late"), 0);
        assert_int_equal(cgroups_confirm(cgroups, id, "/nowhere"), -ENOENT);
        check_path(cgroups, id, NULL);
        assert_int_equal(cgroups_confirm(cgroups, id, "/late"), 1);
        check_path(cgroups, id, "/late");
        cgroups_free(cgroups);
}

static void links_and_files_are_no_cgroups(void **state) {
        struct tree *tree = *state;
        struct cgroups *cgroups;

        tree_file(tree, "cgroup.procs", "");
        assert_int_equal(symlink("/", tree_path(tree, "link")), 0);
        cgroups = open_tree(tree, 100);
        tree_file(tree, "memory.max", "");
        assert_int_equal(symlink("/", tree_path(tree, "link2")), 0);
        follow(cgroups);
        assert_int_equal(cgroups_count(cgroups), 1);
        cgroups_free(cgroups);
}

static void systemds_own_mount_is_preferred(void **state) {
        struct tree *tree = *state;
        char mount[64];
        const char *path;

        path = tree_file(tree, "unified",
                         "30 23 0:26 / /mnt/x rw shared:4 - cgroup2 cgroup2 rw\n"
                         "31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
        assert_int_equal(mount_find_cgroups(path, mount, sizeof mount), 0);
        assert_string_equal(mount, "/sys/fs/cgroup");
        path = tree_file(tree, "hybrid", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                                         "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
                                         "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
                                         "42 31 0:38 / /mnt/y rw - cgroup2 cgroup2 rw\n");
        assert_int_equal(mount_find_cgroups(path, mount, sizeof mount), 0);
        assert_string_equal(mount, "/sys/fs/cgroup/unified");
        path = tree_file(tree, "odd", "41 31 0:38 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n");
        assert_int_equal(mount_find_cgroups(path, mount, sizeof mount), 0);
        assert_string_equal(mount, "/mnt/a b");
        path = tree_file(tree, "v1",
                         "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\ngarbage\n");
        assert_int_equal(mount_find_cgroups(path, mount, sizeof mount), -ENOENT);
}

static void the_kernels_tree_reports_cgroups_that_come_and_go(void **state) {
        char mount[256], path[300];
        struct cgroups *cgroups;
        uint64_t id;

        if (mount_find_cgroups("/proc/self/mountinfo", mount, sizeof mount) < 0)
                skip();
        assert_int_equal(cgroups_new(&cgroups, mount, 16384), 0);
        snprintf(path, sizeof path, "%s/socktally-test-%d.service", mount, (int) getpid());
        if (mkdir(path, 0755) < 0) {
                cgroups_free(cgroups);
                skip();
        }
        id = id_of(path);
        follow(cgroups);
        assert_int_equal(rmdir(path), 0);
        follow(cgroups);
        check_path(cgroups, id, path + strlen(mount));
        cgroups_free(cgroups);
}

static int setup(void **state) {
        clock_still();
        return tree_setup(state);
}

static int teardown(void **state) {
        clock_real();
        return tree_teardown(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(what_was_there_before_is_known),
                CASE(what_comes_later_is_known_after_following),
                CASE(what_is_gone_keeps_its_name),
                CASE(thousands_that_come_and_go_do_no_harm),
                CASE(when_events_were_lost_the_tree_is_walked_again),
                CASE(no_walk_looks_into_more_directories_than_allowed),
                CASE(however_often_events_are_lost_the_tree_is_walked_once_in_a_while),
                CASE(a_turn_looks_at_few_directories_and_the_next_one_waits),
                CASE(what_is_near_the_root_is_known_first),
                CASE(a_directory_that_goes_while_it_is_listed_does_no_harm),
                CASE(when_events_were_lost_room_is_made_first),
                CASE(no_more_directories_than_allowed_are_watched),
                CASE(a_path_is_confirmed_by_its_id),
                CASE(links_and_files_are_no_cgroups),
                CASE(systemds_own_mount_is_preferred),
                CASE(the_kernels_tree_reports_cgroups_that_come_and_go),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
