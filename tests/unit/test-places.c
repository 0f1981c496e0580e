/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where names are kept: every place that is looked at, and every way in which a file there can be hostile. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "names/places.h"
#include "tests/unit/tree.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define NOBODY "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HOME_PODMAN "home/.local/share/containers/storage/overlay-containers/containers.json"
#define DOCKER "var/lib/docker/containers/" HEX "/config.v2.json"
#define LIST(name) "[{\"id\":\"" OTHER "\",\"names\":[\"no\"]},{\"id\":\"" HEX "\",\"names\":[\"" name "\",\"alias\"]}]"
#define BUNDLE(list) "{\"ociVersion\":\"1.0\",\"annotations\":{" list "}}"

static const char *home;

static const char *find_home(uid_t uid) {
        return uid == geteuid() ? home : NULL;
}

static bool look_up(struct tree *tree, uint32_t owner, const char *runtime, const char *id,
                    char ret_name[static QUESTION_NAME_SIZE]) {
        const struct places places = { .root = tree->path, .root_owner = geteuid(), .find_home = find_home };
        struct question question = { .magic = QUESTION_MAGIC, .owner = owner };

        question.kind = runtime[0] ? QUESTION_CONTAINER : QUESTION_APP;
        snprintf(question.runtime, sizeof question.runtime, "%s", runtime);
        snprintf(question.id, sizeof question.id, "%s", id);
        home = tree_path(tree, "home");
        return places_look_up(&places, &question, ret_name);
}

static void check(struct tree *tree, uint32_t owner, const char *runtime, const char *id, const char *wanted) {
        char name[QUESTION_NAME_SIZE] = "";

        assert_int_equal(look_up(tree, owner, runtime, id, name), wanted != NULL);
        if (wanted)
                assert_string_equal(name, wanted);
}

/* In each place of the machine and of a user, one after the other. */
static void every_place_has_the_name(void **state) {
        const uint32_t user = geteuid(), machine = QUESTION_SYSTEM;
        const struct {
                uint32_t owner;
                const char *runtime, *id, *path, *text, *name;
        } list[] = {
                { machine, "docker", HEX, DOCKER, "{\"Name\":\"/web\",\"Config\":{\"Labels\":{}}}", "web" },
                { machine, "docker", HEX, DOCKER,
                  "{\"Name\":\"/k8s_x\",\"Config\":{\"Labels\":{\"io.kubernetes.pod.namespace\":\"shop\","
                  "\"io.kubernetes.pod.name\":\"db-0\",\"io.kubernetes.container.name\":\"sql\"}}}", "shop/db-0/sql" },
                { user, "docker", HEX, "home/.local/share/docker/containers/" HEX "/config.v2.json",
                  "{\"Name\":\"/mine\"}", "mine" },
                { machine, "podman", HEX, "var/lib/containers/storage/overlay-containers/containers.json",
                  LIST("web"), "web" },
                { machine, "podman", HEX, "var/lib/containers/storage/overlay-containers/volatile-containers.json",
                  LIST("short"), "short" },
                { machine, "podman", HEX, "run/containers/storage/overlay-containers/volatile-containers.json",
                  LIST("shorter"), "shorter" },
                { machine, "podman", HEX, "var/lib/containers/storage/vfs-containers/containers.json", LIST("v"), "v" },
                { machine, "podman", HEX, "var/lib/containers/storage/btrfs-containers/containers.json", LIST("b"),
                  "b" },
                { user, "podman", HEX, HOME_PODMAN, LIST("mine"), "mine" },
                { machine, "containerd", HEX,
                  "run/containerd/io.containerd.runtime.v2.task/k8s.io/" HEX "/config.json",
                  BUNDLE("\"io.kubernetes.cri.sandbox-namespace\":\"shop\",\"io.kubernetes.cri.sandbox-name\":\"db-0\","
                         "\"io.kubernetes.cri.container-name\":\"sql\""), "shop/db-0/sql" },
                { machine, "containerd", HEX,
                  "run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/" HEX "/config.json",
                  BUNDLE("\"io.kubernetes.cri.sandbox-namespace\":\"a\",\"io.kubernetes.cri.sandbox-name\":\"b\""),
                  "a/b/POD" },
                { machine, "containerd", HEX,
                  "run/containerd/io.containerd.runtime.v2.task/default/" HEX "/config.json",
                  BUNDLE("\"nerdctl/name\":\"web\""), "web" },
                { machine, "cri-o", HEX, "run/containers/storage/overlay-containers/" HEX "/userdata/config.json",
                  BUNDLE("\"io.kubernetes.pod.namespace\":\"shop\",\"io.kubernetes.pod.name\":\"db-0\","
                         "\"io.kubernetes.container.name\":\"sql\""), "shop/db-0/sql" },
                { machine, "lxc", "101", "etc/pve/lxc/101.conf",
                  "#hostname: no\narch: amd64\nhostname: mail\n\n[snap]\nhostname: old\n", "mail" },
                { machine, "qemu", "104", "etc/pve/qemu-server/104.conf", "boot: order\nname: win\n", "win" },
                { user, "", "org.x.App", "home/.local/share/applications/org.x.App.desktop",
                  "# mine\n[Desktop Entry]\nName[de]=Nein\nName=App\n[Other]\nName=No\n", "App" },
                { user, "", "f", "home/.local/share/flatpak/exports/share/applications/f.desktop",
                  "[Desktop Entry]\r\nName=Flat\r\n", "Flat" },
        };
        struct tree *tree = *state;

        for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
                check(tree, list[i].owner, list[i].runtime, list[i].id, NULL);
                tree_file(tree, list[i].path, list[i].text);
                check(tree, list[i].owner, list[i].runtime, list[i].id, list[i].name);
                check(tree, list[i].owner == machine ? user : machine, list[i].runtime, list[i].id, NULL);
                check(tree, list[i].owner, list[i].runtime, strlen(list[i].id) == 64 ? NOBODY : "9", NULL);
                if (strlen(list[i].id) == 64)
                        check(tree, list[i].owner, CONTAINER_RUNTIME_UNKNOWN, list[i].id, list[i].name);
                assert_int_equal(unlink(tree_path(tree, list[i].path)), 0);
        }
}

