/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The collector's life: try the attach methods in order of preference, keep the reason of each refusal for people to
 * read, and say what is counted. Reading is in read.c, the programs' loading in method.c.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/collect/collector-private.h"

/* The order in which "auto" tries them: cheapest first. */
static const enum attach_method preference[] = { ATTACH_TRACEPOINT, ATTACH_TRAMPOLINE };

static int print_debug(enum libbpf_print_level level, const char *format, va_list arguments) {
        return vfprintf(stderr, format, arguments);
}

/* Adds to the collector's reason that a method was refused, or what it does without, and why. */
static void note_refusal(struct collect *collect, enum attach_method method, const char *why) {
        char *reason = collect->reason;
        size_t size = sizeof(collect->reason), n = strlen(reason);

        if (n < size)
                (void) snprintf(reason + n, size - n, "%s%s: %s", n ? "; " : "", attach_method_name(method), why);
}

/* In a user namespace the kernel refuses programs whatever privileges there are. */
static bool is_in_user_namespace(void) {
        unsigned inside = 1, outside = 1, length = 0;
        FILE *map = fopen("/proc/self/uid_map", "re");
        bool is_whole;

        if (!map)
                return false;
        is_whole = fscanf(map, "%u %u %u", &inside, &outside, &length) == 3 && inside == 0 && outside == 0 &&
                   length == UINT32_MAX;
        fclose(map);
        return !is_whole;
}

static int try_method(struct collect *collect, enum attach_method method) {
        char why[COLLECT_REASON_SIZE] = "";
        int r;

        memset(collect->missing, 0, sizeof(collect->missing));
        r = collect_attach(collect, method, why, sizeof(why));
        if (r == -EPERM && is_in_user_namespace())
                snprintf(why, sizeof(why), "in a user namespace the kernel refuses programs");
        if (why[0])
                note_refusal(collect, method, why);
        return r;
}

static int try_methods(struct collect *collect) {
        enum attach_method wanted = collect->config.attach_method;
        int r = -EOPNOTSUPP, first = -ENOENT;

        for (size_t i = 0; i < sizeof(preference) / sizeof(preference[0]); i++) {
                if (wanted != ATTACH_AUTO && wanted != preference[i])
                        continue;
                r = try_method(collect, preference[i]);
                if (r == 0)
                        return 0;
                if (preference[i] == ATTACH_TRACEPOINT)
                        first = r;
        }
        if (first == -EPERM || first == -EACCES) {
                collect->may_lack_calls = true;
                r = try_method(collect, ATTACH_TRACEPOINT);
        }
        return r;
}

int collect_make(struct collect **ret_collect, const struct collect_config *config) {
        struct collect *collect;
        int r;

        collect = calloc(1, sizeof(*collect));
        if (!collect)
                return -ENOMEM;
        collect->config = *config;
        cores_init(&collect->cores);
        for (size_t i = 0; i < COLLECT_MAX_HOOKS; i++)
                collect->programs[i] = collect->links[i] = -1;
        collect->pass.walk = -1;
        collect->drop = (struct drop) DROP_NULL;
        libbpf_set_print(config->debug ? print_debug : NULL);
        r = collect_reserve(collect, collect_rows_at_most(config->max_processes, config->is_per_core));
        if (r < 0) {
                free(collect);
                return r;
        }
        *ret_collect = collect;
        return 0;
}

int collect_start(struct collect **ret_collect, const struct collect_config *config) {
        struct collect *collect;
        int r;

        r = collect_make(&collect, config);
        if (r < 0)
                return r;
        if (try_methods(collect) < 0)
                collect->method = ATTACH_AUTO;
        *ret_collect = collect;
        return 0;
}

bool collect_is_counting(const struct collect *collect) {
        return collect->skeleton;
}

const char *collect_reason(const struct collect *collect) {
        return collect->reason;
}

int collect_change_fd(const struct collect *collect) {
        return collect->drop.fd;
}

void collect_end_change(struct collect *collect) {
        drop_end(&collect->drop);
}

struct collect *collect_stop(struct collect *collect) {
        if (!collect)
                return NULL;
        collect_detach(collect);
        cores_done(&collect->cores);
        collect_release(collect);
        free(collect);
        return NULL;
}

void collect_report(const struct collect *collect, size_t module, struct collect_report *ret_report) {
        const char *missing = collect->missing[module];

        if (collect->is_silenced)
                missing = "kernel.ftrace_enabled is 0, which silences trampolines";
        ret_report->method = collect->method;
        ret_report->is_running = collect->skeleton && !missing[0];
        snprintf(ret_report->reason, sizeof(ret_report->reason), "%s", missing[0] ? missing : collect->reason);
}

/* bytes_memlock in a map's fdinfo: what the kernel charges for it. */
static uint64_t map_bytes(int fd) {
        unsigned long long bytes = 0;
        char path[64], line[128];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        file = fopen(path, "re");
        if (!file)
                return 0;
        while (fgets(line, sizeof(line), file))
                if (sscanf(line, "memlock: %llu", &bytes) == 1)
                        break;
        fclose(file);
        return bytes;
}

void collect_memory(const struct collect *collect, uint64_t *ret_maps, uint64_t *ret_per_socket) {
        uint64_t cores, least;
        struct bpf_map *map;

        *ret_maps = *ret_per_socket = 0;
        if (!collect->skeleton)
                return;
        bpf_object__for_each_map(map, collect->skeleton->obj)
                *ret_maps += map_bytes(bpf_map__fd(map));
        if (collect->owns_table)
                *ret_maps += map_bytes(collect->table_fd);
        if (collect->cores.fd >= 0) {
                cores = map_bytes(collect->cores.fd);
                least = cores_bytes(&collect->cores, collect->n_used);
                *ret_maps += cores > least ? cores : least;
        }
        /* The ledger and the kernel's own header before it (struct bpf_sk_storage_elem, 64 bytes on 64-bit kernels). */
        *ret_per_socket = bpf_map__value_size(collect->skeleton->maps.ledgers) + 64;
}
