/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_TABLES_H
#define SOCKTALLYD_COLLECT_TABLES_H
/* Process tables, counters per CPU beside them, and what was replaced. For the collector only. */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lookup.h"

#include "bpf/ledger.h"

struct collect;

/* The counters of each CPU, while there are maps per core. */
struct cores {
        int fd; /* -1: none */
        uint32_t flags; /* with which such tables are made */
        uint32_t n_cpus;
        uint32_t n_entries; /* processes that the table has room for */
        uint32_t next_seed; /* row at which the next search for processes without counters begins */
        /* Room for reading a piece of the table. Of each key there are n_cpus values, one after the other. */
        struct process_key *keys;
        struct core_counters *values;
        uint32_t n_reserved;
        struct lookup lookup; /* rows of the process table by key */
};

#define FORMER_MAX 16

/* A process table that was replaced, and is not read to its end yet. */
struct former {
        int fd, cores_fd; /* cores_fd: -1 if there were no maps per core */
        bool is_owned;
        uint32_t n_rows; /* there is room for */
};

/* How far a table is read; begins with zeros. */
struct table_cursor {
        bool is_begun, is_single;
        uint32_t token;
        struct process_key key;
};

/* rows.c. Reads up to *n entries, with values of a size. 0: more may follow. -ENOENT: these are the last.
 * -ENOSPC: *n is too small for the kernel's smallest piece. */
int table_read(int fd, struct table_cursor *cursor, struct process_key *keys, void *values, size_t size, uint32_t *n);
/* Adds rows to a table that no program sees yet. */
int table_write(int fd, const struct process_key *keys, const struct process_row *rows, uint32_t n);
/* To be called when the programs use another process table, fd. The table that they used before becomes a former table,
 * which is read once more. */
void tables_retire(struct collect *collect, uint32_t n_rows, int fd, int cores_fd);
/* After tables_retire(): gives the programs the counters per CPU that belong to the new table. If that fails the next
 * read tries again; no counter is lost meanwhile, as the programs go on adding to the former ones. */
int tables_follow(struct collect *collect);
/* Adds the rows of all former tables to the collector's rows. They stay open, so that all can be done again. */
int tables_read_former(struct collect *collect, uint32_t *n_rows);
void tables_close_former(struct collect *collect);

/* cores.c. */
void cores_init(struct cores *cores);
void cores_done(struct cores *cores);
/* Makes the first counters per CPU of a collector. The programs use them from then on. */
int cores_start(struct collect *collect);
/* Makes an empty process table or, with is_per_core, an empty table of counters per CPU. It can be put into the
 * programs' maps of maps. Returns its descriptor, which is the caller's. */
int collect_create_table(const struct collect *collect, bool is_per_core, uint32_t n_rows);
/* Makes a table for n_rows processes and returns its descriptor, which is the caller's; room for reading it, too. */
int cores_create(struct collect *collect, uint32_t n_rows);
/* The programs add to the table of counters fd from now on. The kernel returns when no program uses the former table
 * any more, so that one is final then and can be read. Both descriptors stay the caller's. */
int cores_exchange(const struct collect *collect, int fd);
void cores_close(struct cores *cores);
/* Adds what the CPUs counted to the n rows in the collector's values. A process can have counters and no row among
 * these, if its row was made after they were read.
 *   table_fd -1: such a process is left out, and comes with the next read. Rows without counters get some.
 *   else: this is the last read of these counters. Such a process gets a row here, with its name from the process table
 *   table_fd. */
int cores_add(struct collect *collect, int table_fd, uint32_t *n);
/* Deletes the counters of a process that has exited, and adds what they were to row, unless that is NULL. False: they
 * could not be read. */
bool cores_take(struct cores *cores, const struct process_key *key, struct process_row *row);
/* The least memory that the table takes while n_used processes have rows: some kernels tell it for one CPU. */
uint64_t cores_bytes(const struct cores *cores, uint32_t n_used);

#endif
