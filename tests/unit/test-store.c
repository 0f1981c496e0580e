/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a collector leaves in the kernel, and the collector that is made of it. In the kernel's place are files in
 * memory that have its numbers (kernel-maps.h); no program is loaded. There are no walks, which are attached anew.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <cmocka.h>

#include "daemon/collect/collector-private.h"
#include "daemon/collect/store.h"
#include "tests/unit/descriptors.h"
#include "tests/unit/kernel-maps.h"

#define N_PROGRAMS 4 /* with a link each, but for the last */

static const struct collect_config config = { .load_mode = LOAD_ENTRY, .attach_method = ATTACH_AUTO,
                                              .max_processes = 100, .max_sockets = 1000, .modules = EVERY_MODULE };

/* What was kept, as the service manager has it. */
struct kept {
        struct collect_kept kept;
        uint64_t numbers[COLLECT_KEPT_FDS];
        int fds[COLLECT_KEPT_FDS], n;
};

/* In libbpf's place. */
struct btf *btf__load_vmlinux_btf(void) {
        return btf__new_empty();
}

int bpf_object__load_skeleton(struct bpf_object_skeleton *skeleton) {
        return kernel_fails() ? -errno : 0;
}

static void put_in_force(const struct collect *collect, int fd) {
        uint32_t zero = 0;

        assert_int_equal(bpf_map_update_elem(bpf_map__fd(collect->skeleton->maps.table), &zero, &fd, BPF_ANY), 0);
}

/* has_table: the process table was exchanged; has_marks: this kernel has storage in tasks. */
static struct collect *start(bool has_table, bool has_marks) {
        struct collect *collect;
        struct bpf_map *map;

        assert_int_equal(collect_make(&collect, &config), 0);
        assert_int_equal(collect_open_object(0, 0, &collect->skeleton, NULL, 0), 0);
        bpf_map__set_autocreate(collect->skeleton->maps.task_marks, has_marks);
        bpf_object__for_each_map(map, collect->skeleton->obj)
                if (bpf_map__autocreate(map))
                        (void) kernel_make(map);
        collect->table_fd = bpf_map__fd(collect->skeleton->maps.processes);
        if (has_table) {
                collect->table_fd = collect_create_table(collect, false, config.max_processes);
                collect->owns_table = true;
        }
        put_in_force(collect, collect->table_fd);
        for (int i = 0; i < N_PROGRAMS; i++) {
                collect->programs[i] = kernel_object_new("prog");
                collect->links[i] = i == N_PROGRAMS - 1 ? -1 : kernel_object_new("link");
        }
        collect->attached = SET(SET_TCP_LIFE) | SET(SET_PROCESS);
        collect->method = ATTACH_TRACEPOINT;
        strcpy(collect->reason, "a reason");
        strcpy(collect->missing[0], "something is missing");
        return collect;
}

static int keep(struct collect *collect, struct kept *ret_kept) {
        memset(ret_kept, 0, sizeof(*ret_kept));
        ret_kept->n = collect_keep(collect, &ret_kept->kept, ret_kept->fds, ret_kept->numbers, COLLECT_KEPT_FDS);
        return ret_kept->n;
}

static int adopt(struct collect **ret_collect, const struct collect_config *wanted, const struct kept *kept) {
        return collect_adopt(ret_collect, wanted, &kept->kept, kept->fds, kept->numbers, (size_t) kept->n);
}

static void expect_same(const struct kept *a, const struct kept *b) {
        assert_int_equal(a->n, b->n);
        assert_memory_equal(a->numbers, b->numbers, sizeof(a->numbers));
        assert_memory_equal(&a->kept, &b->kept, sizeof(a->kept));
}

static void expect_refusal(const struct kept *kept, const struct collect_config *wanted, int error) {
        unsigned n_fds = count_descriptors();
        struct collect *adopted;
        int r = adopt(&adopted, wanted, kept);

        assert_true(error ? r == error : r < 0);
        assert_int_equal(count_descriptors(), n_fds);
}

static void what_was_kept_is_adopted_equal(void **state) {
        for (int variant = 0; variant < 4; variant++) {
                struct collect *old = start(variant & 1, variant & 2), *adopted;
                size_t offset = offsetof(struct socktally_bpf__bss, pass_number);
                uint32_t pass_number = 4711;
                struct kept before, after;
                unsigned n_fds;

                assert_true(keep(old, &before) > 0);
                assert_int_equal(pwrite(bpf_map__fd(old->skeleton->maps.bss), &pass_number, 4, (off_t) offset), 4);
                n_fds = count_descriptors();
                assert_int_equal(adopt(&adopted, &config, &before), 0);
                assert_int_equal(keep(adopted, &after), before.n);
                expect_same(&before, &after);
                assert_int_equal(adopted->lacks_marks, !(variant & 2));
                /* The programs' variables are theirs, in both directions. */
                assert_int_equal(adopted->skeleton->bss->pass_number, pass_number);
                adopted->skeleton->bss->pass_number++;
                assert_int_equal(pread(bpf_map__fd(old->skeleton->maps.bss), &pass_number, 4, (off_t) offset), 4);
                assert_int_equal(pass_number, 4712);
                collect_stop(adopted);
                assert_int_equal(count_descriptors(), n_fds);
                collect_stop(old);
                kernel_reset();
        }
}

