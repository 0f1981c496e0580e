/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ROWS_H
#define SOCKTALLY_BPF_ROWS_H
/*
 * Rows per process: find, make, add. A row is made in process context only, by the process itself or by the scan, so
 * that what may be gone later (name, executable, parent) is taken while it is there. Adding never fails: what has no
 * row goes to a special one.
 */
#include "bpf/scope.bpf.h"

static __always_inline struct process_key key_of(struct task_struct *known) {
        struct task_struct *task = unproven(known), *leader = task->group_leader;
        struct process_key key = {
                .tgid = task->tgid,
                .start_time = leader->start_boottime,
                .cgroup_id = task->cgroups->dfl_cgrp->kn->id,
        };

        return key;
}

/* 1 or 0, without a branch. */
static __always_inline __u64 is_zero(__u64 x) {
        return (x | -x) >> 63 ^ 1;
}

/* 0: it is the same process. */
static __always_inline __u64 difference(const struct process_key *a, const struct process_key *b) {
        return (a->tgid ^ b->tgid) | (a->start_time ^ b->start_time);
}

static __always_inline bool is_same_process(const struct process_key *a, const struct process_key *b) {
        return !difference(a, b);
}

static __always_inline bool is_same_key(const struct process_key *a, const struct process_key *b) {
        return !(difference(a, b) | (a->cgroup_id ^ b->cgroup_id));
}

static __always_inline struct process_row *special(__u32 which) {
        return bpf_map_lookup_elem(&specials, &which);
}

static __always_inline void add(__u64 *counter, __u64 n) {
        if (n)
                __sync_fetch_and_add(counter, n);
}

/* The PID as the daemon's own PID namespace shows it, when that is not the initial one; 0: not visible there. */
static __always_inline __u32 pid_below(struct task_struct *leader) {
        struct pid *pid = leader->thread_pid;

        if (pid->level >= 1 && pid->numbers[1].ns->ns.inum == cfg_pidns_inode)
                return pid->numbers[1].nr;
        if (pid->level >= 2 && pid->numbers[2].ns->ns.inum == cfg_pidns_inode)
                return pid->numbers[2].nr;
        if (pid->level >= 3 && pid->numbers[3].ns->ns.inum == cfg_pidns_inode)
                return pid->numbers[3].nr;
        return 0;
}

static __always_inline void identify(struct process_row *row, struct task_struct *task) {
        struct task_struct *leader = unproven(task)->group_leader;
        struct mm_struct *mm = leader->mm;

        /* Two loads of eight bytes; a string helper on kernel memory is refused under lockdown. */
        *(__u64 *) &row->comm[0] = *(__u64 *) &leader->comm[0];
        *(__u64 *) &row->comm[8] = *(__u64 *) &leader->comm[8];
        row->comm[LEDGER_COMM_SIZE - 1] = 0;
        row->uid = leader->cred->uid.val;
        row->parent = leader->real_parent->tgid;
        if (mm)
                row->exe_inode = mm->exe_file->f_inode->i_ino;
        row->pid = cfg_pidns_inode ? pid_below(leader) : (__u32) leader->tgid;
        row->is_process = 1;
}

static __always_inline struct process_row *find_row(const struct process_key *key) {
        __u32 zero = 0;
        void *rows = bpf_map_lookup_elem(&table, &zero);

        return rows ? bpf_map_lookup_elem(rows, key) : NULL;
}

/* A row is too large for the stack: it goes in empty and is filled in place. */
static const volatile struct process_row empty_row = {};
static const volatile struct core_counters empty_counters = {};

static __always_inline void *core_table(void) {
        __u32 zero = 0;

        return bpf_map_lookup_elem(&cores, &zero);
}

/* Where this CPU adds for a process. key: whose row it is. */
static __always_inline __u64 *counters_of(struct process_row *row, const struct process_key *key) {
        struct core_counters *own = NULL;
        struct process_key copy; /* older kernels want keys on the stack */
        void *table_per_core;

        if (switches & SWITCH_PER_CORE && row->is_process) {
                table_per_core = core_table();
                copy = *key;
                if (table_per_core)
                        own = bpf_map_lookup_elem(table_per_core, &copy);
        }
        return own ? own->counters : row->counters;
}

static __always_inline void make_counters(const struct process_key *key) {
        void *table_per_core = switches & SWITCH_PER_CORE ? core_table() : NULL;

        if (table_per_core)
                bpf_map_update_elem(table_per_core, key, (const void *) &empty_counters, BPF_NOEXIST);
}

static __always_inline struct process_row *make_row(const struct process_key *key) {
        struct process_row *row = NULL;
        __u32 zero = 0;
        void *rows;
        long r;

        rows = bpf_map_lookup_elem(&table, &zero);
        if (!rows)
                return NULL;
        /* What fails other than for a full table (a lock that was not to be had in time) is tried once more. */
        r = bpf_map_update_elem(rows, key, (const void *) &empty_row, BPF_NOEXIST);
        if (r < 0 && r != -E2BIG)
                bpf_map_update_elem(rows, key, (const void *) &empty_row, BPF_NOEXIST);
        row = bpf_map_lookup_elem(rows, key);
        if (row)
                make_counters(key);
        else
                __sync_fetch_and_add(&health.rows_overflowed, 1);
        return row;
}

/* A global function is verified once, and not again for each state in which it is called. So what follows many kernel
 * pointers is in such functions: each pointer costs the verifier a walk through the whole BTF. They return 0, as they
 * must return a number. */
