/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's side of the service of names, against one that behaves, is silent, talks nonsense, or goes away. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/identity.h"
#include "daemon/identity/names.h"
#include "tests/unit/tree.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define DOCKER "/system.slice/docker-" HEX ".scope"
#define USER "/user.slice/user-1000.slice/user@1000.service/app.slice"
#define LONG_USEC UINT64_C(3600000000)
#define SHORT_USEC 1000
#define LIMIT_SEC 60 /* a message that never comes is a failure, too */

struct stage {
        struct tree *tree;
        struct names *names;
        int listen_fd, fd; /* the service: who connected */
};

/* Of the case that runs; they outlive what is made of them. */
static const char *directories[2];
static char socket_path[108];

static int listen_at(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static void open_names(struct stage *stage, uint64_t patience_usec, uint64_t pause_usec, uint64_t max_age_usec) {
        struct names_config config = {
                .socket = socket_path,
                .directories = directories,
                .patience_usec = patience_usec,
                .pause_usec = pause_usec,
                .max_age_usec = max_age_usec,
        };

        stage->fd = -1;
        directories[0] = tree_directory(stage->tree, "applications");
        snprintf(socket_path, sizeof socket_path, "%s", tree_path(stage->tree, "names"));
        assert_int_equal(names_new(&stage->names, &config), 0);
}

static struct stage open_stage(struct tree *tree, uint64_t patience_usec, uint64_t pause_usec, uint64_t max_age_usec) {
        struct stage stage = { .tree = tree };

        stage.listen_fd = listen_at(tree_path(tree, "names"));
        open_names(&stage, patience_usec, pause_usec, max_age_usec);
        return stage;
}

static void close_stage(struct stage *stage) {
        names_close(stage->names);
        if (stage->fd >= 0)
                close(stage->fd);
        close(stage->listen_fd);
}

static struct identity look_up(struct stage *stage, const char *path) {
        struct identity identity = IDENTITY_NULL;

        unit_from_path(path, &identity.unit);
        container_from_path(path, &identity.container);
        app_from_identity(path, &identity);
        names_look_up(stage->names, path, &identity);
        return identity;
}

static void check_name(struct stage *stage, const char *path, const char *name) {
        assert_string_equal(look_up(stage, path).container.name, name);
}

/* Waits for what the daemon's loop would wait for. */
static bool follow(struct stage *stage) {
        struct pollfd fd = { .fd = names_fd(stage->names), .events = POLLIN };

        assert_int_equal(poll(&fd, 1, 10000), 1);
        return names_follow(stage->names);
}

/* Nothing is there to be read by anybody. */
static bool is_quiet(int fd) {
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

        return poll(&poll_fd, 1, 0) == 0;
}

static void take_connection(struct stage *stage) {
        if (stage->fd >= 0)
                close(stage->fd);
        stage->fd = accept(stage->listen_fd, NULL, NULL);
        assert_true(stage->fd >= 0);
}

static struct question take_question(struct stage *stage, const char *id) {
        struct question question;

        assert_int_equal(recv(stage->fd, &question, sizeof question, 0), sizeof question);
        assert_true(question_is_valid(&question));
        assert_string_equal(question.id, id);
        return question;
}

static void send_answer(struct stage *stage, struct question question, const char *name) {
        struct answer answer = { .magic = ANSWER_MAGIC, .number = question.number };

        snprintf(answer.name, sizeof answer.name, "%s", name);
        assert_int_equal(send(stage->fd, &answer, sizeof answer, MSG_NOSIGNAL), sizeof answer);
}

static void a_name_that_comes_later_is_there_from_then_on(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);
        struct question question;
        struct identity identity = look_up(&stage, DOCKER);

        assert_string_equal(identity.container.name, "");
        assert_string_equal(identity.app.name, "0123456789ab");
        take_connection(&stage);
        question = take_question(&stage, HEX);
        assert_int_equal(question.kind, QUESTION_CONTAINER);
        assert_int_equal(question.owner, UNIT_SYSTEM);
        assert_string_equal(question.runtime, "docker");
        assert_false(names_follow(stage.names));
        send_answer(&stage, question, "w\x1b" "eb");
        assert_true(follow(&stage));
        identity = look_up(&stage, DOCKER);
        assert_string_equal(identity.container.name, "w?eb");
        assert_string_equal(identity.app.name, "w?eb");
        assert_string_equal(identity.app.id, "0123456789ab");
        assert_true(is_quiet(stage.fd)); /* it is not asked again */
        assert_false(names_follow(stage.names));
        close_stage(&stage);
}

