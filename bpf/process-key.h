/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_PROCESS_KEY_H
#define SOCKTALLY_BPF_PROCESS_KEY_H
/* By which a process is known, for the programs in the kernel and the daemon's collector. */
#ifndef __bpf__
#include <linux/types.h>
#endif

/* Whose a row is. The start time is there because a PID may be used again. A process that moves to another cgroup gets
 * a second row. */
struct process_key {
        __u32 tgid;       /* PID in the initial PID namespace */
        __u32 zero;       /* always 0: the key is hashed as bytes */
        __u64 start_time; /* nanoseconds since boot, of the thread group leader */
        __u64 cgroup_id;  /* cgroup v2 id: inode number of its directory */
};

#endif
