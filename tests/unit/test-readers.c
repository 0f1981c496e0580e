/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the readers' socket, with good, slow, silent and hostile peers. Both ends live in this process:
 * the loop is run until nothing is left to do, so there is nothing to wait for but the silence of a silent peer.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/publish/readers.h"
#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "libclient/socktally.h"
#include "tests/unit/peer.h"
#include "tests/unit/tree.h"

#define GROUP 54321
#define STRANGER 65534

struct stage {
        struct tree *tree;
        sd_event *event;
        struct readers *readers;
        int views[N_PUBLISH_VIEWS];
        unsigned n_arrived;
};

static void on_arrived(void *userdata) {
        struct stage *stage = userdata;

        stage->n_arrived++;
}

static int get_view(void *userdata, enum publish_view view) {
        struct stage *stage = userdata;

        return stage->views[view];
}

static int setup(void **state) {
        struct stage *stage = calloc(1, sizeof *stage);

        tree_setup((void **) &stage->tree);
        assert_int_equal(chmod(stage->tree->path, 0755), 0);
        assert_true(sd_event_new(&stage->event) >= 0);
        stage->views[PUBLISH_PUBLIC] = memfd_create("public", MFD_CLOEXEC);
        stage->views[PUBLISH_FULL] = memfd_create("full", MFD_CLOEXEC);
        *state = stage;
        return 0;
}

static int teardown(void **state) {
        struct stage *stage = *state;

        readers_free(stage->readers);
        sd_event_unref(stage->event);
        close(stage->views[0]);
        close(stage->views[1]);
        tree_teardown((void **) &stage->tree);
        free(stage);
        return 0;
}

static void stage_open(struct stage *stage, uint32_t max, uint32_t max_per_uid, uint64_t timeout_usec) {
        struct readers_config config = {
                .gid = GROUP,
                .max = max,
                .max_per_uid = max_per_uid,
                .timeout_usec = timeout_usec,
                .arrived = on_arrived,
                .view_fd = get_view,
                .userdata = stage,
        };

        assert_int_equal(readers_listen(tree_path(stage->tree, "readers"), &config.listen_fd), 0);
        assert_int_equal(readers_new(&stage->readers, stage->event, &config), 0);
}

static void settle(struct stage *stage) {
        while (sd_event_run(stage->event, 0) > 0)
                continue;
}

static int dial(struct stage *stage) {
        return peer_dial(tree_path(stage->tree, "readers"));
}

/* Connects as an ordinary user, with one more group if it is not 0; the kernel notes that at the connect. */
static int dial_as_stranger(struct stage *stage, gid_t group) {
        int fd;

        assert_int_equal(setgroups(group ? 1 : 0, &group), 0);
        assert_int_equal(setegid(STRANGER), 0);
        assert_int_equal(seteuid(STRANGER), 0);
        fd = dial(stage);
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(setegid(0), 0);
        return fd;
}

static bool is_view(struct stage *stage, int fd, enum publish_view view) {
        struct stat a, b;

        return fstat(fd, &a) == 0 && fstat(stage->views[view], &b) == 0 && a.st_ino == b.st_ino;
}

static void expect_view(struct stage *stage, int fd, enum handshake_type type, enum publish_view view) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 1);
        assert_int_equal(message.type, type);
        assert_int_equal(message.error, 0);
        assert_int_equal(message.major, LAYOUT_MAJOR);
        assert_int_equal(message.view, view == PUBLISH_FULL ? SOCKTALLY_VIEW_FULL : SOCKTALLY_VIEW_PUBLIC);
        assert_true(is_view(stage, attached, view));
        close(attached);
}

static void expect_nothing(struct stage *stage, int fd) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), -EAGAIN);
}

static void expect_end(struct stage *stage, int fd) {
        struct handshake_message message;
        int attached;

        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 0);
        close(fd);
}

static void expect_refusal(struct stage *stage, int fd, int error) {
        struct handshake_message message;
        int attached;

        peer_say(fd, HANDSHAKE_SUBSCRIBE, 0); /* nobody will read it, and the refusal comes first all the same */
        settle(stage);
        assert_int_equal(peer_hear(fd, &message, &attached), 1);
        assert_int_equal(message.type, HANDSHAKE_GRANT);
        assert_int_equal(message.error, error);
        assert_int_equal(attached, -1);
        expect_end(stage, fd);
}

static void need_root(void) {
        if (geteuid() != 0)
                skip();
}

static int granted(struct stage *stage, uint32_t wanted, enum publish_view view) {
        int fd = dial(stage);

        peer_say(fd, HANDSHAKE_HELLO, wanted);
        expect_view(stage, fd, HANDSHAKE_GRANT, view);
        return fd;
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

static unsigned count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_daemons_own_user_and_root_get_what_they_ask_for),
                CASE(a_stranger_gets_the_public_view_and_no_more),
                CASE(a_member_of_the_group_gets_everything),
                CASE(a_primary_group_counts_like_any_other),
                CASE(a_member_of_a_thousand_groups_is_recognised),
                CASE(another_version_of_the_layout_is_refused),
                CASE(nonsense_ends_the_connection),
                CASE(a_longer_message_is_understood),
                CASE(who_says_nothing_is_hung_up_on_and_others_stay),
                CASE(one_user_has_only_so_many_connections),
                CASE(all_users_together_have_only_so_many),
                CASE(only_subscribers_hear_of_publications),
                CASE(a_reader_that_does_not_read_loses_messages_and_no_more),
                CASE(a_new_segment_is_sent_to_the_readers_of_that_view),
                CASE(a_reader_too_slow_for_a_new_segment_has_to_come_again),
                CASE(descriptors_that_a_peer_sends_along_are_dropped),
                CASE(who_talks_without_end_is_cut_off),
                CASE(while_there_is_nothing_to_read_readers_are_told_to_come_again),
                CASE(a_dead_socket_is_replaced_and_a_live_one_is_not),
                CASE(without_descriptors_it_pauses_and_then_goes_on),
                CASE(a_thousand_peers_with_random_words_do_no_harm),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
