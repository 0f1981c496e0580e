/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dying writer tells its readers, and what its segments do not tell about it while it lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "libclient/frame.h"
#include "libclient/futex.h"
#include "tests/unit/fixture.h"

#define N_SEGMENTS 3
#define MAX_RANGES 4096

struct view_of_segment {
        const unsigned char *base;
        size_t size;
        const uint32_t *owner;
};

struct range {
        uint64_t start, end;
};

/* As a reader in another language would do it: by the header alone. */
static struct view_of_segment view(int fd) {
        const struct layout_header *header;
        struct view_of_segment view;
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        view.size = (size_t) st.st_size;
        view.base = mmap(NULL, view.size, PROT_READ, MAP_SHARED, fd, 0);
        assert_ptr_not_equal(view.base, MAP_FAILED);
        header = (const void *) view.base;
        view.owner = (const void *) (view.base + header->owner_offset);
        return view;
}

static void forget(struct view_of_segment view) {
        assert_int_equal(munmap((void *) view.base, view.size), 0);
}

static uint32_t word_of(struct view_of_segment view) {
        return __atomic_load_n(view.owner, __ATOMIC_ACQUIRE);
}

/* Segments of different shapes, so that their words are at different offsets: a file with all tables, a file without
 * processes, a memfd. */
static struct segment *make_one(struct fixture *f, int i) {
        struct segment_config config = f->config;
        struct segment *segment, *kept = f->segment;

        config.name = i == 0 ? "full" : "public";
        config.directory = i == 2 ? NULL : f->directory;
        config.capacity[LAYOUT_TABLE_PROCESSES] = i == 1 ? 0 : 32;
        config.capacity[LAYOUT_TABLE_SERVICES] = i == 2 ? 0 : 32;
        assert_int_equal(segment_new(&segment, &config), 0);
        f->segment = segment;
        fixture_publish(f, 4);
        f->segment = kept;
        return segment;
}

static void make_all(struct fixture *f, struct segment *segments[N_SEGMENTS]) {
        for (int i = 0; i < N_SEGMENTS; i++)
                segments[i] = make_one(f, i);
}

static void send_fd(int to, int fd) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS } };
        char byte = 'x';
        struct iovec iov = { &byte, 1 };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control) };

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        if (sendmsg(to, &message, 0) != 1)
                _exit(1);
}

static int receive_fd(int from) {
        union {
                struct cmsghdr header;
                char room[CMSG_SPACE(sizeof(int))];
        } control;
        char byte;
        struct iovec iov = { &byte, 1 };
        struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        int fd;

        assert_int_equal(recvmsg(from, &message, MSG_CMSG_CLOEXEC), 1);
        assert_int_equal(message.msg_controllen, sizeof(control));
        memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
        return fd;
}

/* Its parent has a segment, too: what the child inherits of that must not disturb it. */
static pid_t start_writer(struct fixture *f, int fds[N_SEGMENTS], int freed) {
        int pair[2];
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct segment *segments[N_SEGMENTS];

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
                make_all(f, segments);
                for (int i = 0; i < N_SEGMENTS; i++)
                        send_fd(pair[1], segment_fd(segments[i]));
                if (freed >= 0)
                        segment_free(segments[freed], true);
                send_fd(pair[1], pair[1]);
                for (;;)
                        pause();
        }
        for (int i = 0; i < N_SEGMENTS; i++)
                fds[i] = receive_fd(pair[0]);
        close(receive_fd(pair[0])); /* everything is done */
        close(pair[0]);
        close(pair[1]);
        return pid;
}

static void kill_writer(pid_t pid) {
        int status;

        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
}