static void a_user_gets_no_names_of_others(void **state) {
        struct tree *tree = *state;

        tree_file(tree, DOCKER, "{\"Name\":\"/secret\"}");
        tree_file(tree, HOME_PODMAN, LIST("mine"));
        check(tree, QUESTION_SYSTEM, "docker", HEX, "secret");
        check(tree, geteuid(), "docker", HEX, NULL);
        check(tree, geteuid() + 1, "podman", HEX, NULL); /* there is no such user */
}

static void an_id_leads_nowhere_else(void **state) {
        static const char *const ids[] = { "", ".", "..", "../x", "a/../../x", "x/", "abc", "/etc/passwd" };
        struct tree *tree = *state;

        tree_file(tree, "home/.local/share/x.desktop", "[Desktop Entry]\nName=No\n");
        tree_file(tree, "home/.local/share/applications/..desktop", "[Desktop Entry]\nName=No\n");
        tree_file(tree, "var/lib/docker/containers/x/config.v2.json", "{\"Name\":\"/no\"}");
        tree_file(tree, "var/lib/docker/containers/abc/config.v2.json", "{\"Name\":\"/no\"}");
        tree_directory(tree, "home/.local/share/applications/a");
        tree_file(tree, "var/lib/docker/config.v2.json", "{\"Name\":\"/no\"}");
        tree_file(tree, "etc/pve/x.conf", "hostname: no\n");
        for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
                check(tree, geteuid(), "", ids[i], NULL);
                check(tree, QUESTION_SYSTEM, "docker", ids[i], NULL);
                check(tree, QUESTION_SYSTEM, "lxc", ids[i], NULL);
        }
        check(tree, QUESTION_SYSTEM, "docker", "x", NULL);
}

/* Makes the file of the user's containers something else, and looks whether its name comes out. */
static void check_link(struct tree *tree, const char *target, const char *wanted) {
        assert_int_equal(symlink(target, tree_path(tree, HOME_PODMAN)), 0);
        check(tree, geteuid(), "podman", HEX, wanted);
        assert_int_equal(unlink(tree_path(tree, HOME_PODMAN)), 0);
}

