/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the readers' socket: who is granted which view, and what readers hear.
 */
#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/socktally.h"
#include "tests/unit/peer.h"
#include "tests/unit/readers-stage.h"

static void need_root(void) {
        if (geteuid() != 0)
                skip();
}

static void the_daemons_own_user_and_root_get_what_they_ask_for(void **state) {
        struct stage *stage = *state;

        stage_open(stage, 10, 10, 1000000);
        close(granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL));
        close(granted(stage, SOCKTALLY_VIEW_FULL, PUBLISH_FULL));
        close(granted(stage, SOCKTALLY_VIEW_PUBLIC, PUBLISH_PUBLIC));
        close(granted(stage, SOCKTALLY_VIEW_USER, PUBLISH_PUBLIC));
        settle(stage);
        assert_int_equal(stage->n_arrived, 4);
        assert_int_equal(readers_granted(stage->readers), 0);
}

static void a_stranger_gets_the_public_view_and_no_more(void **state) {
        struct stage *stage = *state;
        int fd;

        need_root();
        stage_open(stage, 10, 10, 1000000);
        fd = dial_as_stranger(stage, 0);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_BEST);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_PUBLIC);
        close(fd);
        fd = dial_as_stranger(stage, 0);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_FULL);
        expect_refusal(stage, fd, EACCES);
}

static void a_member_of_the_group_gets_everything(void **state) {
        struct stage *stage = *state;
        int fd;

        need_root();
        stage_open(stage, 10, 10, 1000000);
        fd = dial_as_stranger(stage, GROUP);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_BEST);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        close(fd);
        fd = dial_as_stranger(stage, GROUP + 1);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_BEST);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_PUBLIC);
        close(fd);
}

static void a_primary_group_counts_like_any_other(void **state) {
        struct stage *stage = *state;
        int fd;

        need_root();
        stage_open(stage, 10, 10, 1000000);
        assert_int_equal(setgroups(0, NULL), 0);
        assert_int_equal(setegid(GROUP), 0);
        assert_int_equal(seteuid(STRANGER), 0);
        fd = dial(stage);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_FULL);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        close(fd);
}

static void a_member_of_a_thousand_groups_is_recognised(void **state) {
        struct stage *stage = *state;
        gid_t groups[1000];
        int fd;

        need_root();
        stage_open(stage, 10, 10, 1000000);
        for (gid_t i = 0; i < 1000; i++)
                groups[i] = i == 999 ? GROUP : 100000 + i;
        assert_int_equal(setgroups(1000, groups), 0);
        assert_int_equal(seteuid(STRANGER), 0);
        fd = dial(stage);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setgroups(0, NULL), 0);
        peer_say(fd, HANDSHAKE_HELLO, SOCKTALLY_VIEW_FULL);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        close(fd);
}

static void another_version_of_the_layout_is_refused(void **state) {
        struct handshake_message hello = {
                .magic = HANDSHAKE_MAGIC,
                .type = HANDSHAKE_HELLO,
                .major_min = LAYOUT_MAJOR + 1,
                .major_max = LAYOUT_MAJOR + 5,
        };
        struct stage *stage = *state;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        fd = dial(stage);
        send(fd, &hello, sizeof hello, 0);
        expect_refusal(stage, fd, EPROTONOSUPPORT);
}

static void a_longer_message_is_understood(void **state) {
        struct stage *stage = *state;
        char longer[4096] = { 0 };
        struct handshake_message *message = (struct handshake_message *) longer;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        *message = (struct handshake_message) { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_HELLO, .major_max = 9 };
        fd = dial(stage);
        send(fd, longer, sizeof longer, 0);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        close(fd);
}

static void only_subscribers_hear_of_publications(void **state) {
        struct stage *stage = *state;
        struct handshake_message message;
        int subscriber, other, attached;

        stage_open(stage, 10, 10, 1000000);
        subscriber = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        other = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        peer_say(subscriber, HANDSHAKE_SUBSCRIBE, 0);
        settle(stage);
        readers_published(stage->readers, 0);
        assert_int_equal(peer_hear(subscriber, &message, &attached), 1);
        assert_int_equal(message.type, HANDSHAKE_PUBLISHED);
        assert_int_equal(attached, -1);
        expect_nothing(stage, other);
        close(subscriber);
        close(other);
}

static void a_new_segment_is_sent_to_the_readers_of_that_view(void **state) {
        struct stage *stage = *state;
        int full, public;

        stage_open(stage, 10, 10, 1000000);
        full = granted(stage, SOCKTALLY_VIEW_FULL, PUBLISH_FULL);
        public = granted(stage, SOCKTALLY_VIEW_PUBLIC, PUBLISH_PUBLIC);
        close(stage->views[PUBLISH_FULL]);
        stage->views[PUBLISH_FULL] = memfd_create("larger", MFD_CLOEXEC);
        readers_published(stage->readers, 1U << PUBLISH_FULL);
        expect_view(stage, full, HANDSHAKE_SEGMENT, PUBLISH_FULL);
        expect_nothing(stage, public);
        close(full);
        close(public);
}

static void while_there_is_nothing_to_read_readers_are_told_to_come_again(void **state) {
        struct stage *stage = *state;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        close(stage->views[PUBLISH_FULL]);
        stage->views[PUBLISH_FULL] = -1;
        fd = dial(stage);
        peer_say(fd, HANDSHAKE_HELLO, 0);
        expect_refusal(stage, fd, EAGAIN);
}

static void a_dead_socket_is_replaced_and_a_live_one_is_not(void **state) {
        struct stage *stage = *state;
        const char *path = tree_path(stage->tree, "readers");
        struct stat st;
        int a, b;

        assert_int_equal(readers_listen(path, &a), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0666);
        assert_int_equal(readers_listen(path, &b), -EADDRINUSE);
        close(a); /* as after a crash: the name stays */
        assert_int_equal(readers_listen(path, &b), 0);
        close(b);
        assert_int_equal(readers_listen("/nowhere/at/all/readers", &b), -ENOENT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, readers_setup, readers_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_daemons_own_user_and_root_get_what_they_ask_for),
                CASE(a_stranger_gets_the_public_view_and_no_more),
                CASE(a_member_of_the_group_gets_everything),
                CASE(a_primary_group_counts_like_any_other),
                CASE(a_member_of_a_thousand_groups_is_recognised),
                CASE(another_version_of_the_layout_is_refused),
                CASE(a_longer_message_is_understood),
                CASE(only_subscribers_hear_of_publications),
                CASE(a_new_segment_is_sent_to_the_readers_of_that_view),
                CASE(while_there_is_nothing_to_read_readers_are_told_to_come_again),
                CASE(a_dead_socket_is_replaced_and_a_live_one_is_not),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