static void whatever_call_fails_what_was_kept_can_be_adopted_later(void **state) {
        struct collect *old = start(true, true), *adopted;
        struct kept before, after;
        bool was_reached = true;
        unsigned fail_at, n_fds;

        assert_true(keep(old, &before) > 0);
        n_fds = count_descriptors();
        kernel.error = ENOMEM;
        for (fail_at = 1; was_reached; fail_at++) {
                kernel.fail_at = fail_at;
                if (adopt(&adopted, &config, &before) == 0) {
                        assert_true(kernel.fail_at > 0);
                        collect_stop(adopted);
                }
                was_reached = kernel.fail_at == 0;
                assert_int_equal(count_descriptors(), n_fds);
        }
        assert_in_range(fail_at, 10, 1000);
        for (fail_at = 1, was_reached = true; was_reached; fail_at++) {
                kernel.fail_at = fail_at;
                assert_true(keep(old, &after) < 0 || kernel.fail_at > 0);
                was_reached = kernel.fail_at == 0;
        }
        kernel.fail_at = 0;
        assert_int_equal(adopt(&adopted, &config, &before), 0);
        assert_true(keep(adopted, &after) > 0);
        expect_same(&before, &after);
        collect_stop(adopted);
        collect_stop(old);
        kernel_reset();
}

static void what_is_missing_or_something_else_is_refused(void **state) {
        struct collect *old = start(true, true);
        struct kept good, bad;

        assert_true(keep(old, &good) > 0);
        for (int i = 0; i < good.n; i++) {
                bad = good;
                bad.numbers[i] = 0;
                expect_refusal(&bad, &config, -ENOENT);
        }
        bad = good;
        bad.kept.maps[2] = good.kept.programs[0];
        expect_refusal(&bad, &config, -EINVAL);
        bad = good;
        bad.kept.build++;
        expect_refusal(&bad, &config, -ESTALE);
        bad = good;
        bad.n = 0;
        expect_refusal(&bad, &config, 0);
        /* The daemon ended between an exchange of tables and the next save. */
        put_in_force(old, bpf_map__fd(old->skeleton->maps.processes));
        expect_refusal(&good, &config, -ESTALE);
        collect_stop(old);
        kernel_reset();
}

static void another_configuration_is_refused(void **state) {
        struct collect_config wanted[6] = { config, config, config, config, config, config };
        struct collect *old = start(false, true);
        struct kept kept;

        wanted[0].load_mode = LOAD_PASSIVE;
        wanted[1].attach_method = ATTACH_TRAMPOLINE;
        wanted[2].max_processes++;
        wanted[3].max_sockets++;
        wanted[4].is_per_core = true;
        wanted[5].modules = 0;
        assert_true(keep(old, &kept) > 0);
        for (int i = 0; i < 6; i++)
                expect_refusal(&kept, &wanted[i], -ESTALE);
        collect_stop(old);
        kernel_reset();
}

static void only_what_is_at_rest_and_fits_is_kept(void **state) {
        struct collect *collect = start(false, true);
        struct socktally_bpf *skeleton = collect->skeleton;
        struct kept kept;
        int n = keep(collect, &kept);

        for (int max = 0; max < n; max++)
                assert_int_equal(collect_keep(collect, &kept.kept, kept.fds, kept.numbers, (size_t) max), -ENOBUFS);
        collect->n_former = 1;
        assert_int_equal(keep(collect, &kept), -EBUSY);
        collect->n_former = 0;
        collect->cores.fd = 0;
        assert_int_equal(keep(collect, &kept), -EBUSY);
        collect->cores.fd = -1;
        collect->skeleton = NULL;
        assert_int_equal(keep(collect, &kept), -EBUSY);
        collect->skeleton = skeleton;
        assert_int_equal(keep(collect, &kept), n);
        collect_stop(collect);
        kernel_reset();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_kept_is_adopted_equal),
                cmocka_unit_test(whatever_call_fails_what_was_kept_can_be_adopted_later),
                cmocka_unit_test(what_is_missing_or_something_else_is_refused),
                cmocka_unit_test(another_configuration_is_refused),
                cmocka_unit_test(only_what_is_at_rest_and_fits_is_kept),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