static void a_home_does_not_lead_out_of_itself(void **state) {
        struct tree *tree = *state;
        const char *secret = tree_file(tree, "secret.json", LIST("secret"));

        tree_file(tree, HOME_PODMAN, LIST("mine"));
        check(tree, geteuid(), "podman", HEX, "mine");
        assert_int_equal(rename(tree_path(tree, HOME_PODMAN), tree_path(tree, "home/list.json")), 0);
        check_link(tree, secret, NULL);
        check_link(tree, "../../../../../../secret.json", NULL);
        check_link(tree, "../../../../../list.json", "mine"); /* Flatpak's files are such links */
        check_link(tree, "/proc/self/cwd", NULL);
        check_link(tree, "containers.json", NULL);
        assert_int_equal(rename(tree_path(tree, "home/.local"), tree_path(tree, "elsewhere")), 0);
        tree_file(tree, "elsewhere/share/containers/storage/overlay-containers/containers.json", LIST("secret"));
        assert_int_equal(symlink(tree_path(tree, "elsewhere"), tree_path(tree, "home/.local")), 0);
        check(tree, geteuid(), "podman", HEX, NULL);
}

static void only_what_belongs_to_the_user_is_read(void **state) {
        struct tree *tree = *state;

        if (geteuid() != 0)
                skip();
        tree_file(tree, HOME_PODMAN, LIST("mine"));
        check(tree, 0, "podman", HEX, "mine");
        assert_int_equal(chown(tree_path(tree, HOME_PODMAN), 4711, 4711), 0); /* as by a hard link */
        check(tree, 0, "podman", HEX, NULL);
        assert_int_equal(chown(tree_path(tree, HOME_PODMAN), 0, 0), 0);
        assert_int_equal(chown(tree_path(tree, "home"), 4711, 4711), 0);
        check(tree, 0, "podman", HEX, NULL);
        tree_file(tree, DOCKER, "{\"Name\":\"/web\"}");
        assert_int_equal(chown(tree_path(tree, DOCKER), 4711, 4711), 0);
        check(tree, QUESTION_SYSTEM, "docker", HEX, NULL);
}

static void what_is_no_file_holds_nobody_up(void **state) {
        struct tree *tree = *state;

        tree_directory(tree, "home/.local/share/containers/storage/overlay-containers");
        assert_int_equal(mkfifo(tree_path(tree, HOME_PODMAN), 0600), 0);
        (void) alarm(10);
        check(tree, geteuid(), "podman", HEX, NULL);
        (void) alarm(0);
        assert_int_equal(unlink(tree_path(tree, HOME_PODMAN)), 0);
        tree_directory(tree, HOME_PODMAN);
        check(tree, geteuid(), "podman", HEX, NULL);
}

/* One byte less than is read at most has a name, one more has none; a file of holes costs nothing. */
static void a_file_that_is_too_long_is_not_read(void **state) {
        struct tree *tree = *state;
        const char *path = tree_file(tree, HOME_PODMAN, LIST("mine"));
        char spaces[4096];
        FILE *file = fopen(path, "a");

        assert_non_null(file);
        memset(spaces, ' ', sizeof spaces);
        for (long n = ftell(file); n < 256 * 1024;) {
                size_t piece = 256 * 1024 - (size_t) n < sizeof spaces ? 256 * 1024 - (size_t) n : sizeof spaces;

                assert_int_equal(fwrite(spaces, 1, piece, file), piece);
                n += (long) piece;
        }
        assert_int_equal(fflush(file), 0);
        check(tree, geteuid(), "podman", HEX, "mine");
        assert_int_equal(fputc(' ', file), ' ');
        assert_int_equal(fclose(file), 0);
        check(tree, geteuid(), "podman", HEX, NULL);
        assert_int_equal(truncate(tree_path(tree, HOME_PODMAN), INT64_C(1) << 40), 0);
        check(tree, geteuid(), "podman", HEX, NULL);
}

