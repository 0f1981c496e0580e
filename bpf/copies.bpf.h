/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_COPIES_H
#define SOCKTALLY_BPF_COPIES_H
/*
 * The kernel skips a tracing program while the same one is active on that processor. Where programs can be preempted
 * (tracepoints since Linux 7.0, trampolines with preempt=full and PREEMPT_RT), a task that is preempted inside one
 * makes all others on its processor uncounted.
 *
 * Three copies of a program on one hook run one after the other, numbered in that order, and what is skipped is counted
 * by the next. One of them is the original, which is there all the time and counts alone while there are no copies:
 * number 1 by tracepoint, where what was attached later runs later; number 3 by trampoline, where it runs earlier.
 *
 * A mark for each task and direction holds the number of the copy that ran last. Number 1 counts each call that it
 * sees. A later copy counts only on proof: it finds a mark that is its own number or higher, which is from the call
 * before, so no earlier copy has run in this call. Example of a task that makes four calls:
 *
 *            skipped    what runs                                             mark
 *   call 1   none       1 counts; 2 finds 1, 3 finds 2, neither counts        3
 *   call 2   1          2 finds 3: it counts; 3 finds 2 and does not          3
 *   call 3   2 and 3    1 counts                                              1
 *   call 4   1          2 finds 1: 1 may have counted, so 2 does not          2, then 3
 *
 * Call 4 is lost. That takes a task for which programs are skipped in two calls in a row, and two in the first one.
 *
 * By trampoline, in the order in which they run, 3 being the original:
 *
 *            number 1                 number 2                            number 3
 *   OFF      nothing                  nothing                             counts, reads no mark
 *   COPIES   counts, writes 1         of this epoch's marks alone:        counts unless the mark is 1 or 2 of any
 *                                     counts if it is 2 or 3, writes 2    epoch; writes 3
 *   LEAVING  writes 3                 nothing                             as in COPIES
 *
 * Copies come and go while calls run: OFF, then COPIES with a new epoch, then LEAVING with the same epoch, and either
 * OFF after a long time or COPIES again. The marks tell the epoch in which they were made. By tracepoint no step can
 * count a call twice or not at all, as the original is number 1 and always counts. By trampoline number 1 counts in
 * COPIES and the original in the other two, and one call can see number 1 before a step and the original after it:
 *
 *   OFF to COPIES. Number 1 saw OFF, or is not in the trampoline that this call passes (one that waits for data returns
 *   through the trampoline by which it came). It made no mark, so the original finds none of this epoch, and counts.
 *   COPIES to LEAVING. Number 1 has counted and marked the call with 1. The original finds 1 or 2 and does not count.
 *   In LEAVING number 1 marks the call with 3, nobody has counted it, and the original counts.
 *   LEAVING to COPIES. Number 1 saw LEAVING or is not there: the mark is 3, of the former epoch, and the original
 *   counts.
 *   A mark of a former epoch that is 1 or 2 may be of this call, two steps ago. The original does not count then.
 *   LEAVING to OFF. The original does not look for marks any more. It would count a call twice that number 1 counted
 *   before LEAVING began, which is as many reads of the collector ago as LEAVING is long.
 *
 * In LEAVING and after it a mark of 1 or 2 can also mean that the original was skipped in the call before, and that
 * this call is lost. All of those are in "unsure", and published as missed.
 *
 * This holds by trampoline because who looks for a mark finds it if there is one. A hash table does so. Storage in
 * tasks does not: up to Linux 6.1 bpf_task_storage_get() fails while another task is preempted in it. By tracepoint,
 * where a mark that is not found costs a call at most, it is the quicker one. When a new task finds no room in the
 * table, number 1 does not count its calls either, and the original goes on counting alone. Tasks that end leave the
 * table, but for those whose end was skipped; when it is full the copies go until it can be emptied.
 */
#include "bpf/maps.bpf.h"

#define N_COPIES 3
#define MAX_MARKED_TASKS 16384

struct marks {
        __u64 last[N_DIRECTIONS]; /* epoch << 8 | number of the copy */
};

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, MAX_MARKED_TASKS);
        __type(key, __u32); /* the task's own number, not its process's */
        __type(value, struct marks);
} marks SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct marks);
} task_marks SEC(".maps");

const volatile bool cfg_has_marks = true; /* false: the kernel refuses storage in tasks */