static void what_has_a_name_is_not_asked_for(void **state) {
        static const char *const paths[] = {
                "/", "/system.slice/nginx.service", "/lxc.payload.web", "/machine.slice/machine-x.scope",
                "/system.slice/snap.lxd.daemon.service",
        };
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);

        for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
                check_name(&stage, paths[i], "");
        assert_true(is_quiet(stage.listen_fd));
        close_stage(&stage);
}

static void the_app_of_a_pod_is_called_after_the_pod(void **state) {
        static const char path[] = "/kubepods/burstable/pod01234567-89ab-cdef-0123-456789abcdef/" HEX;
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);
        struct identity identity = look_up(&stage, path);

        take_connection(&stage);
        send_answer(&stage, take_question(&stage, HEX), "shop/db-0/sql");
        assert_true(follow(&stage));
        identity = look_up(&stage, path);
        assert_string_equal(identity.container.name, "shop/db-0/sql");
        assert_string_equal(identity.app.name, "shop/db-0");
        identity = look_up(&stage, "/system.slice/web.service/libpod-payload-" OTHER);
        send_answer(&stage, take_question(&stage, OTHER), "systemd-web");
        assert_true(follow(&stage));
        identity = look_up(&stage, "/system.slice/web.service/libpod-payload-" OTHER);
        assert_string_equal(identity.container.name, "systemd-web");
        assert_string_equal(identity.app.name, "web.service"); /* a quadlet's */
        close_stage(&stage);
}

/* The unit's name can be read in two ways, and only one of the two is an application's. */
static void applications_of_users_are_asked_for_in_both_readings(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);
        struct question question;

        assert_string_equal(look_up(&stage, USER "/app-my-app-1234.scope").app.name, "app");
        take_connection(&stage);
        question = take_question(&stage, "my-app");
        assert_int_equal(question.kind, QUESTION_APP);
        assert_int_equal(question.owner, 1000);
        send_answer(&stage, question, "My App");
        assert_true(follow(&stage));
        send_answer(&stage, take_question(&stage, "app"), "");
        assert_false(follow(&stage));
        assert_string_equal(look_up(&stage, USER "/app-my-app-1234.scope").app.id, "my-app");
        assert_string_equal(look_up(&stage, USER "/app-my-app-1234.scope").app.name, "My App");
        tree_file(*state, "applications/maps.desktop", "[Desktop Entry]\nName=Maps\n");
        assert_string_equal(look_up(&stage, USER "/app-x-maps-1.scope").app.name, "Maps"); /* nobody is asked */
        (void) take_question(&stage, "x-maps");
        assert_true(is_quiet(stage.fd));
        close_stage(&stage);
}

static void one_question_is_asked_at_a_time(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);
        struct question question;

        check_name(&stage, DOCKER, "");
        check_name(&stage, "/system.slice/docker-" OTHER ".scope", "");
        take_connection(&stage);
        question = take_question(&stage, HEX);
        assert_true(is_quiet(stage.fd));
        send_answer(&stage, question, "");
        assert_false(follow(&stage)); /* there is none, as before */
        send_answer(&stage, take_question(&stage, OTHER), "other");
        assert_true(follow(&stage));
        check_name(&stage, "/system.slice/docker-" OTHER ".scope", "other");
        check_name(&stage, DOCKER, "");
        close_stage(&stage);
}

static void an_old_answer_is_asked_for_once_more(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, 0);

        check_name(&stage, DOCKER, "");
        take_connection(&stage);
        send_answer(&stage, take_question(&stage, HEX), "web");
        assert_true(follow(&stage));
        check_name(&stage, DOCKER, "web");
        send_answer(&stage, take_question(&stage, HEX), "web");
        assert_false(follow(&stage)); /* no news */
        check_name(&stage, DOCKER, "web");
        send_answer(&stage, take_question(&stage, HEX), "renamed");
        check_name(&stage, DOCKER, "web");
        assert_true(follow(&stage));
        check_name(&stage, DOCKER, "renamed");
        close_stage(&stage);
}

static void without_a_service_there_are_no_names_until_there_is_one(void **state) {
        struct stage stage = { .tree = *state };

        open_names(&stage, LONG_USEC, SHORT_USEC, LONG_USEC);
        check_name(&stage, DOCKER, "");
        assert_false(follow(&stage)); /* it tried again */
        stage.listen_fd = listen_at(tree_path(*state, "names"));
        while (is_quiet(stage.listen_fd))
                assert_false(follow(&stage));
        take_connection(&stage);
        send_answer(&stage, take_question(&stage, HEX), "web");
        assert_true(follow(&stage));
        check_name(&stage, DOCKER, "web");
        assert_null(names_complaint(stage.names)); /* it is optional */
        close_stage(&stage);
}

