/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the readers' socket with peers that are slow, silent, greedy or hostile, and with no descriptor
 * left.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/socktally.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/peer.h"
#include "tests/unit/readers-stage.h"

static void nonsense_ends_the_connection(void **state) {
        struct handshake_message message = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_HELLO, .major_max = 1 };
        struct stage *stage = *state;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        fd = dial(stage);
        send(fd, "hello?", 6, 0); /* too short */
        expect_end(stage, fd);
        fd = dial(stage);
        peer_say(fd, HANDSHAKE_SUBSCRIBE, 0); /* before the hello */
        expect_end(stage, fd);
        fd = dial(stage);
        peer_say(fd, 99, 0);
        expect_end(stage, fd);
        fd = dial(stage);
        message.magic++;
        send(fd, &message, sizeof message, 0);
        expect_end(stage, fd);
        fd = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        peer_say(fd, HANDSHAKE_HELLO, 0); /* twice */
        expect_end(stage, fd);
        assert_int_equal(readers_granted(stage->readers), 0);
}

static void who_says_nothing_is_hung_up_on_and_others_stay(void **state) {
        struct stage *stage = *state;
        struct pollfd silent;
        int good;

        stage_open(stage, 10, 10, 50000);
        silent = (struct pollfd) { dial(stage), POLLIN, 0 };
        good = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        for (unsigned i = 0; i < 500 && poll(&silent, 1, 0) == 0; i++)
                sd_event_run(stage->event, 10000);
        expect_end(stage, silent.fd);
        expect_nothing(stage, good);
        silent.fd = dial(stage); /* the timer works more than once */
        for (unsigned i = 0; i < 500 && poll(&silent, 1, 0) == 0; i++)
                sd_event_run(stage->event, 10000);
        expect_end(stage, silent.fd);
        assert_int_equal(readers_granted(stage->readers), 1);
        close(good);
}

static void one_user_has_only_so_many_connections(void **state) {
        struct stage *stage = *state;
        int fds[3], stranger;

        stage_open(stage, 10, 3, 1000000);
        for (unsigned i = 0; i < 3; i++)
                fds[i] = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        expect_refusal(stage, dial(stage), EUSERS);
        if (geteuid() == 0) {
                stranger = dial_as_stranger(stage, 0);
                peer_say(stranger, HANDSHAKE_HELLO, 0);
                expect_view(stage, stranger, HANDSHAKE_GRANT, PUBLISH_PUBLIC);
                close(stranger);
        }
        close(fds[0]);
        settle(stage);
        fds[0] = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        for (unsigned i = 0; i < 3; i++)
                close(fds[i]);
}

static void all_users_together_have_only_so_many(void **state) {
        struct stage *stage = *state;
        int fds[2];

        stage_open(stage, 2, 10, 1000000);
        fds[0] = dial(stage); /* those that have not said hello count too */
        fds[1] = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        expect_refusal(stage, dial(stage), EUSERS);
        close(fds[0]);
        close(fds[1]);
}

static void a_reader_that_does_not_read_loses_messages_and_no_more(void **state) {
        struct stage *stage = *state;
        struct handshake_message message;
        unsigned n = 0;
        int fd, attached;

        stage_open(stage, 10, 10, 1000000);
        fd = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        peer_say(fd, HANDSHAKE_SUBSCRIBE, 0);
        settle(stage);
        for (unsigned i = 0; i < 10000; i++)
                readers_published(stage->readers, 0);
        while (peer_hear(fd, &message, &attached) == 1)
                n++;
        assert_in_range(n, 1, 100);
        readers_published(stage->readers, 0);
        assert_int_equal(peer_hear(fd, &message, &attached), 1);
        assert_int_equal(readers_granted(stage->readers), 1);
        close(fd);
}