/* The kernel marks the words before anybody can learn in another way that the process is gone: nothing here waits. */
static void all_segments_tell_of_a_death_by_sigkill_at_once(void **state) {
        struct fixture *f = *state;
        struct socktally *readers[N_SEGMENTS];
        struct socktally_info info = { .size = sizeof(info) };
        struct view_of_segment views[N_SEGMENTS];
        int fds[N_SEGMENTS];
        pid_t pid = start_writer(f, fds, -1);

        for (int i = 0; i < N_SEGMENTS; i++) {
                views[i] = view(fds[i]);
                assert_int_equal(word_of(views[i]), (uint32_t) pid | FUTEX_BIT_WAITERS);
                assert_int_equal(socktally_open_fd(&readers[i], fds[i]), 0);
                assert_int_equal(socktally_refresh(readers[i]), SOCKTALLY_NEW);
                assert_int_equal(socktally_get_info(readers[i], &info), 0);
                assert_int_equal(info.freshness, SOCKTALLY_FRESH);
        }
        kill_writer(pid);
        for (int i = 0; i < N_SEGMENTS; i++) {
                assert_int_equal(socktally_get_info(readers[i], &info), 0);
                assert_int_equal(info.freshness, SOCKTALLY_STALE);
                assert_int_equal(word_of(views[i]), FUTEX_BIT_OWNER_DIED | FUTEX_BIT_WAITERS);
                forget(views[i]);
                socktally_close(readers[i]);
        }
}

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * FIXTURE_SECOND + (uint64_t) now.tv_nsec;
}

/* False: nobody woke it. */
static bool sleep_on_word(struct view_of_segment seen, uint32_t word) {
        uint64_t deadline = now_ns() + 120 * FIXTURE_SECOND;

        while (word_of(seen) == word)
                if (futex_wait_one(seen.owner, word, deadline) == -ETIMEDOUT)
                        return false;
        return true;
}

/* One process sleeps on each word. */
static void sleepers_on_each_of_the_words_are_woken(void **state) {
        struct fixture *f = *state;
        pid_t sleepers[N_SEGMENTS], pid;
        int fds[N_SEGMENTS], ready[2];
        char byte;

        pid = start_writer(f, fds, -1);
        assert_int_equal(pipe(ready), 0);
        for (int i = 0; i < N_SEGMENTS; i++) {
                sleepers[i] = fork();
                assert_true(sleepers[i] >= 0);
                if (sleepers[i] == 0) {
                        struct view_of_segment seen = view(fds[i]);
                        uint32_t word = word_of(seen);

                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                        if (write(ready[1], "x", 1) != 1)
                                _exit(1);
                        _exit(sleep_on_word(seen, word) ? 0 : 2);
                }
        }
        for (int i = 0; i < N_SEGMENTS; i++)
                assert_int_equal(read(ready[0], &byte, 1), 1);
        kill_writer(pid);
        for (int i = 0; i < N_SEGMENTS; i++) {
                int status;

                assert_int_equal(waitpid(sleepers[i], &status, 0), sleepers[i]);
                assert_int_equal(status, 0);
                close(fds[i]);
        }
        close(ready[0]);
        close(ready[1]);
}

static void a_segment_given_back_before_takes_no_part_in_the_death(void **state) {
        struct fixture *f = *state;

        for (int freed = 0; freed < N_SEGMENTS; freed++) {
                int fds[N_SEGMENTS];
                pid_t pid = start_writer(f, fds, freed);
                struct view_of_segment views[N_SEGMENTS];

                for (int i = 0; i < N_SEGMENTS; i++)
                        views[i] = view(fds[i]);
                assert_int_equal(word_of(views[freed]), 0);
                kill_writer(pid);
                for (int i = 0; i < N_SEGMENTS; i++) {
                        assert_int_equal(word_of(views[i]),
                                         i == freed ? 0 : FUTEX_BIT_OWNER_DIED | FUTEX_BIT_WAITERS);
                        forget(views[i]);
                        close(fds[i]);
                }
        }
}

/* The child's copy is not the owner's: neither its death nor its giving back is the writer's. */
static void what_a_forked_child_does_says_nothing_about_its_parent(void **state) {
        struct fixture *f = *state;
        struct segment *segments[N_SEGMENTS];
        struct view_of_segment views[N_SEGMENTS];
        pid_t pid;
        int status;

        make_all(f, segments);
        for (int i = 0; i < N_SEGMENTS; i++)
                views[i] = view(segment_fd(segments[i]));
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct segment_config config = f->config;
                struct segment *own;

                config.directory = NULL;
                if (segment_new(&own, &config) < 0)
                        _exit(1);
                segment_free(segments[1], true);
                kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        for (int i = 0; i < N_SEGMENTS; i++) {
                assert_int_equal(word_of(views[i]), (uint32_t) getpid() | FUTEX_BIT_WAITERS);
                forget(views[i]);
                segment_free(segments[i], false);
        }
}