static void connections_keep_their_distance(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, LONG_USEC, LONG_USEC);

        check_name(&stage, DOCKER, "");
        take_connection(&stage);
        close(stage.fd);
        stage.fd = -1;
        assert_false(follow(&stage));
        check_name(&stage, "/system.slice/docker-" OTHER ".scope", "");
        assert_true(is_quiet(stage.listen_fd));
        assert_true(is_quiet(names_fd(stage.names)));
        close_stage(&stage);
}

/* It is given up, and the next question has its turn; an answer that comes much later goes to nobody. */
static void a_service_that_is_silent_costs_nothing_but_the_name(void **state) {
        struct stage stage = open_stage(*state, SHORT_USEC, SHORT_USEC, LONG_USEC);
        static const char other[] = "/system.slice/docker-" OTHER ".scope";

        check_name(&stage, DOCKER, "");
        check_name(&stage, other, "");
        for (unsigned i = 0; i < 4; i++) { /* each question is asked twice */
                while (is_quiet(stage.listen_fd))
                        assert_false(follow(&stage));
                take_connection(&stage);
                (void) take_question(&stage, i % 2 == 0 ? HEX : OTHER);
        }
        while (is_quiet(stage.fd)) /* until it hangs up */
                assert_false(follow(&stage));
        assert_string_equal(names_complaint(stage.names), "it gives no answer");
        assert_null(names_complaint(stage.names));
        check_name(&stage, DOCKER, "");
        assert_true(is_quiet(stage.listen_fd));
        close_stage(&stage);
}

static void garbage_closes_the_connection_and_is_told_once(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, 0, LONG_USEC);
        struct answer good = { .magic = ANSWER_MAGIC }, bad;
        char room[4096] = { 0 };

        for (unsigned i = 0; i < 6; i++) {
                char path[200];
                struct question question;

                snprintf(path, sizeof path, "/system.slice/docker-%064x.scope", i);
                check_name(&stage, path, "");
                take_connection(&stage);
                assert_int_equal(recv(stage.fd, &question, sizeof question, 0), sizeof question);
                good.number = question.number;
                bad = good;
                bad.magic += i == 1;
                bad.number += i == 2;
                if (i == 3)
                        memset(bad.name, 'x', sizeof bad.name);
                memcpy(room, &bad, sizeof bad);
                assert_true(send(stage.fd, room, i == 0 ? 1 : i == 4 ? sizeof room : sizeof bad, 0) > 0);
                if (i == 5) { /* one answer too many */
                        assert_int_equal(send(stage.fd, &good, sizeof good, 0), sizeof good);
                        assert_false(follow(&stage));
                }
                assert_false(follow(&stage));
                assert_int_equal(recv(stage.fd, room, sizeof room, 0), 0);
                assert_int_equal(!names_complaint(stage.names), i > 0);
                check_name(&stage, path, "");
                if (i == 5)
                        break;
                take_connection(&stage); /* it is asked once more */
                assert_int_equal(recv(stage.fd, &question, sizeof question, 0), sizeof question);
                send_answer(&stage, question, "");
                assert_false(follow(&stage));
                shutdown(stage.fd, SHUT_RDWR);
                assert_false(follow(&stage));
        }
        close_stage(&stage);
}

static void a_service_that_accepts_nobody_does_not_hold_up(void **state) {
        struct stage stage = open_stage(*state, LONG_USEC, 0, LONG_USEC);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fds[64], n = 0;

        snprintf(address.sun_path, sizeof address.sun_path, "%s", tree_path(*state, "names"));
        do {
                fds[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
                assert_true(n < 63);
        } while (connect(fds[n++], (struct sockaddr *) &address, sizeof address) == 0);
        check_name(&stage, DOCKER, "");
        while (n > 0)
                close(fds[--n]);
        close_stage(&stage);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tree_setup, tree_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(a_name_that_comes_later_is_there_from_then_on),
                CASE(what_has_a_name_is_not_asked_for),
                CASE(the_app_of_a_pod_is_called_after_the_pod),
                CASE(applications_of_users_are_asked_for_in_both_readings),
                CASE(one_question_is_asked_at_a_time),
                CASE(an_old_answer_is_asked_for_once_more),
                CASE(without_a_service_there_are_no_names_until_there_is_one),
                CASE(connections_keep_their_distance),
                CASE(a_service_that_is_silent_costs_nothing_but_the_name),
                CASE(garbage_closes_the_connection_and_is_told_once),
                CASE(a_service_that_accepts_nobody_does_not_hold_up),
        };

        (void) alarm(LIMIT_SEC);
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
