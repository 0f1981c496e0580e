/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever happens to the writer, a drop-in is there whole: as it was, or as it was to become. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/control/configuration.h"
#include "daemon/control/dropin.h"
#include "tests/unit/tree.h"

#define NAME "90-runtime.conf"
#define PLACE "etc/socktally.conf.d/" NAME
#define TEMPORARY "etc/socktally.conf.d/." NAME ".new"
#define N_KILLS 200

/* Long enough to be killed in. */
static void compose(char text[60000], unsigned processes) {
        size_t n = (size_t) sprintf(text, "[Socktally]\nProcesses=%u\n", processes);

        while (n < 59900)
                n += (size_t) sprintf(text + n, "# %u\n", processes);
        strcpy(text + n, "Sockets=77\n");
}

static void read_back(struct tree *tree, char text[60000]) {
        FILE *file = fopen(tree_path(tree, PLACE), "re");

        text[0] = '\0';
        if (!file)
                return;
        text[fread(text, 1, 59999, file)] = '\0';
        fclose(file);
}

static void complain(void *userdata, const char *line, int error) {
        fail_msg("%s", line);
}

/* Writes one, then the other, and says so before each. */
static void write_for_ever(const char *directory, const char *const texts[2], int fd) {
        for (unsigned i = 0;; i++)
                if (write(fd, "", 1) != 1 || dropin_write(directory, NAME, texts[i % 2]) < 0)
                        _exit(1);
}

static void kill_a_writer(const char *directory, const char *const texts[2], unsigned n_writes, unsigned n_turns) {
        int fds[2], status;
        char byte;
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        if (pid == 0)
                write_for_ever(directory, texts, fds[1]);
        assert_true(pid > 0);
        close(fds[1]);
        for (unsigned i = 0; i < n_writes; i++)
                assert_int_equal(read(fds[0], &byte, 1), 1);
        for (volatile unsigned i = 0; i < n_turns; i++)
                ;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        close(fds[0]);
}

static void after_a_kill_it_is_the_old_one_or_the_new_one(void **state) {
        static char one[60000], other[60000], found[60000];
        const char *const texts[2] = { one, other }, *directory = strdup(tree_directory(*state, "etc"));
        const char *const directories[] = { directory, NULL };
        unsigned n_left = 0;

        compose(one, 111);
        compose(other, 222);
        srand(5);
        assert_int_equal(dropin_write(directory, NAME, one), 0);
        for (unsigned i = 0; i < N_KILLS; i++) {
                struct settings settings = settings_default();

                kill_a_writer(directory, texts, 1 + (unsigned) rand() % 3, (unsigned) rand() % 100000);
                read_back(*state, found);
                assert_true(strcmp(found, one) == 0 || strcmp(found, other) == 0);
                n_left += access(tree_path(*state, TEMPORARY), F_OK) == 0;
                assert_int_equal(configuration_load(&settings, directories, complain, NULL), 0);
                assert_int_equal(settings.max_sockets, 77);
        }
        print_message("# %u of %u writers were killed between their first byte and the end\n", n_left, N_KILLS);
        assert_int_equal(dropin_write(directory, NAME, one), 0);
        assert_int_equal(access(tree_path(*state, TEMPORARY), F_OK), -1);
        free((char *) directory);
}

/* The disk that is full: a file may not become so long. */
static int write_with_limit(const char *directory, const char *text) {
        struct rlimit limit = { 1000, 1000 };

        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
                return 100;
        return dropin_write(directory, NAME, text) == -EFBIG ? 0 : 1;
}

static void a_write_that_fails_leaves_the_old_one(void **state) {
        static char text[60000], found[60000];
        const char *directory = tree_directory(*state, "etc");
        int status;
        pid_t pid;

        compose(text, 333);
        assert_int_equal(dropin_write(directory, NAME, "[Socktally]\nProcesses=100\n"), 0);
        pid = fork();
        if (pid == 0)
                _exit(write_with_limit(directory, text));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        read_back(*state, found);
        assert_string_equal(found, "[Socktally]\nProcesses=100\n");
        assert_int_equal(access(tree_path(*state, TEMPORARY), F_OK), -1);
}

static void a_link_in_the_place_of_the_temporary_file_is_not_followed(void **state) {
        char victim[512], text[64];
        FILE *file;

        tree_directory(*state, "etc/socktally.conf.d");
        snprintf(victim, sizeof victim, "%s", tree_file(*state, "victim", "untouched"));
        assert_int_equal(symlink(victim, tree_path(*state, TEMPORARY)), 0);
        assert_int_equal(dropin_write(tree_directory(*state, "etc"), NAME, "[Socktally]\n"), 0);
        file = fopen(victim, "re");
        assert_non_null(file);
        text[fread(text, 1, sizeof text - 1, file)] = '\0';
        fclose(file);
        assert_string_equal(text, "untouched");
}

static void directories_that_are_missing_are_made(void **state) {
        char directory[512];
        struct stat st;

        snprintf(directory, sizeof directory, "%s/new", tree_directory(*state, "etc"));
        assert_int_equal(dropin_remove(directory, NAME), 0);
        assert_int_equal(dropin_write(directory, NAME, "[Socktally]\n"), 0);
        assert_int_equal(stat(tree_path(*state, "etc/new/socktally.conf.d/" NAME), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        assert_int_equal(dropin_remove(directory, NAME), 0);
        assert_int_equal(dropin_remove(directory, NAME), 0);
        assert_int_equal(stat(tree_path(*state, "etc/new/socktally.conf.d/" NAME), &st), -1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(after_a_kill_it_is_the_old_one_or_the_new_one),
                CASE(a_write_that_fails_leaves_the_old_one),
                CASE(a_link_in_the_place_of_the_temporary_file_is_not_followed),
                CASE(directories_that_are_missing_are_made),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
