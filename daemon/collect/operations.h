/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_OPERATIONS_H
#define SOCKTALLYD_COLLECT_OPERATIONS_H
/*
 * The collector as the daemon sees it: a struct of operations, so that tests can hand in one without a kernel behind
 * it. What each does is said of the function of that name, collect_NAME(), in collector.h and store.h.
 */
#include "daemon/collect/store.h"

struct collect_operations {
        int (*start)(struct collect **ret_collect, const struct collect_config *config);
        int (*adopt)(struct collect **ret_collect, const struct collect_config *config, const struct collect_kept *kept,
                     const int *fds, const uint64_t *numbers, size_t n_fds);
        struct collect *(*stop)(struct collect *collect);
        bool (*is_counting)(const struct collect *collect);
        const char *(*reason)(const struct collect *collect);
        int (*set_load_mode)(struct collect *collect, enum load_mode mode, char *ret_reason, size_t size);
        int (*set_max_processes)(struct collect *collect, uint32_t n, char *ret_reason, size_t size);
        int (*set_module)(struct collect *collect, size_t module, bool is_on, char *ret_reason, size_t size);
        int (*change_fd)(const struct collect *collect);
        void (*end_change)(struct collect *collect);
        int (*read)(struct collect *collect, const struct sample **ret_sample);
        void (*want_pass)(struct collect *collect);
        void (*saved)(struct collect *collect);
        void (*statistics)(const struct collect *collect, size_t module,
                           struct collect_statistics *ret_statistics);
        void (*report)(const struct collect *collect, size_t module, struct collect_report *ret_report);
        void (*memory)(const struct collect *collect, uint64_t *ret_maps, uint64_t *ret_per_socket);
        uint64_t (*generation)(const struct collect *collect);
        int (*keep)(struct collect *collect, struct collect_kept *ret_kept, int *ret_fds, uint64_t *ret_numbers,
                    size_t max);
};

/* The real one. */
extern const struct collect_operations collect_operations;

#endif
