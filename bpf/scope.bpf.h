/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_SCOPE_H
#define SOCKTALLY_BPF_SCOPE_H
/*
 * Where the peer of a socket is: on this host, in a private or link-local network, or in the internet. The address
 * tells, and for the host's own addresses the route that the socket uses: the kernel sends what is for an address of
 * the socket's network namespace by the loopback device of that namespace. So nobody keeps a list of own addresses, and
 * another namespace of the same machine is another host here.
 *
 * Which networks are private: RFC 1918, RFC 4193 (unique local), RFC 6598 (shared by a provider's customers), RFC 3927
 * and RFC 4291 (link-local, site-local), limited broadcast, and multicast up to the organization's own (RFC 2365,
 * RFC 7346).
 */
#include <bpf/bpf_endian.h>

#include "bpf/maps.bpf.h"

enum scope {
#define X(name) SCOPE_##name,
        SOCKTALLY_SCOPES(X)
#undef X
        N_SCOPES /* a power of two */
};

/* Addresses in network byte order, IPv4 as mapped addresses. */
struct ends {
        __be32 peer[4], own[4];
        bool is_loopback; /* the route goes by the loopback device */
};

static __always_inline bool is_in(__be32 address, __u32 network, __u32 bits) {
        return !((address ^ bpf_htonl(network)) & bpf_htonl(~0U << (32 - bits)));
}

static __always_inline __u32 scope_of_ipv4(__be32 a) {
        if (!a)
                return SCOPE_unknown;
        if (is_in(a, 0x7f000000, 8))
                return SCOPE_host;
        if (is_in(a, 0x0a000000, 8) || is_in(a, 0xac100000, 12) || is_in(a, 0xc0a80000, 16) ||
            is_in(a, 0xa9fe0000, 16) || is_in(a, 0x64400000, 10) || is_in(a, 0xe0000000, 24) ||
            is_in(a, 0xef000000, 8) || a == 0xffffffff)
                return SCOPE_private;
        return SCOPE_internet;
}

#define MULTICAST_HOST 1         /* scopes of IPv6 multicast, RFC 7346: interface-local */
#define MULTICAST_ORGANIZATION 8 /* organization-local */

static __always_inline __u32 scope_of_ipv6(const __be32 a[4]) {
        __u32 multicast = bpf_ntohl(a[0]) >> 16 & 15;

        if (!(a[0] | a[1] | a[2]))
                return !a[3] ? SCOPE_unknown : a[3] == bpf_htonl(1) ? SCOPE_host : SCOPE_internet;
        if (is_in(a[0], 0xff000000, 8))
                return multicast <= MULTICAST_HOST           ? SCOPE_host
                       : multicast <= MULTICAST_ORGANIZATION ? SCOPE_private
                                                             : SCOPE_internet;
        return is_in(a[0], 0xfc000000, 7) || is_in(a[0], 0xfe800000, 9) ? SCOPE_private : SCOPE_internet;
}

static __always_inline bool is_mapped(const __be32 a[4]) {
        return !(a[0] | a[1] | (a[2] ^ bpf_htonl(0xffff)));
}

/* A global function, which is verified once. */
__attribute__((noinline)) int scope_of_ends(const struct ends *ends) {
        __u32 scope;

        if (!ends)
                return SCOPE_unknown;
        scope = is_mapped(ends->peer) ? scope_of_ipv4(ends->peer[3]) : scope_of_ipv6(ends->peer);
        if (scope <= SCOPE_host)
                return scope;
        if (ends->is_loopback || !((ends->peer[0] ^ ends->own[0]) | (ends->peer[1] ^ ends->own[1]) |
                                   (ends->peer[2] ^ ends->own[2]) | (ends->peer[3] ^ ends->own[3])))
                return SCOPE_host;
        return scope;
}

/* Where the bytes of a scope are counted. counters: of a row; first: the metric of SCOPE_unknown. */
static __always_inline __u64 *scoped(__u64 *counters, __u32 first, __u32 scope) {
        return &counters[first + (scope & (N_SCOPES - 1))];
}

static __always_inline void set_mapped(__be32 to[4], __be32 address) {
        to[0] = to[1] = 0;
        to[2] = bpf_htonl(0xffff);
        to[3] = address;
}

/* The scope of a socket's peer; SCOPE_unknown: it has none, or is being connected by another CPU. */
static __noinline __u32 scope_of(const struct sock *known) {
        const struct sock *sk = unproven(known);
        const struct sock_common *common = &sk->__sk_common;
        const struct dst_entry *route = sk->sk_dst_cache;
        const struct in6_addr *peer = &common->skc_v6_daddr, *own = &common->skc_v6_rcv_saddr;
        struct ends ends = {};

        if (common->skc_family == AF_INET) {
                set_mapped(ends.peer, common->skc_daddr);
                set_mapped(ends.own, common->skc_rcv_saddr);
        } else if (bpf_core_field_exists(common->skc_v6_daddr)) {
                for (int i = 0; i < 4; i++) {
                        ends.peer[i] = peer->in6_u.u6_addr32[i];
                        ends.own[i] = own->in6_u.u6_addr32[i];
                }
        }
        ends.is_loopback = route && route->dev->flags & IFF_LOOPBACK;
        return scope_of_ends(&ends);
}

/* For a ledger that may have to be opened. */
static __always_inline __u32 scope_for(const struct ledger *l, const struct sock *sk) {
        return l->state == LEDGER_NEW ? scope_of(sk) : SCOPE_unknown;
}

#endif
