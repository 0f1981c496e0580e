/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_COPIES_H
#define SOCKTALLY_BPF_COPIES_H
/*
 * The kernel skips a tracing program while the same one is active on that processor. Where programs can be preempted
 * (tracepoints since Linux 7.0), a task that is preempted inside one makes all others on its processor uncounted.
 *
 * Two more copies of a program on the same hook, which run after it, count what it was skipped for. A mark in the task
 * holds the number of the copy that ran last. The first copy always counts. A later one counts only on proof: it finds
 * a mark that is its own number or higher, which is from the call before, so no earlier copy has run in this call. When
 * the second and the third copy are both skipped, the next call has no such proof, and is lost if the first is skipped
 * again. Without a mark nothing is proven: a call is never counted twice.
 *
 * Copies come and go while calls run. Each time they come the marks begin a new epoch; what the first copy counted
 * before it saw the switch has a mark of no epoch or of an old one, and proves nothing.
 */
#include "bpf/maps.bpf.h"

struct marks {
        __u64 last[N_DIRECTIONS]; /* epoch << 8 | number of the copy */
};

struct {
        __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct marks);
} marks SEC(".maps");

const volatile bool cfg_has_marks = true; /* false: the kernel refuses them */

__u32 copies_epoch = 0;             /* the collector's: raised each time that copies come */
__u64 recovered[N_DIRECTIONS] = {}; /* calls that later copies stood in for, of all families */

static __noinline int claims_marked(__u32 dir, __u64 word, __u32 copy) {
        struct task_struct *task = bpf_get_current_task_btf();
        __u64 epoch = word >> SWITCH_EPOCH_SHIFT, last;
        bool is_proven;
        struct marks *m;

        m = bpf_task_storage_get(&marks, task, 0, copy == 1 ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
        if (!m)
                return copy == 1;
        last = m->last[dir & 1];
        is_proven = last >> 8 == epoch && (last & 0xff) >= copy;
        if (copy == 1 || last >> 8 == epoch)
                m->last[dir & 1] = epoch << 8 | copy;
        if (copy == 1)
                return true;
        if (is_proven)
                __sync_fetch_and_add(&recovered[dir & 1], 1);
        return is_proven;
}

/* Does this copy count the call? */
static __always_inline bool claims(__u32 dir, __u64 word, __u32 copy) {
        if (!cfg_has_marks || !(word & SWITCH_COPIES))
                return copy == 1;
        return claims_marked(dir, word, copy);
}

#endif
