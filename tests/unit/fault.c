/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands before the C library: what is defined here is what the program and its libraries call. The C library's own
 * calls pass by. Sanitizers have a malloc() of their own, there only the other calls fail.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/fault.h"

#define ENOTSUPP 524 /* the kernel's own, which has no name here */
#define IDLE 1000 /* no error: a link that does nothing is made */
#define N_RULES 8
#define ANY (-1)

#define REPLACES __attribute__((visibility("default")))

enum kind { NO_RULE, FAULT_BPF, FAULT_MALLOC, FAULT_MMAP };

struct rule {
        enum kind kind;
        int command, error;
        unsigned long number, n_calls; /* number 0: each */
        char name[BPF_OBJ_NAME_LEN];   /* empty: whatever it is called */
};

static struct rule rules[N_RULES];
static unsigned hits;

#define COMMAND(name) [BPF_##name] = #name
static const char *const commands[] = {
        COMMAND(MAP_CREATE),          COMMAND(MAP_LOOKUP_ELEM),      COMMAND(MAP_UPDATE_ELEM),
        COMMAND(MAP_DELETE_ELEM),     COMMAND(MAP_GET_NEXT_KEY),     COMMAND(PROG_LOAD),
        COMMAND(PROG_ATTACH),         COMMAND(OBJ_GET_INFO_BY_FD),   COMMAND(RAW_TRACEPOINT_OPEN),
        COMMAND(BTF_LOAD),            COMMAND(MAP_FREEZE),           COMMAND(MAP_LOOKUP_AND_DELETE_ELEM),
        COMMAND(MAP_LOOKUP_BATCH),    COMMAND(MAP_UPDATE_BATCH),     COMMAND(MAP_DELETE_BATCH),
        COMMAND(LINK_CREATE),         COMMAND(ITER_CREATE),          COMMAND(PROG_BIND_MAP),
        COMMAND(MAP_LOOKUP_AND_DELETE_BATCH),
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

#define TYPE(type, name) [BPF_MAP_TYPE_##type] = name
static const char *const types[] = {
        TYPE(HASH, "hash"),
        TYPE(ARRAY, "array"),
        TYPE(PERCPU_HASH, "percpu_hash"),
        TYPE(PERCPU_ARRAY, "percpu_array"),
        TYPE(LRU_HASH, "lru_hash"),
        TYPE(ARRAY_OF_MAPS, "array_of_maps"),
        TYPE(HASH_OF_MAPS, "hash_of_maps"),
        TYPE(SK_STORAGE, "sk_storage"),
        TYPE(RINGBUF, "ringbuf"),
        TYPE(TASK_STORAGE, "task_storage"),
};
#define N_TYPES (sizeof types / sizeof types[0])

static long call_kernel(long number, const long a[6]) {
        static long (*real)(long, ...);

        if (!real)
                real = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
        return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The kernel cuts names, and so do rules. */
static bool has_name(const struct rule *rule, const char *name) {
        return name && strncmp(rule->name, name, sizeof rule->name - 1) == 0;
}

/* Name and type of what a descriptor stands for. */
static bool is_about_fd(const struct rule *rule, int fd, bool is_map) {
        struct bpf_map_info map = { 0 };
        struct bpf_prog_info program = { 0 };
        union bpf_attr attr = { 0 };

        attr.info.bpf_fd = (uint32_t) fd;
        attr.info.info_len = is_map ? sizeof map : sizeof program;
        attr.info.info = is_map ? (uintptr_t) &map : (uintptr_t) &program;
        if (call_kernel(SYS_bpf, (long[6]) { BPF_OBJ_GET_INFO_BY_FD, (long) &attr, sizeof attr }) < 0)
                return false;
        if (!is_map)
                return has_name(rule, program.name);
        return has_name(rule, map.name) || (map.type < N_TYPES && has_name(rule, types[map.type]));
}

static bool is_about(const struct rule *rule, long command, const union bpf_attr *attr) {
        switch (command) {
        case BPF_PROG_LOAD:
                return has_name(rule, attr->prog_name);
        case BPF_MAP_CREATE:
                return has_name(rule, attr->map_name) ||
                       (attr->map_type < N_TYPES && has_name(rule, types[attr->map_type]));
        case BPF_LINK_CREATE:
                return is_about_fd(rule, (int) attr->link_create.prog_fd, false);
        case BPF_RAW_TRACEPOINT_OPEN:
                return is_about_fd(rule, (int) attr->raw_tracepoint.prog_fd, false);
        case BPF_PROG_ATTACH:
                return is_about_fd(rule, (int) attr->attach_bpf_fd, false);
        case BPF_MAP_LOOKUP_BATCH:
        case BPF_MAP_LOOKUP_AND_DELETE_BATCH:
        case BPF_MAP_UPDATE_BATCH:
        case BPF_MAP_DELETE_BATCH:
                return is_about_fd(rule, (int) attr->batch.map_fd, true);
        case BPF_MAP_LOOKUP_ELEM:
        case BPF_MAP_UPDATE_ELEM:
        case BPF_MAP_DELETE_ELEM:
        case BPF_MAP_GET_NEXT_KEY:
        case BPF_MAP_LOOKUP_AND_DELETE_ELEM:
                return is_about_fd(rule, (int) attr->map_fd, true);
        }
        return false;
}

/* Is it this call's turn? Several threads may ask. */
static bool is_due(struct rule *rule) {
        unsigned long n = __atomic_add_fetch(&rule->n_calls, 1, __ATOMIC_RELAXED);

        if (rule->number && rule->number != n)
                return false;
        __atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
        return true;
}

static bool is_refused(enum kind kind) {
        for (size_t i = 0; i < N_RULES && rules[i].kind; i++)
                if (rules[i].kind == kind && is_due(&rules[i]))
                        return true;
        return false;
}

static int bpf_error(long command, const union bpf_attr *attr) {
        for (size_t i = 0; i < N_RULES && rules[i].kind; i++) {
                struct rule *rule = &rules[i];

                if (rule->kind != FAULT_BPF || (rule->command != ANY && rule->command != command))
                        continue;
                if ((!rule->name[0] || is_about(rule, command, attr)) && is_due(rule))
                        return rule->error;
        }
        return 0;
}

/* Takes six arguments however many there are, as libc does: AddressSanitizer sees it read what was not passed. */
__attribute__((no_sanitize("address"))) REPLACES long syscall(long number, ...) {
        va_list arguments;
        long a[6];
        int error = 0;

        va_start(arguments, number);
        for (size_t i = 0; i < 6; i++)
                a[i] = va_arg(arguments, long);
        va_end(arguments);
        if (number == SYS_bpf)
                error = bpf_error(a[0], (const union bpf_attr *) a[1]);
        if (error == 0)
                return call_kernel(number, a);
        if (error == IDLE) /* any descriptor that can be closed does */
                return fcntl((int) ((const union bpf_attr *) a[1])->link_create.prog_fd, F_DUPFD_CLOEXEC, 0);
        errno = error;
        return -1;
}

REPLACES void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
        if (!is_refused(FAULT_MMAP))
                return (void *) call_kernel(SYS_mmap, (long[6]) { (long) address, (long) size, protection, flags, fd,
                                                                  offset });
        errno = ENOMEM;
        return MAP_FAILED;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static void *refuse_memory(void) {
        errno = ENOMEM;
        return NULL;
}

REPLACES void *malloc(size_t size) {
        return is_refused(FAULT_MALLOC) ? refuse_memory() : __libc_malloc(size);
}

REPLACES void *calloc(size_t n, size_t size) {
        return is_refused(FAULT_MALLOC) ? refuse_memory() : __libc_calloc(n, size);
}

REPLACES void *realloc(void *memory, size_t size) {
        return is_refused(FAULT_MALLOC) ? refuse_memory() : __libc_realloc(memory, size);
}

REPLACES void *reallocarray(void *memory, size_t n, size_t size) {
        size_t whole;

        return __builtin_mul_overflow(n, size, &whole) ? refuse_memory() : realloc(memory, whole);
}
#endif

static int find_command(const char *name) {
        for (size_t i = 0; i < N_COMMANDS; i++) {
                if (!commands[i])
                        continue;
                if (strcmp(name, commands[i]) == 0)
                        return (int) i;
                if (strncmp(commands[i], "MAP_", 4) == 0 && strcmp(name, commands[i] + 4) == 0)
                        return (int) i;
        }
        return -EINVAL;
}

static int find_error(const char *name) {
        if (strcmp(name, "ENOTSUPP") == 0)
                return ENOTSUPP;
        if (strcmp(name, "IDLE") == 0)
                return IDLE;
        for (int error = 1; error < ENOTSUPP; error++) {
                const char *known = strerrorname_np(error);

                if (known && strcmp(name, known) == 0)
                        return error;
        }
        return -EINVAL;
}

/* fields: what stands between the colons, NULL where nothing does. */
static int parse_rule(struct rule *rule, char *fields[4]) {
        bool is_bpf = strcmp(fields[0], "bpf") == 0;
        const char *which = is_bpf ? fields[2] : fields[1];
        char *end;

        if (!which || (is_bpf && !fields[3]))
                return -EINVAL;
        rule->command = is_bpf && strcmp(fields[1], "*") != 0 ? find_command(fields[1]) : ANY;
        rule->error = is_bpf ? find_error(fields[3]) : ENOMEM;
        if (rule->error < 0 || rule->command == -EINVAL || (rule->error == IDLE && rule->command != BPF_LINK_CREATE))
                return -EINVAL;
        rule->number = strtoul(which, &end, 10);
        if (*end && strcmp(which, "*") != 0)
                (void) snprintf(rule->name, sizeof rule->name, "%s", which);
        rule->kind = is_bpf ? FAULT_BPF : strcmp(fields[0], "malloc") == 0 ? FAULT_MALLOC :
                     strcmp(fields[0], "mmap") == 0 ? FAULT_MMAP : NO_RULE;
        return rule->kind ? 0 : -EINVAL;
}

int fault_set(const char *text) {
        char copy[512], *rest = copy, *word;
        struct rule parsed[N_RULES] = { 0 };
        size_t n = 0;

        memset(rules, 0, sizeof rules);
        if (!text)
                return 0;
        __atomic_store_n(&hits, 0, __ATOMIC_RELAXED);
        if (snprintf(copy, sizeof copy, "%s", text) >= (int) sizeof copy)
                return -EINVAL;
        while ((word = strsep(&rest, ","))) {
                char *fields[4] = { NULL };

                if (!*word)
                        continue;
                for (size_t i = 0; i < 4 && word; i++)
                        fields[i] = strsep(&word, ":");
                if (n == N_RULES || parse_rule(&parsed[n++], fields) < 0)
                        return -EINVAL;
        }
        memcpy(rules, parsed, sizeof rules);
        return 0;
}

unsigned fault_hits(void) {
        return __atomic_load_n(&hits, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void read_environment(void) {
        if (fault_set(getenv("SOCKTALLY_FAIL")) == 0)
                return;
        fprintf(stderr, "SOCKTALLY_FAIL is no list of rules, see tests/unit/fault.h\n");
        _exit(EXIT_FAILURE);
}