/* The collector's: raised each time that copies come; what was missed until they came or went, less what follows. */
__u32 copies_epoch = 0;
__u64 missed_before[N_DIRECTIONS] = {};
bool is_marks_full = false;
/* Calls that later copies stood in for, of all families. */
__u64 recovered[N_DIRECTIONS] = {};
/* Calls that the original did not count, as an earlier copy may have. */
__u64 unsure[N_DIRECTIONS] = {};
/* Calls that number 1 had no room to mark, and that the original did not count. */
__u64 unmarked[N_DIRECTIONS] = {};

static __always_inline struct marks *marks_of(__u32 task, bool is_made) {
        struct marks *m = bpf_map_lookup_elem(&marks, &task), none = {};

        if (m || !is_made)
                return m;
        if (bpf_map_update_elem(&marks, &task, &none, BPF_NOEXIST) == -E2BIG)
                is_marks_full = true;
        return bpf_map_lookup_elem(&marks, &task);
}

/* The current task is about to end: its marks make room for another task's. */
static __always_inline void delete_task_marks(void) {
        __u32 task = bpf_get_current_pid_tgid();

        if (switches & SWITCH_COPIES)
                bpf_map_delete_elem(&marks, &task);
}

/* Does this copy count a call of a task that has no mark? Only the original does. By trampoline it can be skipped,
 * too. That is seen from "unmarked": number 1 adds one for each such call, and the original takes one off when it
 * has counted. */
static __always_inline bool claims_unmarked(__u32 dir, bool is_leaving, __u32 copy, __u32 original) {
        if (original == 1 || is_leaving)
                return copy == original;
        if (copy == 1)
                __sync_fetch_and_add(&unmarked[dir & 1], 1);
        else if (copy == original && unmarked[dir & 1])
                __sync_fetch_and_add(&unmarked[dir & 1], -1);
        return copy == original;
}

static __always_inline bool claims_marked(struct marks *m, __u32 dir, __u64 word, __u32 copy, __u32 original) {
        __u64 epoch = word >> SWITCH_EPOCH_SHIFT, last;
        bool is_leaving = word & SWITCH_LEAVING, is_known, is_counted;

        if (!m)
                return claims_unmarked(dir, is_leaving, copy, original);
        last = m->last[dir & 1];
        is_known = last >> 8 == epoch;
        last &= 0xff;
        if (copy == 1) {
                m->last[dir & 1] = epoch << 8 | (is_leaving ? N_COPIES : 1);
                return !is_leaving || copy == original;
        }
        if (copy != original && (is_leaving || !is_known))
                return false;
        m->last[dir & 1] = epoch << 8 | copy;
        is_counted = is_known ? last < copy : last && last < N_COPIES;
        if (is_counted && (is_leaving || !is_known))
                __sync_fetch_and_add(&unsure[dir & 1], 1);
        else if (!is_counted && is_known && !is_leaving)
                __sync_fetch_and_add(&recovered[dir & 1], 1);
        return !is_counted;
}

/* What claims_marked() comes to where the original is number 1, in fewer steps. Inlined: a call would cost more. */
static __always_inline bool claims_traced(__u32 dir, __u64 word, __u32 copy) {
        __u64 epoch = word >> SWITCH_EPOCH_SHIFT << 8, *last, before;
        struct marks *m;

        m = bpf_task_storage_get(&task_marks, bpf_get_current_task_btf(), 0,
                                 copy == 1 ? BPF_LOCAL_STORAGE_GET_F_CREATE : 0);
        if (!m)
                return copy == 1;
        last = &m->last[dir & 1];
        before = *last - epoch;
        if (copy > 1 && before > 0xff)
                return false;
        *last = epoch | copy;
        if (copy == 1)
                return true;
        if (before < copy)
                return false;
        __sync_fetch_and_add(&recovered[dir & 1], 1);
        return true;
}

static __noinline int claims_exit(__u32 dir, __u64 word, __u32 copy) {
        return claims_marked(marks_of(bpf_get_current_pid_tgid(), copy == 1), dir, word, copy, N_COPIES);
}

/* Does this copy count the call? */
static __always_inline bool claims(__u32 dir, __u64 word, __u32 copy, __u32 original) {
        if (!(word & SWITCH_COPIES) || (original == 1 && !cfg_has_marks))
                return copy == original;
        return original == 1 ? claims_traced(dir, word, copy) : claims_exit(dir, word, copy);
}

#endif
