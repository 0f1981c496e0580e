/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of hooks, and what is asked of the table of sets. */
#include "daemon/collect/hooks.h"

/* The calls of all protocols, by tracepoint. */
#define CALLS(name, ...) { .program = #name, .set = SET_TRACEPOINT, .is_condition = true, .copy = 1, __VA_ARGS__ }
/* The program of a trampoline is named after the function. What follows the name are members of struct hook. */
#define TRAMPOLINE(name, ...) { .program = "on_" #name, .function = #name, .is_condition = true, __VA_ARGS__ }
#define SEND(name, ...) TRAMPOLINE(name, .directions = HOOK_SENDS, __VA_ARGS__)
/* The arguments of these changed in Linux 5.19 and 7.2: one of the three programs fits. */
#define RECEIVE_WITH(n, name, suffix, ...)                                                                             \
        { .program = "on_" #name suffix, .function = #name, .n_arguments = n, .directions = HOOK_RECEIVES,             \
          .may_be_absent = true, .is_condition = true, __VA_ARGS__ }
#define RECEIVE(name, ...)                                                                                             \
        RECEIVE_WITH(4, name, "", __VA_ARGS__),                                                                        \
        RECEIVE_WITH(5, name, "_before_7_2", __VA_ARGS__),                                                             \
        RECEIVE_WITH(6, name, "_before_5_19", __VA_ARGS__)
/* Two copies of a program. What is attached last runs first, so number 1 is behind number 2. */
#define COPY_OF(name, number, ...)                                                                                     \
        { .program = "on_" #name "_" #number, .function = #name, .n_arguments = ANY_ARGUMENTS, .may_be_absent = true,  \
          .copy = number, __VA_ARGS__ }
#define COPIES_OF(name, ...) COPY_OF(name, 2, __VA_ARGS__), COPY_OF(name, 1, __VA_ARGS__)

/* A member that is not named is 0: the hook sees no calls, is no trampoline, has no copies, and the others of its set
 * are of use without it. Hooks are attached in this order. */
static const struct hook hooks[] = {
        { .program = "on_set_state", .set = SET_TCP_LIFE, .directions = HOOK_BOTH, .is_condition = true },
        { .program = "on_tcp_destroy", .set = SET_TCP_LIFE, .directions = HOOK_BOTH, .is_condition = true },
        { .program = "on_process_exit", .set = SET_PROCESS },
        { .program = "on_process_exec", .set = SET_PROCESS },
        { .program = "on_sock_create", .set = SET_SOCK_CREATE },
        { .program = "on_sock_release", .set = SET_SOCK_RELEASE },
        { .program = "on_inet_release", .set = SET_INET_RELEASE, .function = "inet_release", .n_arguments = 1 },

        CALLS(on_send_length, .directions = HOOK_SENDS),
        CALLS(on_recv_length, .directions = HOOK_RECEIVES),
        CALLS(on_recv_length_locked, .directions = HOOK_RECEIVES),
        { .program = "on_send_length_2", .set = SET_COPIES, .directions = HOOK_SENDS, .copy = 2 },
        { .program = "on_send_length_3", .set = SET_COPIES, .directions = HOOK_SENDS, .copy = 3 },
        { .program = "on_recv_length_2", .set = SET_COPIES, .directions = HOOK_RECEIVES, .copy = 2 },
        { .program = "on_recv_length_2_locked", .set = SET_COPIES, .directions = HOOK_RECEIVES, .copy = 2 },
        { .program = "on_recv_length_3", .set = SET_COPIES, .directions = HOOK_RECEIVES, .copy = 3 },
        { .program = "on_recv_length_3_locked", .set = SET_COPIES, .directions = HOOK_RECEIVES, .copy = 3 },

        SEND(tcp_sendmsg, .set = SET_TCP_CALLS, .n_arguments = 3),
        RECEIVE(tcp_recvmsg, .set = SET_TCP_CALLS),
        SEND(tcp_sendpage, .set = SET_TCP_CALLS, .n_arguments = 5, .may_be_absent = true),
        SEND(mptcp_sendmsg, .set = SET_MPTCP_CALLS, .n_arguments = 3, .may_be_absent = true),
        RECEIVE(mptcp_recvmsg, .set = SET_MPTCP_CALLS),
        SEND(udp_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .copy = 3),
        RECEIVE(udp_recvmsg, .set = SET_UDP_CALLS, .copy = 3),
        SEND(ip_append_page, .set = SET_UDP_CALLS, .n_arguments = 6, .may_be_absent = true),
        SEND(udpv6_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .may_be_absent = true, .copy = 3),
        RECEIVE(udpv6_recvmsg, .set = SET_UDP_CALLS, .copy = 3),
        SEND(raw_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .may_be_absent = true),
        RECEIVE(raw_recvmsg, .set = SET_UDP_CALLS),
        SEND(rawv6_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .may_be_absent = true),
        RECEIVE(rawv6_recvmsg, .set = SET_UDP_CALLS),
        SEND(ping_v4_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .may_be_absent = true),
        SEND(ping_v6_sendmsg, .set = SET_UDP_CALLS, .n_arguments = 3, .may_be_absent = true),
        RECEIVE(ping_recvmsg, .set = SET_UDP_CALLS),
        COPIES_OF(udp_sendmsg, .set = SET_UDP_COPIES, .directions = HOOK_SENDS),
        COPIES_OF(udp_recvmsg, .set = SET_UDP_COPIES, .directions = HOOK_RECEIVES),
        COPIES_OF(udpv6_sendmsg, .set = SET_UDP_COPIES, .directions = HOOK_SENDS),
        COPIES_OF(udpv6_recvmsg, .set = SET_UDP_COPIES, .directions = HOOK_RECEIVES),

        { .program = "fold_files", .set = SET_FILES, .is_condition = true },
        { .program = "fold_tcp", .set = SET_TCP_WALK },
        { .program = "fold_udp", .set = SET_UDP_WALK },
};

_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= COLLECT_MAX_HOOKS, "a descriptor for each");
_Static_assert(COLLECT_MAX_HOOKS <= 64, "a bit of a uint64_t for each");

size_t collect_hook_table(const struct hook **ret_hooks) {
        *ret_hooks = hooks;
        return sizeof(hooks) / sizeof(hooks[0]);
}

static const struct {
        enum hook_methods methods;
        uint32_t modules;
        const char *replacement;
} sets_of_hooks[N_HOOK_SETS] = {
#define X(name, by, kind, serves, instead) [SET_##name] = { .methods = by, .modules = serves, .replacement = instead },
        HOOK_SETS(X)
#undef X
};

unsigned collect_sets_of(enum attach_method method) {
        unsigned sets = 0;

        for (enum hook_set set = 0; set < N_HOOK_SETS; set++)
                if (sets_of_hooks[set].methods >> method & 1)
                        sets |= SET(set);
        return sets;
}

uint32_t collect_modules_of(enum hook_set set) {
        return sets_of_hooks[set].modules;
}

const char *collect_replacement_of(enum hook_set set) {
        return sets_of_hooks[set].replacement;
}

unsigned collect_wanted_sets(enum attach_method method, const struct collect_config *config) {
        unsigned sets = collect_sets_of(method);

        for (enum hook_set set = 0; set < N_HOOK_SETS; set++)
                if (SET(set) & SETS_CALLS && collect_modules_of(set) != EVERY_MODULE &&
                    !(collect_modules_of(set) & config->modules))
                        sets &= ~SET(set);
        if (config->load_mode == LOAD_PASSIVE)
                sets &= ~SET(SET_TCP_CALLS);
        return sets;
}
