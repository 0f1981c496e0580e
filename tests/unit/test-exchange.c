/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process table gets another size while processes move data: in the kernel's place are maps in memory, and any call
 * may fail. Whatever happens, what was charged is told once, and a refused exchange has changed nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "daemon/collect/collector-private.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/kernel-maps.h"

#define CAPACITY 16
#define N_PROCESSES 10
#define LATE (N_PROCESSES + 1)   /* gets its row in the old table, when the new one is filled already */
#define NEWEST (N_PROCESSES + 2) /* gets it in the new table, while its CPU still counts beside the old one */
#define METRIC SOCKTALLY_METRIC_tcp_tx_bytes_unknown

enum { PER_CORE = 1, SINGLE = 2, POLICY = 4, N_VARIANTS = 8 }; /* bits: maps per core, one entry a call, -EPERM */
static const uint32_t sizes[] = { 64, N_PROCESSES + 1, 4 };
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static struct socktally_bpf *skeleton;
static struct collect collect;
static uint64_t charged[NEWEST + 1], told[NEWEST + 1], present[NEWEST + 1]; /* by tgid; told: in last rows */

/* In the places of other parts of the collector. */
void copies_follow(struct collect *c) {}
void collect_note_inodes(struct collect *c) {}
void collect_want_pass(struct collect *c) {}
int collect_gather(struct collect *c) { return kernel_fails() ? -errno : 0; }
int collect_fold(struct collect *c) { return kernel_fails() ? -errno : 0; }
bool collect_is_silenced(const struct collect *c) { return false; }

static struct process_key key_of(uint32_t tgid) {
        return (struct process_key) { .tgid = tgid, .start_time = 1000 + tgid, .cgroup_id = 7 };
}

/* As a program does it: in the CPU's counters if the process has some, else in its row. */
static void charge(int table_fd, int cores_fd, uint32_t tgid, uint64_t bytes) {
        struct process_row row = { .is_process = 1, .comm = "name" };
        struct core_counters counters[KERNEL_CPUS];
        struct process_key key = key_of(tgid);

        if (bpf_map_lookup_elem(table_fd, &key, &row) < 0 &&
            bpf_map_update_elem(table_fd, &key, &row, BPF_NOEXIST) < 0)
                return; /* to the overflow row */
        charged[tgid] += bytes;
        if (cores_fd >= 0 && bpf_map_lookup_elem(cores_fd, &key, counters) == 0) {
                counters[tgid % KERNEL_CPUS].counters[METRIC] += bytes;
                assert_int_equal(bpf_map_update_elem(cores_fd, &key, counters, BPF_ANY), 0);
        } else {
                row.counters[METRIC] += bytes;
                assert_int_equal(bpf_map_update_elem(table_fd, &key, &row, BPF_ANY), 0);
        }
}

/* What happens just before a table takes the place of another: first the rows', then the counters'. */
static void move_data(int outer) {
        const struct core_counters nothing[KERNEL_CPUS] = { 0 };
        struct process_key key = key_of(NEWEST);
        int cores_fd;

        if (outer == bpf_map__fd(skeleton->maps.table)) {
                charge(collect.table_fd, collect.cores.fd, 1, 5);
                charge(collect.table_fd, collect.cores.fd, LATE, 7);
                return;
        }
        if (collect.n_former == 0)
                return;
        cores_fd = collect.former[collect.n_former - 1].cores_fd;
        (void) bpf_map_update_elem(cores_fd, &key, nothing, BPF_NOEXIST);
        charge(collect.table_fd, cores_fd, NEWEST, 11);
        charge(collect.table_fd, cores_fd, 2, 13);
}

