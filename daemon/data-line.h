/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_DATA_LINE_H
#define SOCKTALLYD_DATA_LINE_H
/*
 * The parts that data passes through. What each does in an interval is in interval.c; here is how they begin and end,
 * also where the daemon before left off.
 */
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "daemon/collect/operations.h"

struct keep;
struct settings;

/* In the order in which data passes through them. The pointers are written by data-line.c alone, but for counting and
 * readers, which daemon.c sets. */
struct data_line {
        const struct collect_operations *counting;
        struct collect *collect;
        struct identities *identities;
        struct totals *totals;
        struct publish *publish;
        struct readers *readers;
        struct keeper *keeper; /* NULL: there is nobody to keep anything for the next daemon */
};

/* How many rows each table has at most, those that are no process or group included. */
struct totals_rows data_line_rows(const struct settings *settings);

/* These are called in this order. keep: what the daemon before left. Errors were logged. */
void data_line_open_keeper(struct data_line *line, const struct keep *keep);
int data_line_make_tables(struct data_line *line, const struct settings *settings, const char *directory,
                          gid_t full_group, struct keep *keep);
int data_line_start_counting(struct data_line *line, const struct settings *settings, const struct keep *keep);
int data_line_start_naming(struct data_line *line, const struct keep *keep, sd_event *event);
/* Frees the parts that there are by now. */
void data_line_stop(struct data_line *line);

#endif
