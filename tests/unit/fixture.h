/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_FIXTURE_H
#define SOCKTALLY_TESTS_FIXTURE_H
/*
 * A segment in a directory of its own, with rows whose every field tells which row it is of, and a reader on it.
 */
#include <stdint.h>

#include "daemon/publish/segment.h"
#include "libclient/socktally.h"

#define FIXTURE_PID 1000 /* row i of the processes has this plus i; row 0 is no process */
#define FIXTURE_SECOND UINT64_C(1000000000)

struct fixture {
        char directory[64];
        struct segment_config config;
        struct segment *segment;
        struct segment_fill fill; /* as published last; the rows are still there */
        struct socktally *reader;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Fills everything: n rows of each table and the host. Counters grow with the sequence. */
void fixture_fill(struct fixture *fixture, uint32_t n);
void fixture_publish(struct fixture *fixture, uint32_t n);
/* A new segment takes the old one's place; publishes n rows. */
void fixture_replace(struct fixture *fixture, uint32_t capacity, uint32_t n, uint64_t incarnation);
/* Opens the reader on the segment's file. */
int fixture_open(struct fixture *fixture);
/* The same, and takes the first snapshot. */
void fixture_take(struct fixture *fixture);
struct socktally_info fixture_info(const struct fixture *fixture);

const unsigned char *fixture_row(const struct fixture *fixture, uint32_t table, uint32_t index);
const char *fixture_path(const struct fixture *fixture, char path[static 128]);
/* What row i of a table counts for metric m in a publication. */
uint64_t fixture_counter(uint64_t sequence, uint32_t i, uint32_t m);

#endif