static void start(unsigned variant) {
        uint32_t zero = 0;
        int outer;

        memset(charged, 0, sizeof(charged));
        memset(told, 0, sizeof(told));
        memset(skeleton->bss, 0, sizeof(*skeleton->bss));
        collect = (struct collect) { .skeleton = skeleton, .config.max_processes = CAPACITY,
                                     .config.is_per_core = variant & PER_CORE };
        cores_init(&collect.cores);
        assert_int_equal(collect_reserve(&collect, collect_rows_at_most(CAPACITY, variant & PER_CORE)), 0);
        collect.table_fd = kernel_make(skeleton->maps.processes);
        outer = kernel_make(skeleton->maps.table);
        assert_int_equal(bpf_map_update_elem(outer, &zero, &collect.table_fd, BPF_ANY), 0);
        (void) kernel_make(skeleton->maps.specials);
        (void) kernel_make(skeleton->maps.cores);
        if (variant & PER_CORE)
                assert_int_equal(cores_start(&collect), 0);
        for (uint32_t i = 1; i <= N_PROCESSES; i++)
                charge(collect.table_fd, -1, i, 100 * i);
        kernel = (struct kernel) { .on_exchange = move_data, .is_single = variant & SINGLE,
                                   .error = variant & POLICY ? EPERM : ENOMEM };
}

static void end(void) {
        tables_close_former(&collect);
        if (collect.owns_table)
                close(collect.table_fd);
        cores_done(&collect.cores);
        collect_release(&collect);
        kernel_reset();
}

static int read_sample(void) {
        const struct sample *sample;
        int r = collect_read(&collect, &sample);

        memset(present, 0, sizeof(present));
        for (uint32_t i = 0; r == 0 && i < sample->n_rows; i++) {
                const struct sample_row *row = &sample->rows[i];

                assert_string_equal(row->row.comm, "name");
                (row->is_last ? told : present)[row->key.tgid] += row->row.counters[METRIC];
        }
        return r;
}

static void expect_all_is_told(void) {
        kernel.fail_at = 0;
        assert_int_equal(read_sample(), 0);
        assert_int_equal(collect.n_former, 0);
        if (collect.cores.fd >= 0)
                assert_int_equal(kernel_inner(bpf_map__fd(skeleton->maps.cores)), kernel_number(collect.cores.fd));
        for (uint32_t i = 1; i <= NEWEST; i++)
                assert_int_equal(told[i] + present[i], charged[i]);
}

/* Who has none: that is said, and others moved more. */
static void expect_rows(uint32_t size) {
        for (uint32_t i = 1; i <= LATE; i++) {
                struct process_key key = key_of(i);
                struct process_row row;
                bool has_row = bpf_map_lookup_elem(collect.table_fd, &key, &row) == 0;

                if (size < N_PROCESSES)
                        assert_int_equal(has_row, i > N_PROCESSES - size && i < LATE);
                assert_true(has_row || (skeleton->bss->is_table_short && (size < N_PROCESSES || i == LATE)));
        }
}

/* The call of number fail_at fails, none with 0. False: there are not so many. */
static bool exchange(uint32_t size, unsigned variant, unsigned fail_at) {
        struct collect before;
        bool was_reached;
        unsigned n_fds;
        int r;

        start(variant);
        before = collect;
        n_fds = count_descriptors();
        kernel.fail_at = fail_at;
        r = collect_set_max_processes(&collect, size, NULL, 0);
        was_reached = kernel.fail_at == 0;
        kernel.fail_at = 0;
        assert_int_equal(kernel_inner(bpf_map__fd(skeleton->maps.table)), kernel_number(collect.table_fd));
        assert_int_equal(collect.config.max_processes, r < 0 ? CAPACITY : size);
        if (r == 0 && fail_at == 0)
                expect_rows(size);
        if (r == 0)
                return was_reached;
        assert_true(fail_at > 0 && collect.table_fd == before.table_fd && collect.cores.fd == before.cores.fd &&
                    collect.cores.n_entries == before.cores.n_entries && !skeleton->bss->is_table_short);
        assert_int_equal(collect.n_former, 0);
        assert_int_equal(count_descriptors(), n_fds);
        return true;
}

/* All tables, each with every call failing in turn, in the exchange or in the read after it. */
static void whatever_call_fails_nothing_is_lost(void **state) {
        for (unsigned v = 0; v < 2 * N_VARIANTS * N_SIZES; v++)
                for (unsigned fail_at = 0, is_one_more = 1; is_one_more; fail_at++) {
                        is_one_more = exchange(sizes[v / 2 / N_VARIANTS], v / 2 % N_VARIANTS, v & 1 ? 0 : fail_at);
                        if (v & 1) { /* in the read, not in the exchange */
                                kernel.fail_at = fail_at;
                                (void) read_sample();
                                is_one_more = kernel.fail_at == 0;
                        }
                        expect_all_is_told();
                        expect_all_is_told();
                        end();
                }
}

