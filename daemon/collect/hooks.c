/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of hooks, and which of them serve what. */
#include "daemon/collect/hooks.h"

#define TRAMPOLINE_AS(set, directions, name, n, may_be_absent, copy)                                                   \
        { "on_" #name, set, directions, #name, n, may_be_absent, true, copy }
#define SEND_AS(set, name, n, may_be_absent, copy) TRAMPOLINE_AS(set, HOOK_SENDS, name, n, may_be_absent, copy)
#define SEND(set, name, n, may_be_absent) SEND_AS(set, name, n, may_be_absent, 0)
/* The arguments of these changed in Linux 5.19 and 7.2: one of the three fits. */
#define RECEIVE_AS(set, name, copy)                                                                                    \
        TRAMPOLINE_AS(set, HOOK_RECEIVES, name, 4, true, copy),                                                        \
        { "on_" #name "_before_7_2", set, HOOK_RECEIVES, #name, 5, true, true, copy },                                 \
        { "on_" #name "_before_5_19", set, HOOK_RECEIVES, #name, 6, true, true, copy }
#define RECEIVE(set, name) RECEIVE_AS(set, name, 0)
/* What is attached last runs first. */
#define TRAMPOLINE_COPIES(set, directions, name)                                                                       \
        { "on_" #name "_2", set, directions, #name, ANY_ARGUMENTS, true, false, 2 },                                   \
        { "on_" #name "_1", set, directions, #name, ANY_ARGUMENTS, true, false, 1 }

static const struct hook hooks[] = {
        { "on_set_state", SET_TCP_LIFE, HOOK_BOTH, NULL, 0, false, true, 0 },
        { "on_tcp_destroy", SET_TCP_LIFE, HOOK_BOTH, NULL, 0, false, true, 0 },
        { "on_process_exit", SET_PROCESS, HOOK_NEITHER, NULL, 0, false, false, 0 },
        { "on_process_exec", SET_PROCESS, HOOK_NEITHER, NULL, 0, false, false, 0 },
        { "on_sock_create", SET_SOCK_CREATE, HOOK_NEITHER, NULL, 0, false, false, 0 },
        { "on_sock_release", SET_SOCK_RELEASE, HOOK_NEITHER, NULL, 0, false, false, 0 },
        { "on_inet_release", SET_INET_RELEASE, HOOK_NEITHER, "inet_release", 1, false, false, 0 },
        { "on_send_length", SET_TRACEPOINT, HOOK_SENDS, NULL, 0, false, true, 1 },
        { "on_recv_length", SET_TRACEPOINT, HOOK_RECEIVES, NULL, 0, false, true, 1 },
        { "on_recv_length_locked", SET_TRACEPOINT, HOOK_RECEIVES, NULL, 0, false, true, 1 },
        { "on_send_length_2", SET_COPIES, HOOK_SENDS, NULL, 0, false, false, 2 },
        { "on_send_length_3", SET_COPIES, HOOK_SENDS, NULL, 0, false, false, 3 },
        { "on_recv_length_2", SET_COPIES, HOOK_RECEIVES, NULL, 0, false, false, 2 },
        { "on_recv_length_2_locked", SET_COPIES, HOOK_RECEIVES, NULL, 0, false, false, 2 },
        { "on_recv_length_3", SET_COPIES, HOOK_RECEIVES, NULL, 0, false, false, 3 },
        { "on_recv_length_3_locked", SET_COPIES, HOOK_RECEIVES, NULL, 0, false, false, 3 },
        SEND(SET_TCP_CALLS, tcp_sendmsg, 3, false),
        RECEIVE(SET_TCP_CALLS, tcp_recvmsg),
        SEND(SET_TCP_CALLS, tcp_sendpage, 5, true),
        SEND(SET_MPTCP_CALLS, mptcp_sendmsg, 3, true),
        RECEIVE(SET_MPTCP_CALLS, mptcp_recvmsg),
        SEND_AS(SET_UDP_CALLS, udp_sendmsg, 3, false, 3),
        RECEIVE_AS(SET_UDP_CALLS, udp_recvmsg, 3),
        SEND(SET_UDP_CALLS, ip_append_page, 6, true),
        SEND_AS(SET_UDP_CALLS, udpv6_sendmsg, 3, true, 3),
        RECEIVE_AS(SET_UDP_CALLS, udpv6_recvmsg, 3),
        SEND(SET_UDP_CALLS, raw_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, raw_recvmsg),
        SEND(SET_UDP_CALLS, rawv6_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, rawv6_recvmsg),
        SEND(SET_UDP_CALLS, ping_v4_sendmsg, 3, true),
        SEND(SET_UDP_CALLS, ping_v6_sendmsg, 3, true),
        RECEIVE(SET_UDP_CALLS, ping_recvmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, HOOK_SENDS, udp_sendmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, HOOK_RECEIVES, udp_recvmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, HOOK_SENDS, udpv6_sendmsg),
        TRAMPOLINE_COPIES(SET_UDP_COPIES, HOOK_RECEIVES, udpv6_recvmsg),
        { "fold_files", SET_FILES, HOOK_NEITHER, NULL, 0, false, true, 0 },
        { "fold_tcp", SET_TCP_WALK, HOOK_NEITHER, NULL, 0, false, false, 0 },
        { "fold_udp", SET_UDP_WALK, HOOK_NEITHER, NULL, 0, false, false, 0 },
};

_Static_assert(sizeof(hooks) / sizeof(hooks[0]) <= COLLECT_MAX_HOOKS, "a descriptor for each");
_Static_assert(COLLECT_MAX_HOOKS <= 64, "a bit of a uint64_t for each");

size_t collect_hook_table(const struct hook **ret_hooks) {
        *ret_hooks = hooks;
        return sizeof(hooks) / sizeof(hooks[0]);
}

unsigned collect_sets_of(enum attach_method method) {
        unsigned sets = SET(SET_TCP_LIFE) | SET(SET_PROCESS) | SET(SET_SOCK_CREATE) | SETS_WALKS;

        if (method == ATTACH_TRACEPOINT)
                return sets | SET(SET_TRACEPOINT) | SET(SET_SOCK_RELEASE);
        return sets | SET(SET_INET_RELEASE) | SET(SET_TCP_CALLS) | SET(SET_MPTCP_CALLS) | SET(SET_UDP_CALLS);
}

uint32_t collect_modules_of(enum hook_set set) {
        switch (set) {
        case SET_TCP_LIFE:
        case SET_TCP_CALLS:
        case SET_MPTCP_CALLS: return MODULE(MODULE_TCP);
        case SET_UDP_CALLS:
        case SET_UDP_COPIES: return MODULE(MODULE_UDP);
        case SET_PROCESS:
        case SET_SOCK_CREATE:
        case SET_SOCK_RELEASE:
        case SET_INET_RELEASE:
        case SET_TRACEPOINT:
        case SET_COPIES:
        case SET_FILES:
        case SET_TCP_WALK:
        case SET_UDP_WALK:
        case N_HOOK_SETS: break;
        }
        return EVERY_MODULE;
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
