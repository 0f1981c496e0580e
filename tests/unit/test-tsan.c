/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread publishes at full speed, others read, under ThreadSanitizer; built and run by test-tsan.sh. The sanitizer
 * knows memory by its address and not that two mappings are the same file; so mmap() and munmap() are wrapped, and a
 * reader that maps the writer's file gets the writer's own mapping. All else is the code as it is installed.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"
#include "tests/unit/pattern.h"

#define N_READERS 2
#define ENOUGH 500         /* snapshots that each reader must have checked */
#define PUBLICATIONS 200000 /* and then the writer gives up */

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);

static struct {
        pthread_mutex_t lock;
        void *address; /* the writer's mapping */
        size_t size;
        ino_t inode;
        unsigned int n_users;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct reader_thread {
        const char *path;
        bool is_waiting; /* sleeps between publications instead of looking all the time */
        uint64_t good;
        char fault[160];
        bool is_done;  /* said by the reader */
        bool is_over;  /* said by the writer: nothing more will come */
};

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        struct stat st;
        void *result;

        /* The page that is mapped once more at a fixed place is for the kernel alone (daemon/publish/death.c). */
        if (!(flags & MAP_SHARED) || (flags & MAP_FIXED) || fstat(fd, &st) < 0)
                return __real_mmap(address, size, protection, flags, fd, offset);
        pthread_mutex_lock(&shared.lock);
        if (protection & PROT_WRITE) {
                result = __real_mmap(address, size, protection, flags, fd, offset);
                shared.address = result;
                shared.size = size;
                shared.inode = st.st_ino;
        } else {
                result = st.st_ino == shared.inode && size == shared.size ? shared.address : MAP_FAILED;
        }
        shared.n_users++;
        pthread_mutex_unlock(&shared.lock);
        return result;
}

int __wrap_munmap(void *address, size_t size) {
        int r = 0;

        pthread_mutex_lock(&shared.lock);
        if (address != shared.address || --shared.n_users == 0)
                r = __real_munmap(address, size);
        pthread_mutex_unlock(&shared.lock);
        return r;
}

static void *read_all(void *argument) {
        struct reader_thread *thread = argument;
        struct socktally_options options = { .size = sizeof(options), .file_path = thread->path };
        struct socktally_info info = { .size = sizeof(info) };
        struct socktally *reader = NULL;
        uint64_t last = 0;
        int r;

        r = socktally_open(&reader, &options);
        if (r < 0)
                snprintf(thread->fault, sizeof(thread->fault), "cannot open: %s", strerror(-r));
        while (r >= 0 && thread->good < ENOUGH && !thread->fault[0] &&
               !__atomic_load_n(&thread->is_over, __ATOMIC_ACQUIRE)) {
                r = thread->is_waiting ? socktally_wait(reader, 1000000) : socktally_refresh(reader);
                if (r <= 0)
                        continue;
                (void) socktally_get_info(reader, &info);
                if (pattern_check(reader, thread->fault, sizeof(thread->fault)) == 0)
                        thread->good++;
                if (info.sequence <= last)
                        snprintf(thread->fault, sizeof(thread->fault), "%" PRIu64 " after %" PRIu64, info.sequence,
                                 last);
                last = info.sequence;
        }
        if (r < 0 && !thread->fault[0])
                snprintf(thread->fault, sizeof(thread->fault), "cannot refresh: %s", strerror(-r));
        socktally_close(reader);
        __atomic_store_n(&thread->is_done, true, __ATOMIC_RELEASE);
        return NULL;
}

static int publish(struct segment *segment) {
        struct segment_fill fill;

        segment_begin(segment, &fill);
        pattern_fill(&fill, segment_sequence(segment) + 1);
        return segment_publish(segment, &fill);
}

static uint64_t race(struct segment *segment, struct reader_thread readers[N_READERS]) {
        pthread_t threads[N_READERS];
        bool is_over = false;

        for (int i = 0; i < N_READERS; i++)
                if (pthread_create(&threads[i], NULL, read_all, &readers[i]) != 0)
                        abort();
        while (!is_over && segment_sequence(segment) < PUBLICATIONS) {
                if (publish(segment) < 0)
                        abort();
                is_over = true;
                for (int i = 0; i < N_READERS; i++)
                        is_over = is_over && __atomic_load_n(&readers[i].is_done, __ATOMIC_ACQUIRE);
        }
        for (int i = 0; i < N_READERS; i++) {
                __atomic_store_n(&readers[i].is_over, true, __ATOMIC_RELEASE);
                pthread_join(threads[i], NULL);
        }
        return segment_sequence(segment);
}

int main(void) {
        char directory[] = "/dev/shm/socktally-tsan.XXXXXX", path[64];
        struct segment_config config = { .name = "full", .view = SOCKTALLY_VIEW_FULL, .mode = 0400, .gid = (gid_t) -1,
                                         .incarnation = 1, .capacity = { 1, 4, 8 } };
        struct reader_thread readers[N_READERS] = { { .path = path }, { .path = path, .is_waiting = true } };
        struct segment *segment = NULL;
        bool is_ok = true;
        uint64_t published;

        if (!mkdtemp(directory))
                return 99;
        config.directory = directory;
        snprintf(path, sizeof(path), "%s/full", directory);
        if (segment_new(&segment, &config) < 0 || publish(segment) < 0)
                return 99;
        published = race(segment, readers);
        for (int i = 0; i < N_READERS; i++) {
                is_ok = is_ok && !readers[i].fault[0] && readers[i].good == ENOUGH;
                printf("reader %d: %" PRIu64 " whole snapshots%s%s\n", i, readers[i].good,
                       readers[i].fault[0] ? ", then " : "", readers[i].fault);
        }
        printf("%" PRIu64 " publications\n", published);
        segment_free(segment, false);
        rmdir(directory);
        return is_ok ? 0 : 1;
}
