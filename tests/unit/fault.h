/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_FAULT_H
#define SOCKTALLY_TESTS_FAULT_H
/*
 * Calls that fail because a test wants it: bpf(2) as libbpf makes it, memory from malloc() and its kin, and mmap(). A
 * test links fault.c and sets rules; another program gets tests/unit/.libs/fault.so by LD_PRELOAD and its rules in the
 * environment as SOCKTALLY_FAIL.
 *
 * Rules are separated by commas:
 *
 *     bpf:COMMAND:WHICH:ERROR    COMMAND as in linux/bpf.h without BPF_ (also without MAP_), or * for any
 *     malloc:WHICH, mmap:WHICH   ENOMEM
 *
 * WHICH is a number (the n-th such call fails, once), * (each does), or a name (each does that is about it): of the
 * program that is loaded or attached, or of the map, or the map's type as bpftool writes it. For example
 * "bpf:MAP_LOOKUP_BATCH:3:ENOMEM", "bpf:LINK_CREATE:on_tcp_destroy:EPERM", "bpf:MAP_CREATE:sk_storage:EPERM".
 *
 * The ERROR "IDLE" of LINK_CREATE is none: the link seems to be made, and its program never runs, as if the kernel had
 * skipped it each time.
 */

/* From now on these rules and no others; NULL: none. Counting begins at 1. Returns 0, or -EINVAL with no rule set. */
int fault_set(const char *rules);
/* How many calls have failed since rules were last set. */
unsigned fault_hits(void);

#endif
