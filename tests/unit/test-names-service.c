/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The service of names in a process of its own, from the daemon's question to the name in a row's identity. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/desktop.h"
#include "daemon/identity/identities.h"
#include "daemon/identity/names.h"
#include "names/server.h"
#include "tests/unit/tree.h"
#include "tools/namer.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CGROUP "/system.slice/docker-" HEX ".scope"

#define LIMIT_SEC 60 /* a message that never comes is a failure, too */

static struct tree *tree; /* of the case that runs */

static int setup(void **state) {
        int r = tree_setup(state);

        tree = *state;
        return r;
}

static int open_listener(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", tree_path(tree, "names"));
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static const char *find_home(uid_t uid) {
        if (uid == 4711)
                for (;;)
                        pause(); /* as on a file system that does not answer */
        return tree_path(tree, "home");
}

/* The service, with the tree as its root. */
static pid_t start_server(int idle_msec) {
        const struct places places = { .root = tree->path, .root_owner = geteuid(), .find_home = find_home };
        struct server_config config = { .places = &places, .idle_msec = idle_msec, .limit_sec = 1 };
        pid_t pid;

        config.listen_fd = open_listener();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0)
                _exit(server_run(&config) == 0 ? 7 : 1);
        close(config.listen_fd);
        return pid;
}