static void a_reader_too_slow_for_a_new_segment_has_to_come_again(void **state) {
        struct handshake_message message;
        struct stage *stage = *state;
        int fd, attached;

        stage_open(stage, 10, 10, 1000000);
        fd = granted(stage, SOCKTALLY_VIEW_FULL, PUBLISH_FULL);
        for (unsigned i = 0; i < 10000 && readers_granted(stage->readers) > 0; i++)
                readers_published(stage->readers, 1U << PUBLISH_FULL);
        assert_int_equal(readers_granted(stage->readers), 0);
        while (peer_hear(fd, &message, &attached) == 1)
                close(attached);
        close(fd);
        close(granted(stage, SOCKTALLY_VIEW_FULL, PUBLISH_FULL));
}

static void descriptors_that_a_peer_sends_along_are_dropped(void **state) {
        struct handshake_message hello = { .magic = HANDSHAKE_MAGIC, .type = HANDSHAKE_HELLO, .major_max = 9 };
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
        struct iovec iov = { &hello, sizeof hello };
        struct msghdr packet = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof control,
        };
        struct stage *stage = *state;
        unsigned before;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        fd = dial(stage);
        memcpy(CMSG_DATA(&control.header), &stage->views[0], sizeof(int));
        settle(stage);
        before = count_descriptors();
        assert_int_equal(sendmsg(fd, &packet, 0), sizeof hello);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        assert_int_equal(count_descriptors(), before);
        close(fd);
}

static void who_talks_without_end_is_cut_off(void **state) {
        struct stage *stage = *state;
        unsigned n = 0;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        fd = granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL);
        while (n < 1000 && readers_granted(stage->readers) > 0) {
                peer_say(fd, HANDSHAKE_SUBSCRIBE, 0);
                settle(stage);
                n++;
        }
        assert_in_range(n, 10, 100);
        close(fd);
}

static void without_descriptors_it_pauses_and_then_goes_on(void **state) {
        struct rlimit limit, tight;
        struct stage *stage = *state;
        int fd;

        stage_open(stage, 10, 10, 1000000);
        fd = dial(stage);
        peer_say(fd, HANDSHAKE_HELLO, 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        tight = limit;
        tight.rlim_cur = (rlim_t) fd + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
        settle(stage); /* returns: it does not spin */
        expect_nothing(stage, fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (unsigned i = 0; i < 500 && readers_granted(stage->readers) == 0; i++)
                sd_event_run(stage->event, 10000);
        expect_view(stage, fd, HANDSHAKE_GRANT, PUBLISH_FULL);
        close(fd);
}

static void a_thousand_peers_with_random_words_do_no_harm(void **state) {
        struct stage *stage = *state;
        unsigned before;

        srand(11);
        stage_open(stage, 10, 10, 1000000);
        before = count_descriptors();
        for (unsigned i = 0; i < 1000; i++) {
                struct handshake_message message = { .magic = HANDSHAKE_MAGIC, .type = (uint32_t) rand() % 7 };
                unsigned char *bytes = (unsigned char *) &message;
                int fd = dial(stage);

                for (unsigned j = (unsigned) rand() % 20; j > 0; j--)
                        bytes[(unsigned) rand() % sizeof message] = (unsigned char) (rand() >> 5);
                for (unsigned j = (unsigned) rand() % 4; j > 0; j--)
                        send(fd, &message, rand() % 2 ? sizeof message : (size_t) rand() % sizeof message,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
                settle(stage);
                readers_published(stage->readers, (unsigned) rand() % 4);
                close(fd);
                settle(stage);
        }
        close(granted(stage, SOCKTALLY_VIEW_BEST, PUBLISH_FULL));
        settle(stage);
        assert_int_equal(count_descriptors(), before);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, readers_setup, readers_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(nonsense_ends_the_connection),
                CASE(who_says_nothing_is_hung_up_on_and_others_stay),
                CASE(one_user_has_only_so_many_connections),
                CASE(all_users_together_have_only_so_many),
                CASE(a_reader_that_does_not_read_loses_messages_and_no_more),
                CASE(a_reader_too_slow_for_a_new_segment_has_to_come_again),
                CASE(descriptors_that_a_peer_sends_along_are_dropped),
                CASE(who_talks_without_end_is_cut_off),
                CASE(without_descriptors_it_pauses_and_then_goes_on),
                CASE(a_thousand_peers_with_random_words_do_no_harm),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
