/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What outlives the daemon, with a service manager that only collects what it is sent, and daemons that are killed. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/identity/identities.h"
#include "daemon/keep.h"
#include "daemon/totals/totals-private.h"

#include "tests/unit/scene.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, manager_setup, manager_teardown)
#define KILLED 9

/* Which writes of a save are still to come before the daemon dies; 0: it lives. */
static unsigned writes_left;

static bool is_killed(void) {
        return writes_left > 0 && --writes_left == 0;
}

/* Half of it is in the file. */
size_t fwrite(const void *memory, size_t size, size_t n, FILE *file) {
        static size_t (*real)(const void *, size_t, size_t, FILE *);

        if (!real)
                real = (size_t (*)(const void *, size_t, size_t, FILE *)) dlsym(RTLD_NEXT, "fwrite");
        if (is_killed()) {
                (void) real(memory, 1, size * n / 2, file);
                (void) fflush(file);
                _exit(KILLED);
        }
        return real(memory, size, n, file);
}

ssize_t pwrite(int fd, const void *memory, size_t size, off_t offset) {
        static ssize_t (*real)(int, const void *, size_t, off_t);

        if (!real)
                real = (ssize_t (*)(int, const void *, size_t, off_t)) dlsym(RTLD_NEXT, "pwrite");
        if (is_killed())
                _exit(KILLED);
        return real(fd, memory, size, offset);
}

/* A collector with some objects. */
static uint64_t generation, numbers[4];
static int n_numbers;

static uint64_t kernel_generation(const struct collect *collect) {
        return generation;
}

static int kernel_change_fd(const struct collect *collect) {
        return -1;
}

static int kernel_keep(struct collect *collect, struct collect_kept *ret_kept, int *ret_fds, uint64_t *ret_numbers,
                       size_t max) {
        *ret_kept = (struct collect_kept) { .build = generation };
        for (int i = 0; i < n_numbers; i++) {
                ret_fds[i] = STDIN_FILENO;
                ret_numbers[i] = numbers[i];
        }
        return n_numbers ? n_numbers : -EBUSY;
}

static const struct collect_operations counting = {
        .generation = kernel_generation,
        .change_fd = kernel_change_fd,
        .keep = kernel_keep,
};

struct manager {
        int socket;
        struct identities *identities;
        struct scene scene;
        struct totals_config config;
        struct keep keep; /* what the next daemon is passed */
};

static int manager_setup(void **state) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        struct identities_config identities = { .proc = "/proc" };
        struct manager *m = calloc(1, sizeof *m);
        char name[64];

        assert_non_null(m);
        snprintf(name, sizeof name, "@socktally-test-keep-%d", (int) getpid());
        memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
        m->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(m->socket, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name))), 0);
        setenv("NOTIFY_SOCKET", name, 1);
        assert_int_equal(identities_new(&m->identities, &identities), 0);
        scene_init(&m->scene);
        m->config = (struct totals_config) { .max = scene_rows(100, 100),
                                                .identity = scene_identify, .userdata = &m->scene };
        writes_left = 0;
        generation = 1;
        n_numbers = 0;
        *state = m;
        return 0;
}

static int manager_teardown(void **state) {
        struct manager *m = *state;

        keep_close(&m->keep);
        scene_done(&m->scene);
        identities_free(m->identities);
        close(m->socket);
        unsetenv("NOTIFY_SOCKET");
        free(m);
        return 0;
}

/* One message. Returns false when there is none; a descriptor that is stored goes to the next daemon. */
static bool receive(struct manager *m, char text[static 256]) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec vector = { text, 255 };
        struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof control };
        ssize_t n = recvmsg(m->socket, &message, MSG_CMSG_CLOEXEC);
        char *name;
        int fd;

        if (n < 0)
                return false;
        text[n] = '\0';
        name = strstr(text, "FDNAME=");
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
                if (c->cmsg_type == SCM_RIGHTS) {
                        memcpy(&fd, CMSG_DATA(c), sizeof fd);
                        assert_non_null(name);
                        assert_true(keep_accept_descriptor(&m->keep, name + strlen("FDNAME="), fd));
                }
        return true;
}

static void save(struct manager *m, struct keeper *keeper, struct totals *totals, int64_t bytes) {
        scene_next(&m->scene, SCENE_SECOND);
        scene_row(&m->scene, 7, 1, bytes);
        totals_update(totals, &m->scene.sample, (uint64_t) bytes);
        assert_int_equal(keeper_save(keeper, NULL, totals, m->identities, (uint64_t) bytes), 0);
}

/* Saves what a process had moved by then, up to a number; in the last save the daemon is killed at a write. */
static bool run_daemon(struct manager *m, int64_t from, int64_t to, unsigned killed_at) {
        struct totals *totals;
        struct keeper *keeper;
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                if (keeper_new(&keeper, &m->keep, &counting) < 0 || totals_new(&totals, &m->config) < 0)
                        _exit(EXIT_FAILURE);
                for (int64_t i = from; i <= to; i++) {
                        writes_left = i == to ? killed_at : 0;
                        save(m, keeper, totals, i);
                }
                _exit(EXIT_SUCCESS);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == KILLED || WEXITSTATUS(status) == 0));
        return WEXITSTATUS(status) == KILLED;
}