static void *robust_list_of_the_thread(void) {
        void *head = NULL;
        size_t size;

        assert_int_equal(syscall(SYS_get_robust_list, 0, &head, &size), 0);
        return head;
}

static void the_last_segment_leaves_the_thread_as_it_was(void **state) {
        struct fixture *f = *state;
        struct segment *segments[N_SEGMENTS];
        void *before, *during;

        f->segment = segment_free(f->segment, false);
        before = robust_list_of_the_thread();
        make_all(f, segments);
        during = robust_list_of_the_thread();
        assert_ptr_not_equal(during, before);
        for (int i = 0; i < N_SEGMENTS; i++) {
                assert_ptr_equal(robust_list_of_the_thread(), during);
                segment_free(segments[i], false);
        }
        assert_ptr_equal(robust_list_of_the_thread(), before);
}

/* Below 4 GiB there is at most a program that is not position independent, whose place is no secret, and numbers that
 * look like it; ranges of terabytes are a sanitizer's. The vsyscall page is the same everywhere. */
static bool is_secret(const struct range *range) {
        return range->start >> 32 && range->end - range->start < UINT64_C(1) << 40 &&
               range->start < UINT64_C(1) << 63;
}

static size_t ranges_of_this_process(struct range ranges[MAX_RANGES]) {
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[4096 + 256];
        size_t n = 0;

        assert_non_null(maps);
        while (n < MAX_RANGES && fgets(line, sizeof(line), maps))
                if (sscanf(line, "%" SCNx64 "-%" SCNx64, &ranges[n].start, &ranges[n].end) == 2)
                        n += is_secret(&ranges[n]);
        fclose(maps);
        assert_in_range(n, 4, MAX_RANGES - 1);
        return n;
}

static unsigned int addresses_in(const unsigned char *base, size_t size, const struct range *ranges, size_t n_ranges) {
        unsigned int found = 0;

        for (size_t i = 0; i + 8 <= size; i += 8) { /* pointers are aligned; in between, numbers meet by chance */
                uint64_t value;

                memcpy(&value, base + i, sizeof(value));
                if (value >> 32 == (uint64_t) getpid()) /* the header tells it, as the second of two short words */
                        continue;
                for (size_t k = 0; k < n_ranges && value >> 32; k++)
                        if (value >= ranges[k].start && value < ranges[k].end) {
                                print_message("# at offset %zu: %#" PRIx64 "\n", i, value);
                                found++;
                        }
        }
        return found;
}

static void no_segment_holds_an_address_of_its_writer(void **state) {
        struct fixture *f = *state;
        static struct range ranges[MAX_RANGES];
        struct segment *segments[N_SEGMENTS];
        unsigned char *with_an_address;
        size_t n_ranges;

        make_all(f, segments);
        n_ranges = ranges_of_this_process(ranges);
        for (int i = 0; i < N_SEGMENTS; i++) {
                struct view_of_segment seen = view(segment_fd(segments[i]));

                assert_int_equal(addresses_in(seen.base, seen.size, ranges, n_ranges), 0);
                forget(seen);
        }
        /* It would see one. */
        with_an_address = calloc(1, 100);
        assert_non_null(with_an_address);
        memcpy(with_an_address + 32, &segments[0], sizeof(segments[0]));
        assert_int_equal(addresses_in(with_an_address, 100, ranges, n_ranges),
                         (uint64_t) (uintptr_t) segments[0] >> 32 != (uint64_t) getpid());
        free(with_an_address);
        for (int i = 0; i < N_SEGMENTS; i++)
                segment_free(segments[i], false);
}

/* Killed writers leave their files. */
static int teardown(void **state) {
        struct fixture *f = *state;
        char path[128];

        snprintf(path, sizeof(path), "%s/public", f->directory);
        (void) unlink(path);
        return fixture_teardown(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(all_segments_tell_of_a_death_by_sigkill_at_once),
                CASE(sleepers_on_each_of_the_words_are_woken),
                CASE(a_segment_given_back_before_takes_no_part_in_the_death),
                CASE(what_a_forked_child_does_says_nothing_about_its_parent),
                CASE(the_last_segment_leaves_the_thread_as_it_was),
                CASE(no_segment_holds_an_address_of_its_writer),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
