/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_MAPS_H
#define SOCKTALLY_BPF_MAPS_H
/*
 * What the programs keep. A ledger sits on each socket (sk_storage): its owner, what the owner's calls added since the
 * last fold, and for TCP the part of the kernel's own counters that has been charged to somebody already. Rows per
 * process are touched only by folds and by callers that do not own the socket.
 *
 * Who may write what in a ledger:
 *   bytes, calls, errors   atomic adds by the owner's calls, atomic exchange with 0 by a fold;
 *   fast_tgid              stored under the lock, read without it by every call;
 *   folded_round, met_round  by the walks, which run one at a time;
 *   owner_pass, foreign_pass  by the walks without the lock, else under it;
 *   everything else        under the lock.
 */
#include "bpf/ledger.h"
#include "bpf/pointer.bpf.h"

enum direction { TX, RX, N_DIRECTIONS };

enum ledger_kind { KIND_NONE, KIND_TCP, KIND_MPTCP, KIND_UDP, KIND_OTHER };

enum ledger_state {
        LEDGER_NEW,       /* just made, nothing is valid */
        LEDGER_UNCLAIMED, /* nobody moved data yet; owner, if set, is who connected, accepted or holds the socket */
        LEDGER_OWNED,     /* one process uses it, without a lock */
        LEDGER_SHARED,    /* several do: each call is charged to its caller, the rest to the owner at the end */
};

/* Set under the lock. All but LEDGER_KERNEL and LEDGER_UNCAPPED begin anew with each connection on the socket. */
enum ledger_flag {
        /* The socket belongs to the kernel itself, so the kernel's row is charged. Set by open_ledger(); taken back by
         * recall_kernel() and place_call(), as MPTCP makes accepted sockets in the kernel's name first. */
        LEDGER_KERNEL = 1 << 0,
        /* connect() opened the connection, so our SYN takes a sequence number. Set by open_tcp(), open_for_current(),
         * socket_established(), reopen() and begin_again(). */
        LEDGER_ACTIVE = 1 << 1,
        /* bytes_acked has grown by one for that SYN. tcp_written() takes it off. */
        LEDGER_SYN_COUNTED = 1 << 2,
        /* seq_key has values. Set by take_keys(). Without it nothing is charged from tcp_sock's counters. */
        LEDGER_READY = 1 << 3,
        /* The connection was established, so its end is one of tcp_closes. */
        LEDGER_CONNECTED = 1 << 4,
        /* The last descriptor is closed: calls are over, and that end is charged. Set by fold(). */
        LEDGER_CLOSED = 1 << 5,
        /* The socket is in TCP_CLOSE, and settled[] holds the final counts. Set by settle_tcp(). */
        LEDGER_SETTLED = 1 << 6,
        /* The socket is older than the daemon and does not count against the cap. Set by ledger_of_old(). */
        LEDGER_UNCAPPED = 1 << 7,
        /* seq_key is verified: no packet moved its two counters between the loads. Set by confirm_keys(),
         * correct_keys() and socket_established(). Walks do not charge a connection without it. */
        LEDGER_SURE = 1 << 8,
        /* Nobody saw the socket's beginning: base began with what it had moved before, which does not count. Set by
         * open_tcp(), taken back by disown_past(). */
        LEDGER_INHERITED = 1 << 9,
        /* set_key() corrected seq_key after LEDGER_CLOSED: take_tcp() looks at the bytes once more at the end. */
        LEDGER_AMENDED = 1 << 10,
        /* A connection ended before the present one, and its end is not charged yet. Set by begin_again(), charged by
         * take_tcp(). */
        LEDGER_ENDED = 1 << 11,
        /* The beginning of the connection is not charged yet: see BIRTH_DUE. Charged by take_beginning(). */
        LEDGER_DUE = 1 << 13,
        /* Never in a ledger, only in a charge: there is no room for a row of the owner. */
        LEDGER_ROWLESS = 1 << 12,
};

struct ledger {
        __u32 fast_tgid; /* the process whose calls need no lock; 0: none */
        __u32 kind;
        struct process_key owner;
        __u64 bytes[N_DIRECTIONS];
        __u64 calls[N_DIRECTIONS];
        __u64 errors[N_DIRECTIONS];
        /* Of what tcp_sock says, this much is charged. Example: a socket that was there before the daemon has written
         * 1000 bytes, then 50 in the first call that we see: base is 1000, past is 1000, and 50 are to be charged. */
        __u64 base[N_DIRECTIONS];
        __u64 past[N_DIRECTIONS];  /* of base, this much was there before the first call that we saw */
        __u32 seq_key[N_DIRECTIONS]; /* sequence number + key = low 32 bits of the 64-bit count */
        __u64 settled[N_DIRECTIONS];
        __u32 retransmits; /* of tcp_sock's, this many are charged; LEDGER_SETTLED: 0 minus those not charged yet */
        __u32 drops;
        __u32 flags;
        __u32 state;
        __u32 owner_pass;   /* last pass over the open files that found the socket with its owner ... */
        __u32 foreign_pass; /* ... and with another process */
        struct bpf_spin_lock lock;
        __u32 met_round;    /* pass_round when a pass last met it ... */
        __u32 folded_round; /* ... and folded it: a pass can meet a socket more than once */
        __u32 key_seen_traffic; /* traffic() when a walk first read the present seq_key; see confirm_keys() ... */
        __u32 key_seen_msec;    /* ... and pass_msec of that walk; 0: no walk has read it yet */
        __u32 scope;            /* enum scope, of the peer; a datagram socket's at the last take() */
};

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct ledger);
} ledgers SEC(".maps");

