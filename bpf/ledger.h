/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_LEDGER_H
#define SOCKTALLY_BPF_LEDGER_H
/*
 * The types that the programs in the kernel and the daemon's collector share. Both sides compile this header: fixed
 * widths, explicit padding, append only within a release.
 */
#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/process-key.h"
#include "libclient/metrics.h"

#define LEDGER_COMM_SIZE 16

/* How many whole passes without meeting a thing prove that it is gone: one that was under way when it was last
 * there, and one that began later. A pass looks at one file after the other. Example: pass 8 has looked at the files
 * of B; then A hands its socket to B and closes its own descriptor; then pass 8 looks at the files of A. Pass 8 has
 * not met the socket, and B holds it. Pass 9 meets it. It is the same with a call that began before a pass and still
 * runs. */
#define GRACE_PASSES 2

/* Room for processes that were active since the last round; a power of two. If there are more, all processes are taken
 * for active. */
#define MAX_ACTIVE 1024

/* What a look at a socket costs beside that at its file, in units of the latter: about 0.25 us each (Linux 6.18). */
#define WORK_SOCKET 5

/* What a walk over open files is for. */
enum walk {
        WALK_FIND,  /* finds who holds what, and makes the ledgers of the first scan */
        WALK_PASS,  /* the same, and folds what only its owner can be using */
        WALK_AGAIN, /* folds the rest, as all that hold it have been met */
        WALK_FLUSH, /* folds what finished calls have added */
};

/* A call of connect() whose end is not known yet; bpf/connect.bpf.h. */
struct attempt {
        __u64 number; /* note_number() of the socket; 0: the place is free */
        __u64 since_ns;
        struct process_key caller;
        __u64 flags; /* LEDGER_KERNEL, LEDGER_ROWLESS: as of a charge */
};

/* What one process moved, and what is known of it that may be gone when somebody asks. */
struct process_row {
        /* Indexed by enum socktally_metric. Bytes are in those of the scopes alone; the collector adds them up. */
        __u64 counters[SOCKTALLY_N_METRICS];
        char comm[LEDGER_COMM_SIZE];         /* the leader's name, NUL terminated, untrusted bytes */
        __u64 exe_inode;                     /* 0: unknown */
        __u32 uid;                           /* real uid in the initial user namespace */
        __u32 parent;                        /* tgid of the parent at first sight */
        __u32 pid;                           /* PID as the daemon's own PID namespace shows it; 0: not visible there */
        __u32 exited;                        /* 1 once the last thread is gone */
        __u32 seen_pass;                     /* last pass that met a socket of this process */
        __u32 is_process;                    /* 0: one of the special rows */
        __u32 noted_round;                   /* health.rounds when the process was last noted as active */
        __u32 pad;
};

/* What one CPU added to a process row, while there are maps per core. */
struct core_counters {
        __u64 counters[SOCKTALLY_N_METRICS];
};

/* Rows that are no process. Index in the map "specials". */
enum special_row {
        SPECIAL_KERNEL,   /* sockets that belong to the kernel itself */
        SPECIAL_OVERFLOW, /* what did not fit: process table full, or too many tracked sockets */
        SPECIAL_EXITED,   /* charged after the process's own row was gone */
        N_SPECIALS
};

enum {
#define X(number, name) MODULE_##number,
        SOCKTALLY_MODULES(X)
#undef X
        N_MODULES
};

/* What the programs do at the moment; bits of the variable "switches". */
enum ledger_switch {
        /* The modules, SWITCH_TCP and so on; UDP has the other protocols, too ... */
#define X(number, name) SWITCH_##number = 1 << MODULE_##number,
        SOCKTALLY_MODULES(X)
#undef X
        /* ... and what follows from the other settings and from what is attached. */
        SWITCH_TCP_CALLS = 1 << 16, /* load modes entry and return */
        SWITCH_ERRORS = 1 << 17,    /* load mode return */
        SWITCH_PARTIAL = 1 << 18,   /* TCP, UDP or TCP's calls are off: what the fast path asks for */
        SWITCH_PER_CORE = 1 << 19,  /* maps per core */
        SWITCH_UNSEEN_RELEASE = 1 << 20, /* no hook sees the last close of a socket */
        SWITCH_DIRECT = 1 << 21,    /* nothing walks the sockets: each call is charged at once */
        SWITCH_COPIES = 1 << 22,    /* copies of the programs stand in where the first was skipped; bpf/copies.bpf.h */
        SWITCH_LEAVING = 1 << 23,   /* beside it: the copies are about to go, and count no more */
};

/* Beside SWITCH_PARTIAL and SWITCH_COPIES: a call may have to be ignored, as something is off or copies run. Without it
 * the original counts each call that it sees, without further questions. It is the sign, which costs each call four
 * instructions less to ask for than another bit. */
#define SWITCH_NEEDS_CHECK (1ULL << 63)

/* Between the sign and the lower half of the switches: a number that is new each time SWITCH_COPIES is set. */
#define SWITCH_EPOCH_SHIFT 32

/* What happened to the bookkeeping itself; shown to users as such. */
struct ledger_health {
        __u64 sockets_tracked;    /* sockets that have a ledger now */
        __u64 sockets_overflowed; /* calls and sockets charged to the overflow row: over the cap of tracked sockets */
        __u64 rows_overflowed;    /* times that a process row could not be made: table full */
        __u64 rounds;             /* of folding that began, those that failed and those of changes, too */
        __u64 pad[4];
};

#endif