__attribute__((noinline)) int current_key(struct process_key *key) {
        if (key)
                *key = key_of(bpf_get_current_task_btf());
        return 0;
}

__attribute__((noinline)) int make_current_row(const struct process_key *key) {
        struct process_key copy; /* older kernels want keys on the stack */
        struct process_row *row;

        if (!key)
                return 0;
        copy = *key;
        row = make_row(&copy);
        if (row)
                identify(row, bpf_get_current_task_btf());
        return 0;
}

/* The row of the current process, made when it is not there. NULL: the table is full, which is counted. */
static __always_inline struct process_row *current_row(const struct process_key *key) {
        struct process_row *row = find_row(key);

        if (row)
                return row;
        make_current_row(key);
        return find_row(key);
}

/* The same for a task that a walk has met. */
static __noinline struct process_row *row_of(const struct process_key *key, struct task_struct *task) {
        struct process_row *row = find_row(key);

        if (row)
                return row;
        row = make_row(key);
        if (row)
                identify(row, task);
        return row;
}

/* The row for what a process without a row moved. Its row went after its end, or the table was exchanged and has no
 * room for it. */
static __always_inline struct process_row *row_of_none(void) {
        return special(is_table_short ? SPECIAL_OVERFLOW : SPECIAL_EXITED);
}

/* The row that a ledger's owner is charged in; the owner itself may be long gone. */
static __always_inline struct process_row *owner_row(const struct process_key *owner, __u32 flags) {
        struct process_row *row;

        if (flags & LEDGER_KERNEL)
                return special(SPECIAL_KERNEL);
        if (flags & LEDGER_ROWLESS)
                return special(SPECIAL_OVERFLOW);
        row = owner->tgid ? find_row(owner) : NULL; /* 0: who connected and closed the socket is not known */
        return row ?: row_of_none();
}

static __always_inline bool is_failure(int ret) {
        return ret < 0 && ret != -EAGAIN && ret != -EINTR && !(ret <= -ERESTARTSYS && ret >= -ERESTART_RESTARTBLOCK);
}

struct call {
        struct process_key me;
        __u64 n;    /* bytes moved */
        int ret;
        __u32 dir;
        __u32 kind;
        bool is_kernel;     /* the socket belongs to the kernel itself */
        bool has_row;       /* the caller has a row of its own to be charged in */
        bool is_overflow;   /* there is no room for the socket, so the call goes to the row for what does not fit */
        __u32 is_part;      /* not 0: moves data for a call that was counted already */
        bool is_owner_gone; /* of the owner whom the next member names */
        struct process_key seen;
        __u32 birth;        /* what is known of the socket's beginning */
        __u32 drops;        /* datagrams dropped at the socket so far */
        __u32 scope;        /* enum scope, of the peer */
};

/* Has the caller a row of its own? It is made when there is room. */
__attribute__((noinline)) int make_callers_row(const struct call *call) {
        struct process_key me; /* older kernels want keys on the stack */

        if (!call || call->is_kernel)
                return 0;
        me = call->me;
        return !!current_row(&me);
}

static __always_inline struct process_row *row_of_call(const struct call *call) {
        struct process_row *row = NULL;
        struct process_key me = call->me;

        if (call->is_kernel)
                return special(SPECIAL_KERNEL);
        if (call->has_row && !call->is_overflow)
                row = find_row(&me);
        return row ?: special(SPECIAL_OVERFLOW);
}

/* One call that is not put on a ledger. */
__attribute__((noinline)) int charge_call(const struct call *call) {
        struct process_row *row;
        __u32 dir, scope;
        __u64 *c, n;
        int ret;

        if (!call)
                return 0;
        row = row_of_call(call);
        if (!row)
                return 0;
        c = counters_of(row, &call->me);
        dir = call->dir;
        ret = call->ret;
        n = call->n;
        scope = call->scope;
        switch (call->kind) {
        case KIND_TCP:
        case KIND_MPTCP:
                add(scoped(c, dir == TX ? SOCKTALLY_METRIC_tcp_tx_bytes_unknown : SOCKTALLY_METRIC_tcp_rx_bytes_unknown,
                           scope), n);
                if (switches & SWITCH_TCP_CALLS && !call->is_part)
                        add(dir == TX ? &c[SOCKTALLY_METRIC_tcp_tx_calls] : &c[SOCKTALLY_METRIC_tcp_rx_calls], 1);
                if (switches & SWITCH_ERRORS && is_failure(ret))
                        add(dir == TX ? &c[SOCKTALLY_METRIC_tcp_tx_errors] : &c[SOCKTALLY_METRIC_tcp_rx_errors], 1);
                break;
        case KIND_UDP:
                add(scoped(c, dir == TX ? SOCKTALLY_METRIC_udp_tx_bytes_unknown : SOCKTALLY_METRIC_udp_rx_bytes_unknown,
                           scope), n);
                if (!call->is_part)
                        add(dir == TX ? &c[SOCKTALLY_METRIC_udp_tx_calls] : &c[SOCKTALLY_METRIC_udp_rx_calls], 1);
                if (switches & SWITCH_ERRORS && is_failure(ret))
                        add(dir == TX ? &c[SOCKTALLY_METRIC_udp_tx_errors] : &c[SOCKTALLY_METRIC_udp_rx_errors], 1);
                break;
        case KIND_OTHER:
                add(scoped(c, dir == TX ? SOCKTALLY_METRIC_other_tx_bytes_unknown
                                        : SOCKTALLY_METRIC_other_rx_bytes_unknown, scope), n);
                break;
        }
        return 0;
}

#endif
