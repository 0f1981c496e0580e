/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_TOTALS_STAGE_H
#define SOCKTALLY_TESTS_TOTALS_STAGE_H
/*
 * The daemon's tables on made-up rows. After every step the rows add up, and no process that was ever seen is seen
 * again with less.
 */
#include "tests/unit/scene.h"

#define METRIC SOCKTALLY_METRIC_tcp_tx_bytes /* the first: scene rows count it once per byte */
#define SECOND SCENE_SECOND
#define MAX_PIDS 100000
#define N_UNITS 40

struct stage {
        struct scene scene;
        struct totals_config config; /* identity is set; userdata is the stage */
        struct totals *totals;
        struct totals_result result;
        struct layout_host_row last_host;
        uint64_t sequence;
        uint64_t seen[MAX_PIDS]; /* the largest that a process ever had */
        /* Where a test wants them. */
        struct totals *twin;    /* lives through the same, but always keeps services */
        bool is_gone[MAX_PIDS]; /* for an is_alive() */
        uint64_t n_asked;
        uint64_t seen_services[N_UNITS + 1];
};

/* A cmocka setup and teardown; *state is the stage, without tables. */
int totals_setup(void **state);
int totals_teardown(void **state);
/* With room for so many rows besides the special ones. */
void stage_open(struct stage *stage, uint32_t max_processes, uint32_t max_services);
/* Through bytes, as by a process that ends and one that begins; has_rows: it finds the kernel's rows as they were. */
void stage_restart(struct stage *stage, uint32_t max_processes, uint32_t max_services, bool has_rows);

/* What the kernel has now; the same rows once more if the scene is not moved on. */
void stage_update(struct stage *stage);
/* The invariants: part of each update. */
void check(struct stage *stage);
void check_sums(struct stage *stage);

/* The one row of a process, or NULL. */
const struct process *find(const struct stage *stage, uint32_t pid);
const struct group_row *find_service(const struct stage *stage, const char *name);
/* These must be there. */
uint64_t process_bytes(const struct stage *stage, uint32_t pid);
uint64_t special_bytes(const struct stage *stage, uint32_t number);
uint64_t service_bytes(const struct stage *stage, const char *name);

#endif
