/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which programs a kernel gets, by type information that the test makes up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "daemon/collect/collector-private.h"

static bool has_ipv6, has_udpv6;

static void add_function(struct btf *btf, int type, const char *name, int n_arguments) {
        int prototype = btf__add_func_proto(btf, type);

        for (int i = 0; i < n_arguments; i++)
                assert_int_equal(btf__add_func_param(btf, "argument", type), 0);
        assert_true(btf__add_func(btf, name, BTF_FUNC_GLOBAL, prototype) > 0);
}

/* In libbpf's place. */
struct btf *btf__load_vmlinux_btf(void) {
        struct btf *btf = btf__new_empty();
        int type = btf__add_int(btf, "int", sizeof(int), BTF_INT_SIGNED);

        add_function(btf, type, "inet_release", 1);
        add_function(btf, type, "tcp_sendmsg", 3);
        add_function(btf, type, "tcp_recvmsg", 5);
        add_function(btf, type, "udp_sendmsg", 3);
        add_function(btf, type, "udp_recvmsg", 5);
        if (has_udpv6) {
                add_function(btf, type, "udpv6_sendmsg", 3);
                add_function(btf, type, "udpv6_recvmsg", 5);
        }
        return btf;
}

/* In the C library's. */
int access(const char *path, int mode) {
        if (strcmp(path, "/proc/self/net/if_inet6") == 0 && has_ipv6)
                return 0;
        errno = ENOENT;
        return -1;
}

/* What is said of a kernel whose programs were chosen, and whether this one was. */
static bool chooses(unsigned sets, const char *program, char *reason, size_t size) {
        struct socktally_bpf *skeleton;
        bool is_chosen;

        reason[0] = '\0';
        assert_int_equal(collect_open_object(sets, 0, &skeleton, reason, size), 0);
        is_chosen = bpf_program__autoload(bpf_object__find_program_by_name(skeleton->obj, program));
        socktally_bpf__destroy(skeleton);
        return is_chosen;
}

static void ipv6_as_a_module_is_not_passed_over_in_silence(void **state) {
        unsigned sets = collect_sets_of(ATTACH_TRAMPOLINE);
        char reason[COLLECT_REASON_SIZE];

        has_ipv6 = true;
        has_udpv6 = false;
        assert_false(chooses(sets, "on_udpv6_sendmsg", reason, sizeof(reason)));
        assert_non_null(strstr(reason, "IPv6"));
        assert_false(chooses(sets & ~SET(SET_UDP_CALLS), "on_udp_sendmsg", reason, sizeof(reason)));
        assert_string_equal(reason, "");
}

static void ipv6_in_the_kernel_is_counted(void **state) {
        char reason[COLLECT_REASON_SIZE];

        has_ipv6 = has_udpv6 = true;
        assert_true(chooses(collect_sets_of(ATTACH_TRAMPOLINE), "on_udpv6_sendmsg", reason, sizeof(reason)));
        assert_string_equal(reason, "");
}

static void without_ipv6_there_is_nothing_to_say(void **state) {
        char reason[COLLECT_REASON_SIZE];

        has_ipv6 = has_udpv6 = false;
        assert_false(chooses(collect_sets_of(ATTACH_TRAMPOLINE), "on_udpv6_sendmsg", reason, sizeof(reason)));
        assert_string_equal(reason, "");
}

/* What the kernel skips a program for is missed in that direction. */
static void each_hook_of_calls_has_the_direction_of_its_function(void **state) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++) {
                const char *program = hooks[i].program;
                bool sends = strstr(program, "send") || strstr(program, "append"), receives = strstr(program, "recv");

                if (SET(hooks[i].set) & (SETS_CALLS | SETS_COPIES))
                        assert_true(sends != receives);
                else
                        assert_false(sends || receives);
                if (hooks[i].set == SET_TCP_LIFE)
                        sends = receives = true;
                assert_int_equal(hooks[i].directions, (sends ? HOOK_SENDS : 0) | (receives ? HOOK_RECEIVES : 0));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ipv6_as_a_module_is_not_passed_over_in_silence),
                cmocka_unit_test(ipv6_in_the_kernel_is_counted),
                cmocka_unit_test(without_ipv6_there_is_nothing_to_say),
                cmocka_unit_test(each_hook_of_calls_has_the_direction_of_its_function),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
