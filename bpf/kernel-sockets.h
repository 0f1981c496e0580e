/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_KERNEL_SOCKETS_H
#define SOCKTALLY_BPF_KERNEL_SOCKETS_H
/* The kernel's types of sockets; kernel-types.h includes this. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
        union { __be32 u6_addr32[4]; } in6_u;
};

struct sock_common {
        __be32 skc_daddr;
        __be32 skc_rcv_saddr;
        __be16 skc_dport;
        unsigned short skc_family;
        volatile unsigned char skc_state;
        unsigned long skc_flags;
        struct in6_addr skc_v6_daddr;
        struct in6_addr skc_v6_rcv_saddr;
};

struct socket {
        struct file *file;
        struct sock *sk;
};

struct net_device {
        unsigned int flags;
};

/* A route. */
struct dst_entry {
        struct net_device *dev;
};

struct qspinlock {
        atomic_t val;
};

struct raw_spinlock {
        struct qspinlock raw_lock;
};

struct spinlock {
        struct raw_spinlock rlock;
};

typedef struct {
        struct spinlock slock; /* held while packets are worked on */
        int owned;             /* held by a process */
} socket_lock_t;

struct sock {
        struct sock_common __sk_common;
        __u8 sk_kern_sock : 1;
        __u16 sk_type;
        __u16 sk_protocol;
        atomic_t sk_drops;
        int sk_err;
        socket_lock_t sk_lock;
        struct socket *sk_socket; /* NULL: nobody holds it */
        struct dst_entry *sk_dst_cache;
};

/* With PREEMPT_RT a spin lock is a mutex whose owner can be seen. */
struct rt_mutex_base___rt {
        struct task_struct *owner;
};

struct spinlock___rt {
        struct rt_mutex_base___rt lock;
};

typedef struct {
        struct spinlock___rt slock;
        int owned;
} socket_lock_t___rt;

struct sock___rt {
        socket_lock_t___rt sk_lock;
};

struct tcp_sock {
        __u32 write_seq;
        __u32 snd_una;
        __u32 rcv_nxt;
        __u32 copied_seq;
        __u64 bytes_acked;
        __u64 bytes_sent;
        __u64 bytes_retrans;
        __u32 snd_nxt;
        __u64 bytes_received;
        __u32 total_retrans;
        __u64 tcp_mstamp; /* microseconds */
        __u32 srtt_us; /* eight times as much */
        __u8 is_mptcp : 1;
};

#pragma clang attribute pop

#endif