static int wait_for(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

static void stop_server(pid_t pid) {
        assert_int_equal(kill(pid, SIGTERM), 0);
        assert_int_equal(WTERMSIG(wait_for(pid)), SIGTERM);
}

static int connect_server(void) {
        int fd = question_connect(tree_path(tree, "names"));

        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* the test waits */
        return fd;
}

static struct question question_of(uint32_t owner) {
        return (struct question) { .magic = QUESTION_MAGIC, .kind = QUESTION_CONTAINER, .owner = owner,
                                   .number = 5, .runtime = "docker", .id = HEX };
}

static void check_answer(int fd, struct question question, const char *name) {
        struct answer answer;

        assert_int_equal(send(fd, &question, sizeof question, MSG_NOSIGNAL), sizeof question);
        assert_int_equal(recv(fd, &answer, sizeof answer, 0), sizeof answer);
        assert_true(answer_is_valid(&answer, question.number));
        assert_string_equal(answer.name, name);
}

static int open_source(void **ret_state) {
        struct names_config config = {
                .socket = tree_path(tree, "names"),
                .directories = desktop_directories,
                .patience_usec = 10000000,
                .pause_usec = 1000,
                .max_age_usec = 10000000,
        };
        struct names *names;
        int r = names_new(&names, &config);

        *ret_state = names;
        return r;
}

static struct identity find(struct identities *identities, uint64_t cgroup_id) {
        struct process_key key = { .tgid = 42, .cgroup_id = cgroup_id };
        struct identity identity;

        assert_true(identities_find(identities, &key, 0, "p", &identity));
        return identity;
}

/* As in the daemon, with its own loop and its own table of sources but for the socket's path. */
static void a_row_gets_the_name_of_its_container(void **state) {
        static const struct identity_source sources[] = {
                { .name = "unit", .look_up = unit_look_up },
                { .name = "container", .look_up = container_look_up },
                { .name = "app", .look_up = app_look_up },
                { .name = "names", .look_up = names_look_up, .open = open_source,
                  .close = names_close, .fd = names_fd, .follow = names_follow, .complaint = names_complaint },
                { .name = NULL },
        };
        struct identities_config config = {
                .proc = tree_directory(tree, "proc"),
                .cgroup_mount = tree_directory(tree, "cgroup"),
                .max_cgroups = 100,
                .sources = sources,
        };
        struct identities *identities;
        struct stat st;
        pid_t pid;

        tree_file(tree, "var/lib/docker/containers/" HEX "/config.v2.json", "{\"Name\":\"/web\"}");
        assert_int_equal(stat(tree_directory(tree, "cgroup" CGROUP), &st), 0);
        assert_int_equal(sd_event_new(&config.event), 0);
        assert_int_equal(identities_new(&identities, &config), 0);
        assert_string_equal(find(identities, st.st_ino).container.name, ""); /* there is no service yet */
        pid = start_server(-1);
        while (identities_generation(identities) == 0)
                assert_true(sd_event_run(config.event, UINT64_MAX) > 0);
        assert_string_equal(find(identities, st.st_ino).container.name, "web");
        assert_string_equal(find(identities, st.st_ino).app.name, "web");
        assert_string_equal(find(identities, st.st_ino).app.id, "0123456789ab");
        identities_free(identities);
        sd_event_unref(config.event);
        stop_server(pid);
}

static void identify_waits_for_the_same_name(void **state) {
        struct namer namer = NAMER_NULL;
        struct identity identity;
        pid_t pid;

        namer.socket = tree_path(tree, "names");
        identity_from_path(CGROUP, namer_ask, &namer, &identity);
        assert_string_equal(identity.container.name, "");
        tree_file(tree, "var/lib/docker/containers/" HEX "/config.v2.json", "{\"Name\":\"/w\\u202eb\"}");
        pid = start_server(-1);
        namer = NAMER_NULL;
        namer.socket = tree_path(tree, "names");
        identity_from_path(CGROUP, namer_ask, &namer, &identity);
        assert_string_equal(identity.container.name, "w???b");
        assert_string_equal(identity.app.name, "w???b");
        namer_done(&namer);
        stop_server(pid);
}

static void what_is_no_question_ends_the_connection_and_nothing_else(void **state) {
        struct question question = question_of(QUESTION_SYSTEM);
        pid_t pid = start_server(-1);
        int good = connect_server();
        char room[2000] = { 0 };

        for (unsigned i = 0; i < 5; i++) {
                int fd = connect_server();
                struct question bad = question;

                bad.magic += i == 0;
                if (i == 1)
                        memset(bad.id, 'x', sizeof bad.id);
                if (i == 2)
                        memset(bad.runtime, 'x', sizeof bad.runtime);
                memcpy(room, &bad, sizeof bad);
                assert_true(send(fd, room, i == 3 ? sizeof room : i == 4 ? 1 : sizeof bad, 0) > 0);
                assert_int_equal(recv(fd, room, sizeof room, 0), 0);
                close(fd);
                check_answer(good, question, "");
        }
        question.kind = 99;
        check_answer(good, question, "");
        close(good);
        stop_server(pid);
}

static void more_peers_than_there_is_room_for_wait(void **state) {
        pid_t pid = start_server(-1);
        int fds[9];

        for (unsigned i = 0; i < 9; i++)
                fds[i] = connect_server();
        for (unsigned i = 0; i < 9; i++) {
                check_answer(fds[i], question_of(QUESTION_SYSTEM), "");
                close(fds[i]);
        }
        stop_server(pid);
}

static void it_ends_when_nobody_asks(void **state) {
        pid_t pid = start_server(50);
        int fd = connect_server(), status;

        check_answer(fd, question_of(QUESTION_SYSTEM), "");
        status = wait_for(pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 7);
        close(fd);
}

static void a_question_that_takes_too_long_ends_it(void **state) {
        struct question question = question_of(4711);
        pid_t pid = start_server(-1);
        int fd = connect_server(), status;

        assert_int_equal(send(fd, &question, sizeof question, MSG_NOSIGNAL), sizeof question);
        status = wait_for(pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGALRM);
        close(fd);
}

/* The program, with the machine's own files, started as systemd does. */
static void the_program_takes_the_socket_that_it_is_given(void **state) {
        char program[] = "names/socktally-names", pid_text[16];
        int listen_fd = open_listener(), fd;
        pid_t pid = fork();

        if (pid == 0) {
                snprintf(pid_text, sizeof pid_text, "%d", (int) getpid());
                setenv("LISTEN_PID", pid_text, 1);
                setenv("LISTEN_FDS", "1", 1);
                if (dup2(listen_fd, 3) == 3)
                        execl(program, program, NULL);
                _exit(127);
        }
        fd = connect_server();
        check_answer(fd, question_of(QUESTION_SYSTEM), "");
        check_answer(fd, question_of(0), "");
        close(fd);
        stop_server(pid);
        close(listen_fd);
}

static void the_program_does_nothing_without_a_socket(void **state) {
        pid_t pid = fork();

        if (pid == 0) {
                close(STDERR_FILENO);
                execl("names/socktally-names", "socktally-names", NULL);
        }
        assert_int_equal(WEXITSTATUS(wait_for(pid)), 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_row_gets_the_name_of_its_container),
                CASE(identify_waits_for_the_same_name),
                CASE(what_is_no_question_ends_the_connection_and_nothing_else),
                CASE(more_peers_than_there_is_room_for_wait),
                CASE(it_ends_when_nobody_asks),
                CASE(a_question_that_takes_too_long_ends_it),
                CASE(the_program_takes_the_socket_that_it_is_given),
                CASE(the_program_does_nothing_without_a_socket),
        };

        (void) alarm(LIMIT_SEC);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