static void text_that_makes_no_sense_has_no_name(void **state) {
        static const char *const texts[] = {
                "", "\n", "null", "1", "\"x\"", "[]", "{}", "[", "[{", "[[[]]]", "[{\"id\":1}]",
                "[{\"id\":\"" HEX "\"}]",
                "[{\"id\":\"" HEX "\",\"names\":{}}]", "[{\"id\":\"" HEX "\",\"names\":[]}]",
                "[{\"id\":\"" HEX "\",\"names\":[null]}]", "[{\"id\":\"" HEX "\",\"names\":[\"\"]}]",
                "[{\"id\":\"" HEX "\",\"names\":[\"x\"", "[null,1,\"" HEX "\",[\"id\"]]", "\xff\xfe",
                "{\"a\":\"\\ud800\"}",
                "{\"Name\":{}}", "{\"Name\":\"\"}", "{\"Name\":\"/\"}", "{\"Config\":[],\"Name\":3}",
                "{\"annotations\":[]}", "{\"annotations\":{\"nerdctl/name\":{}}}",
                "{\"annotations\":{\"io.kubernetes.pod.name\":\"x\"}}",
                ("{\"Name\":\"/x\",\"deep\":"
                 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"),
        };
        struct tree *tree = *state;

        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                tree_file(tree, HOME_PODMAN, texts[i]);
                tree_file(tree, DOCKER, texts[i]);
                tree_file(tree, "run/containerd/io.containerd.runtime.v2.task/default/" HEX "/config.json", texts[i]);
                check(tree, geteuid(), "podman", HEX, NULL);
                check(tree, QUESTION_SYSTEM, "docker", HEX, NULL);
                check(tree, QUESTION_SYSTEM, "containerd", HEX, NULL);
        }
}

static void text_of_any_depth_is_parsed_in_bounds(void **state) {
        struct tree *tree = *state;
        static const char *const pieces[] = { "[", "[],", "{},", "{\"\":{}}," };
        const size_t n = 256 * 1024 - 1;
        char *text = malloc(n + 1);

        assert_non_null(text);
        for (size_t round = 0; round < sizeof pieces / sizeof pieces[0]; round++) {
                for (size_t i = 0; i < n; i++)
                        text[i] = i == 0 ? '[' : pieces[round][(i - 1) % strlen(pieces[round])];
                text[n] = '\0';
                tree_file(tree, HOME_PODMAN, text);
                check(tree, geteuid(), "podman", HEX, NULL);
        }
        free(text);
}

static void names_are_safe_to_print_and_bounded(void **state) {
        struct tree *tree = *state;
        char text[2000], wanted[QUESTION_NAME_SIZE];
        int n = snprintf(text, sizeof text, "{\"Name\":\"/");

        tree_file(tree, HOME_PODMAN, LIST("a\\u001b[31m\\u202eb\\nc"));
        check(tree, geteuid(), "podman", HEX, "a?[31m???b?c");
        tree_file(tree, HOME_PODMAN, LIST("a\\u0000b"));
        check(tree, geteuid(), "podman", HEX, "a");
        tree_file(tree, HOME_PODMAN, LIST("\\u00fcber"));
        check(tree, geteuid(), "podman", HEX, "\xc3\xbc" "ber");
        tree_file(tree, "etc/pve/lxc/101.conf", "arch: amd64\n[snap]\nhostname: old\n");
        check(tree, QUESTION_SYSTEM, "lxc", "101", NULL);
        tree_file(tree, "etc/pve/lxc/101.conf", "hostname: a\x1b\xff\xe2\x80\xaa\n");
        check(tree, QUESTION_SYSTEM, "lxc", "101", "a?????");
        memset(text + n, 'x', 1000);
        snprintf(text + n + 1000, sizeof text - 1000 - (size_t) n, "\"}");
        tree_file(tree, DOCKER, text);
        memset(wanted, 'x', sizeof wanted - 1);
        wanted[sizeof wanted - 1] = '\0';
        check(tree, QUESTION_SYSTEM, "docker", HEX, wanted);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(every_place_has_the_name),
                CASE(a_user_gets_no_names_of_others),
                CASE(an_id_leads_nowhere_else),
                CASE(a_home_does_not_lead_out_of_itself),
                CASE(only_what_belongs_to_the_user_is_read),
                CASE(what_is_no_file_holds_nobody_up),
                CASE(a_file_that_is_too_long_is_not_read),
                CASE(text_that_makes_no_sense_has_no_name),
                CASE(text_of_any_depth_is_parsed_in_bounds),
                CASE(names_are_safe_to_print_and_bounded),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