/* The process table, behind one pointer so that a larger or smaller one can take its place while the programs run. */
struct process_table {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 16384); /* set before load */
        __type(key, struct process_key);
        __type(value, struct process_row);
} processes SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, 1);
        __type(key, __u32);
        __array(values, struct process_table);
} table SEC(".maps") = { .values = { &processes } };

/* Maps per core: each CPU adds to counters of its own, so no two write to the same cache line. What a process has is
 * the sum of these and of its row, wherever a call was added: rows without an entry here (made a moment ago, no memory)
 * are as exact, and a table per core can come and go while the programs run. Who a process is and whether it lives is
 * in its row alone. The slot is empty while the setting is off. */
#ifdef BEFORE_6_2 /* taking memory for an entry is not safe there wherever a program runs: all of it is taken at once */
#define CORE_TABLE_FLAGS 0
#else
#define CORE_TABLE_FLAGS BPF_F_NO_PREALLOC
#endif

struct core_table {
        __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
        __uint(map_flags, CORE_TABLE_FLAGS);
        __uint(max_entries, 1); /* the collector makes the real ones */
        __type(key, struct process_key);
        __type(value, struct core_counters);
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, 1);
        __type(key, __u32);
        __array(values, struct core_table);
} cores SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, N_SPECIALS);
        __type(key, __u32);
        __type(value, struct process_row);
} specials SEC(".maps");

/* Set before load; the verifier removes what a mode does not need. */
const volatile __u32 cfg_max_sockets = 262144;
const volatile bool cfg_scan_is_whole = true; /* the scan sees the files of all processes */
const volatile __u32 cfg_pidns_inode = 0;   /* the daemon's own PID namespace, when it is not the initial one */
const volatile bool cfg_has_sendpage = false; /* Linux up to 6.4 */
const volatile __u32 cfg_receive_arguments = 4; /* of what receives, in struct proto */
/* Offsets in kernel types that not every kernel has, from its type information; 0: it has none. A relocation against a
 * missing type would make libbpf look for it in all modules, for which the service has no privilege. */
const volatile __u32 cfg_drop_counters = 0; /* sock.sk_drop_counters (Linux 6.18) ... */
const volatile __u32 cfg_drops1 = 0;        /* ... and numa_drop_counters.drops1; drops0 comes first */

struct ledger_health health = {};
/* Sockets with LEDGER_UNCAPPED, which are not among health.sockets_tracked. */
__u64 sockets_uncapped = 0;

/* enum ledger_switch; the collector changes it while the programs run. */
volatile __u64 switches = SWITCH_TCP | SWITCH_UDP | SWITCH_TCP_CALLS;

__u32 always_zero = 0; /* which the verifier does not know */

/* Set by the collector after the first scan: a socket whose inode has this number or a higher one is younger. The
 * kernel gives the numbers away in batches, one for each processor (get_next_ino() in fs/inode.c). Where there are so
 * many processors that their old batches could not be used up, some that are younger have lower numbers. */
__u64 first_young_inode = -1ULL;
/* Of a socket without a ledger calls were charged: however young one is, it may have a past now. */
bool is_youth_no_proof = false;

/* Set by the collector when processes lack a row that they had: what they move goes to the overflow row. */
volatile bool is_table_short = false;

/* Set by the collector for a scan after which every process that holds a socket of its own shall have a row again. */
volatile bool is_row_wanted = false;

/* Set by the collector when the first scan is over: what the scan meets from then on is counted against the cap. */
bool is_scanned = false;

/* Set by the collector while it looks for sockets that moved data while their module was off: what they moved until now
 * is not counted, whenever they were born. */
bool is_forgetting_tcp = false, is_forgetting_others = false;

/* enum walk, set by the collector before each walk over open files. */
__u32 walk = WALK_FIND;
/* Processes whose files must be walked again in this pass. More than there is room for: all. */
__u32 again[MAX_ACTIVE] = {};
__u32 n_again = 0;
/* Processes that added the first call since the last fold to one of their ledgers: a ring, written at n_active. The
 * collector takes them out and leaves 0. */
__u32 active[MAX_ACTIVE] = {};
__u32 n_active = 0;

/* The pass that runs, or comes next: the collector adds one when all walks have reached their end. */
__u32 pass_number = 0;
/* Set to their first values when a pass begins. The walks add to pass_sockets, pass_uncapped and pass_work. The
 * collector sets pass_pause for each part, and pass_msec, the time of the sample, in each interval. */
__u32 pass_round = 0;     /* ledgers with this folded_round were folded in this pass */
__u64 pass_sockets = 0;   /* those met that count against the cap */
__u64 pass_uncapped = 0;  /* those met that do not */
__u64 pass_work = 0;      /* what the pass had to look at; in units of what one open file costs */
__u64 pass_pause = -1ULL; /* at this much pass_work the walk over open files pauses; the collector goes on later */
__u32 pass_place = 0;     /* number of the task whose files were met last; they come in the order of these numbers */
__u32 pass_msec = 0;
__u32 scanner = 0; /* tgid of the process that walks the open files: it may drop a socket's last reference */
/* Whose row was marked last, and whose name was looked at last; the iterators run one at a time. */
struct process_key last_seen = {}, last_named = {};

#endif
