/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_KERNEL_TYPES_H
#define SOCKTALLY_BPF_KERNEL_TYPES_H
/*
 * The few kernel types that our programs look into, with only the members they use. Offsets written here mean nothing:
 * preserve_access_index makes libbpf take them from the running kernel's BTF when the programs are loaded. So neither
 * the build nor the repository needs a vmlinux.h.
 */
#include "bpf/error-numbers.h"

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

enum { false, true };

/* UAPI, stable */
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_MPTCP 262
#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define MSG_MORE 0x8000

enum bpf_func_id { BPF_FUNC_task_pt_regs = 175 };
enum bpf_map_type {
        BPF_MAP_TYPE_HASH = 1,
        BPF_MAP_TYPE_ARRAY = 2,
        BPF_MAP_TYPE_PERCPU_HASH = 5,
        BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
        BPF_MAP_TYPE_SK_STORAGE = 24,
        BPF_MAP_TYPE_TASK_STORAGE = 29,
};
enum { BPF_ANY, BPF_NOEXIST, BPF_EXIST };
enum { BPF_SK_STORAGE_GET_F_CREATE = 1, BPF_LOCAL_STORAGE_GET_F_CREATE = 1 };
enum { BPF_F_NO_PREALLOC = 1 };

enum tcp_state {
        TCP_ESTABLISHED = 1,
        TCP_SYN_SENT,
        TCP_SYN_RECV,
        TCP_FIN_WAIT1,
        TCP_FIN_WAIT2,
        TCP_TIME_WAIT,
        TCP_CLOSE,
        TCP_CLOSE_WAIT,
        TCP_LAST_ACK,
        TCP_LISTEN,
        TCP_CLOSING,
};

/* enum sock_flags, unchanged since the first version of the file: the peer's FIN was received. */
#define SOCK_DONE_BIT 1

struct bpf_spin_lock {
        __u32 val;
};

#define IFF_LOOPBACK 0x8 /* UAPI */

#define PF_EXITING 0x00000004 /* unchanged since Linux 2.6 */
#define PF_KTHREAD 0x00200000 /* unchanged since Linux 2.6.27 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
        int counter;
} atomic_t;

typedef struct {
        long counter;
} atomic_long_t;

typedef struct {
        __u32 val;
} kuid_t;

struct inode {
        unsigned long i_ino;
};

struct file {
        struct inode *f_inode;
        const struct cred *f_cred; /* of whoever opened it */
        atomic_long_t f_count;     /* up to Linux 6.12 */
};

typedef struct {
        atomic_long_t refcnt;
} file_ref_t;

struct file___ref {
        file_ref_t f_ref; /* one less than there are references */
};

struct files_struct {
        atomic_t count;
};

struct kernfs_node {
        __u64 id;
};

struct cgroup {
        struct kernfs_node *kn;
};

struct ns_common {
        unsigned int inum;
};

struct pid_namespace {
        struct ns_common ns;
};

struct upid {
        int nr;
        struct pid_namespace *ns;
};

struct pid {
        unsigned int level;
        struct upid numbers[4]; /* as many as level + 1 */
};

struct css_set {
        struct cgroup *dfl_cgrp;
};

struct cred {
        kuid_t uid;
};

struct mm_struct {
        struct file *exe_file;
};

struct pipe_inode_info {
        unsigned int tail;
};

struct signal_struct {
        atomic_t live;
        int nr_threads;
};

struct task_struct {
        int pid;
        int tgid;
        unsigned int flags;
        struct task_struct *group_leader;
        struct pid *thread_pid;
        struct task_struct *real_parent;
        struct signal_struct *signal;
        struct files_struct *files;
        struct mm_struct *mm;
        const struct cred *cred;
        struct css_set *cgroups;
        __u64 start_boottime;
        char comm[16];
        struct pipe_inode_info *splice_pipe; /* sendfile()'s */
};

struct pt_regs {
        unsigned long ax;
        unsigned long dx;
        unsigned long si;
        unsigned long orig_ax;
};

struct msghdr {
        void *msg_name;
        unsigned int msg_flags;
};

struct udp_sock;
struct bpf_sock;
struct bpf_map;
struct seq_file;

struct bpf_iter_meta {
        struct seq_file *seq;
        __u64 session_id;
        __u64 seq_num;
};

struct bpf_iter__task_file {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
        __u32 fd;
        struct file *file;
};

struct bpf_iter__tcp {
        struct bpf_iter_meta *meta;
        struct sock_common *sk_common;
        unsigned int uid;
};

struct bpf_iter__udp {
        struct bpf_iter_meta *meta;
        struct udp_sock *udp_sk;
        unsigned int uid;
        int bucket;
};

#pragma clang attribute pop

#include "bpf/kernel-sockets.h"

#endif