static void several_exchanges_before_a_read_lose_nothing_and_end_at_a_bound(void **state) {
        for (unsigned v = 0, n_fds; v < POLICY; v++) {
                start(v);
                n_fds = count_descriptors();
                for (uint32_t i = 0; i < FORMER_MAX; i++)
                        assert_int_equal(collect_set_max_processes(&collect, CAPACITY + 1 + i % 3, NULL, 0), 0);
                assert_int_equal(collect_set_max_processes(&collect, CAPACITY, NULL, 0), -EAGAIN);
                expect_all_is_told();
                assert_int_equal(count_descriptors(), n_fds + 1); /* the object keeps its own table */
                end();
        }
}

/* Whatever fails, not less than the sample told. */
static void what_the_cpus_counted_of_an_exited_process_comes_with_its_last_row(void **state) {
        const struct process_row row = { .is_process = 1, .exited = 1, .comm = "name" };
        struct process_key key = key_of(3);

        for (unsigned fail_at = 0, is_one_more = 1; is_one_more; fail_at++) {
                start(PER_CORE);
                expect_all_is_told(); /* which gives counters to all */
                charge(collect.table_fd, collect.cores.fd, 3, 50);
                assert_int_equal(bpf_map_update_elem(collect.table_fd, &key, &row, BPF_ANY), 0);
                skeleton->bss->pass_number = GRACE_PASSES + 1;
                assert_int_equal(read_sample(), 0);
                assert_int_equal(present[3], 50);
                charge(collect.table_fd, collect.cores.fd, 3, 1);
                kernel.fail_at = fail_at;
                collect_saved(&collect);
                is_one_more = kernel.fail_at == 0;
                kernel.fail_at = 0;
                assert_int_equal(read_sample(), 0);
                collect_saved(&collect); /* if it could not be before */
                assert_int_equal(read_sample(), 0);
                assert_in_range(told[3], fail_at == 0 ? 51 : 50, 51);
                assert_int_equal(present[3], 0);
                end();
        }
}

static void fill_table(uint32_t first_tgid, uint32_t n) {
        const struct process_row row = { .is_process = 1, .exited = 1, .comm = "name" };

        for (uint32_t i = 0; i < n; i++) {
                struct process_key key = key_of(first_tgid + i);

                assert_int_equal(bpf_map_update_elem(collect.table_fd, &key, &row, BPF_ANY), 0);
        }
}

/* All of a full table have exited, and as many others come: a sample has both. */
static void expect_room_for_a_table_that_changes(uint32_t n) {
        const struct sample *sample;

        skeleton->bss->pass_number = GRACE_PASSES + 1;
        fill_table(1, n);
        assert_int_equal(collect_read(&collect, &sample), 0);
        collect_saved(&collect);
        fill_table(n + 1, n);
        assert_in_range(2 * n, 0, collect.n_reserved); /* before it is written */
        assert_int_equal(collect_read(&collect, &sample), 0);
        assert_int_equal(sample->n_rows, 2 * n);
}

static void a_full_table_can_change_between_two_samples(void **state) {
        char reason[256];

        for (unsigned variant = 0; variant < N_VARIANTS; variant++) {
                start(variant & ~(unsigned) POLICY);
                expect_room_for_a_table_that_changes(CAPACITY);
                end();
                start(variant & ~(unsigned) POLICY);
                kernel.on_exchange = NULL;
                assert_int_equal(collect_set_max_processes(&collect, sizes[0], reason, sizeof(reason)), 0);
                assert_int_equal(read_sample(), 0);
                expect_room_for_a_table_that_changes(sizes[0]);
                end();
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whatever_call_fails_nothing_is_lost),
                cmocka_unit_test(several_exchanges_before_a_read_lose_nothing_and_end_at_a_bound),
                cmocka_unit_test(a_full_table_can_change_between_two_samples),
                cmocka_unit_test(what_the_cpus_counted_of_an_exited_process_comes_with_its_last_row),
        };

        skeleton = socktally_bpf__open();
        if (!skeleton || bpf_map__set_max_entries(skeleton->maps.processes, CAPACITY) < 0)
                return 99;
        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
