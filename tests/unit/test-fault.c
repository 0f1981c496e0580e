/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls fail when a rule says so, and no others. */
#include <errno.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/fault.h"

#define CASE(name) cmocka_unit_test(name)
/* A call that no kernel takes; returns the error that it got. */
static int call_bpf(enum bpf_cmd command, union bpf_attr *attr) {
        return syscall(SYS_bpf, command, attr, sizeof *attr) < 0 ? errno : 0;
}

static int lookup(void) {
        union bpf_attr attr = { .batch.map_fd = (uint32_t) -1 };

        return call_bpf(BPF_MAP_LOOKUP_BATCH, &attr);
}

static void the_call_with_the_number_fails_once(void **state) {
        int real;

        fault_set(NULL);
        real = lookup();
        assert_int_equal(fault_set("bpf:LOOKUP_BATCH:2:ENOSPC"), 0);
        assert_int_equal(lookup(), real);
        assert_int_equal(fault_hits(), 0);
        assert_int_equal(lookup(), ENOSPC);
        assert_int_equal(fault_hits(), 1);
        assert_int_equal(lookup(), real);
        assert_int_equal(fault_set("bpf:MAP_UPDATE_BATCH:1:ENOSPC"), 0);
        assert_int_equal(lookup(), real);
}

static void each_call_fails(void **state) {
        assert_int_equal(fault_set("bpf:*:*:ENOTSUPP"), 0);
        assert_int_equal(lookup(), 524);
        assert_int_equal(lookup(), 524);
}

static int load(const char *name) {
        union bpf_attr attr = { .insn_cnt = 0 };

        for (size_t i = 0; i + 1 < sizeof attr.prog_name && name[i]; i++)
                attr.prog_name[i] = name[i];
        return call_bpf(BPF_PROG_LOAD, &attr);
}

static int create(enum bpf_map_type type) {
        union bpf_attr attr = { .map_type = type };

        return call_bpf(BPF_MAP_CREATE, &attr);
}

static void what_has_the_name_fails(void **state) {
        assert_int_equal(fault_set("bpf:PROG_LOAD:on_something_very_long:EXDEV,bpf:MAP_CREATE:sk_storage:EDOM"), 0);
        assert_int_equal(load("on_something_very_long"), EXDEV);
        assert_int_not_equal(load("on_something"), EXDEV);
        assert_int_equal(create(BPF_MAP_TYPE_SK_STORAGE), EDOM);
        assert_int_not_equal(create(BPF_MAP_TYPE_TASK_STORAGE), EDOM);
        assert_int_equal(fault_hits(), 2);
}

static void memory_is_refused(void **state) {
        void *volatile memory;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
        skip();
#endif
        assert_int_equal(fault_set("malloc:2"), 0);
        memory = malloc(1);
        assert_non_null(memory);
        free(memory);
        memory = calloc(1, 1);
        assert_null(memory);
        memory = realloc(NULL, 1);
        assert_non_null(memory);
        free(memory);
        fault_set(NULL);
}

static void a_mapping_is_refused(void **state) {
        void *memory;

        assert_int_equal(fault_set("mmap:1"), 0);
        assert_ptr_equal(mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
        assert_int_equal(errno, ENOMEM);
        memory = mmap(NULL, 1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        munmap(memory, 1);
}

static void nonsense_is_no_rule(void **state) {
        static const char *const wrong[] = { "bpf", "bpf:X:1:EPERM", "bpf:PROG_LOAD:1:EWHAT", "malloc", "socket:1",
                                             "bpf:PROG_LOAD:1:IDLE" };

        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
                assert_int_equal(fault_set(wrong[i]), -EINVAL);
                assert_int_not_equal(load("x"), 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                CASE(the_call_with_the_number_fails_once),
                CASE(each_call_fails),
                CASE(what_has_the_name_fails),
                CASE(memory_is_refused),
                CASE(a_mapping_is_refused),
                CASE(nonsense_is_no_rule),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