static uint64_t kept_bytes(struct manager *m) {
        struct totals_result result;
        struct totals *totals;
        uint64_t bytes;
        char text[256];

        while (receive(m, text))
                ;
        m->keep.state = NULL;
        m->keep.number = 0;
        for (size_t i = 0; i < m->keep.n_files; i++)
                (void) fflush(m->keep.files[i]); /* what was read from it before is old */
        keep_choose_file(&m->keep);
        assert_non_null(m->keep.state);
        assert_int_equal(totals_restore(&totals, &m->config, m->keep.state), 0);
        totals_get(totals, &result);
        bytes = result.host->counters[0];
        assert_int_equal(bytes, m->keep.sequence);
        totals_free(totals);
        return bytes;
}

static void a_daemon_that_is_killed_in_a_save_leaves_the_one_before(void **state) {
        struct manager *m = *state;
        int64_t last = 2;

        assert_false(run_daemon(m, 1, last, 0));
        for (unsigned n = 1;; n++) {
                bool is_killed_there = run_daemon(m, last + 1, last + 1, n);

                assert_int_equal(kept_bytes(m), is_killed_there ? last : last + 1);
                if (!is_killed_there) {
                        assert_true(n > 5);
                        return;
                }
                /* The next one goes on from there; one save of its own, then it is killed as well. */
                assert_true(run_daemon(m, last + 1, last + 2, n));
                assert_int_equal(kept_bytes(m), last + 1);
                last++;
        }
}

static void assert_messages(struct manager *m, const char *const *expected) {
        char text[256];

        while (receive(m, text))
                if (strstr(text, "FDNAME=socktally-kernel")) {
                        assert_non_null(*expected);
                        assert_string_equal(text, *expected++);
                }
        assert_null(*expected);
}

static void objects_are_stored_before_and_removed_after_they_are_in_force(void **state) {
        static const char *const first[] = { "FDSTORE=1\nFDPOLL=0\nFDNAME=socktally-kernel-1",
                                             "FDSTORE=1\nFDPOLL=0\nFDNAME=socktally-kernel-20000000a", NULL };
        static const char *const second[] = { "FDSTORE=1\nFDPOLL=0\nFDNAME=socktally-kernel-3",
                                              "FDSTOREREMOVE=1\nFDNAME=socktally-kernel-1", NULL };
        static const char *const none[] = { NULL };
        struct manager *m = *state;
        struct totals *totals;
        struct keeper *keeper;

        assert_int_equal(keeper_new(&keeper, &m->keep, &counting), 0);
        assert_int_equal(totals_new(&totals, &m->config), 0);
        numbers[0] = 1;
        numbers[1] = UINT64_C(0x20000000a);
        n_numbers = 2;
        save(m, keeper, totals, 1);
        assert_messages(m, first);
        save(m, keeper, totals, 2);
        assert_messages(m, none);
        numbers[0] = 3;
        generation++;
        save(m, keeper, totals, 3);
        assert_messages(m, second);
        assert_int_equal(kept_bytes(m), 3);
        assert_true(m->keep.has_kernel);
        assert_int_equal(m->keep.kernel.build, generation);
        keeper_free(keeper);
        /* The next daemon has other ones, and removes what it was passed when its own are in force. */
        assert_int_equal(keeper_new(&keeper, &m->keep, &counting), 0);
        n_numbers = 0;
        save(m, keeper, totals, 4);
        assert_int_equal(kept_bytes(m), 4);
        assert_false(m->keep.has_kernel);
        keeper_free(keeper);
        totals_free(totals);
}

/* The daemon before saw the end of a process, kept the totals, took the row out of the kernel and was killed. */
static void a_row_that_left_the_kernel_after_a_save_is_over(void **state) {
        struct manager *m = *state;
        struct totals *totals;
        FILE *file = tmpfile();

        assert_non_null(file);
        assert_int_equal(totals_new(&totals, &m->config), 0);
        scene_next(&m->scene, SCENE_SECOND);
        scene_row(&m->scene, 7, 1, 100)->row.exited = 1;
        scene_row(&m->scene, 8, 1, 5);
        totals_update(totals, &m->scene.sample, 1);
        assert_int_equal(totals_keep(totals, file), 0);
        totals_free(totals);
        rewind(file);
        assert_int_equal(totals_restore(&totals, &m->config, file), 0);
        fclose(file);
        assert_int_equal(totals->cursors.n_used, 2);
        scene_next(&m->scene, SCENE_SECOND);
        scene_row(&m->scene, 8, 1, 6);
        totals_update(totals, &m->scene.sample, 2);
        assert_int_equal(totals->cursors.n_used, 1);
        assert_int_equal(totals->host.counters[0], 106);
        totals_free(totals);
}

/* What does not fit in is closed without a word, and the next daemon begins anew. */
static void the_unit_has_room_for_all_that_is_kept(void **state) {
        const char *top = getenv("srcdir");
        char path[512], line[256];
        unsigned room = 0;
        FILE *file;

        snprintf(path, sizeof path, "%s/data/socktally.service.in", top ? top : ".");
        file = fopen(path, "re");
        assert_non_null(file);
        while (fgets(line, sizeof line, file))
                (void) sscanf(line, "FileDescriptorStoreMax=%u", &room);
        fclose(file);
        assert_in_range(room, KEEP_OBJECTS + KEEP_FILES, 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_unit_has_room_for_all_that_is_kept),
                CASE(a_daemon_that_is_killed_in_a_save_leaves_the_one_before),
                CASE(a_row_that_left_the_kernel_after_a_save_is_over),
                CASE(objects_are_stored_before_and_removed_after_they_are_in_force),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
