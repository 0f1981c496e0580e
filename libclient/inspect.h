/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_INSPECT_H
#define SOCKTALLY_INSPECT_H
/*
 * Looking into a segment file as it is: for `socktally segment` and for tests. Not installed, not exported; link
 * libclient/libreader.la. Everything handed out is a private copy that was validated, and belongs to the inspection.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libclient/frame.h"
#include "libclient/layout.h"
#include "libclient/socktally.h"

#define INSPECT_REASON_SIZE 192

struct inspection;

/* The words that change, as they are now. */
struct inspect_words {
        uint64_t published;
        uint32_t wake;
        uint32_t state; /* LAYOUT_STATE_x */
        uint32_t owner; /* the word that tells of the writer's death */
        bool is_owner_dead;
        bool is_same_boot;
};

enum inspect_slot_state {
        INSPECT_SLOT_EMPTY,   /* never written */
        INSPECT_SLOT_WRITING, /* half of a publication: being written, or its writer died */
        INSPECT_SLOT_WHOLE
};

struct inspect_slot {
        enum inspect_slot_state state;
        uint64_t seq;
        uint64_t number;   /* of the publication in it */
        bool is_published; /* the newest one */
        struct layout_facts facts;
        struct layout_content contents[LAYOUT_MAX_TABLES]; /* by table id, as they are: there may be too many rows */
};

/* Maps and validates. Whoever may write the file is accepted. 0 or negative errno as socktally_open(); reason,
 * INSPECT_REASON_SIZE bytes or NULL, gets one line that says what is wrong. */
int stly_inspect_open(struct inspection **ret_inspection, const char *path, char *reason);
struct inspection *stly_inspect_close(struct inspection *inspection);

const struct layout_header *stly_inspect_header(const struct inspection *inspection);
void stly_inspect_words(const struct inspection *inspection, struct inspect_words *ret_words);

/* Tables by their place in the segment, 0 to header->n_tables - 1, and columns by their place in the table; NULL past
 * the end. */
const struct layout_table *stly_inspect_table(const struct inspection *inspection, uint32_t table);
const struct layout_column *stly_inspect_column(const struct inspection *inspection, uint32_t table, uint32_t column);

/* Copies slot number `slot`, 0 to header->n_slots - 1, out of the segment; what follows reads this copy. -ENOENT
 * past the end; -EAGAIN when the writer was faster each time. */
int stly_inspect_read_slot(struct inspection *inspection, uint32_t slot, struct inspect_slot *ret_slot);
/* Rows of the table in the slot read last, clamped to its capacity. */
uint32_t stly_inspect_count(const struct inspection *inspection, uint32_t table);
/* NULL past the end. */
const unsigned char *stly_inspect_row(const struct inspection *inspection, uint32_t table, uint32_t row);
/* The index entries, as many as the table's index_size says; NULL: it has none. */
const struct layout_index_entry *stly_inspect_index(const struct inspection *inspection, uint32_t table);
/* A field of a row that stly_inspect_row() gave. Text is made safe to print first. */
uint64_t stly_inspect_number(const unsigned char *row, const struct layout_column *column);
const char *stly_inspect_text(const unsigned char *row, const struct layout_column *column);

/* Checks the contents: slots, counts, indexes, texts, and that the rows of each table add up to the host's. Calls
 * complain with one line for each fault, and returns how many there were, or negative errno. */
typedef void (*inspect_complain)(void *userdata, const char *line);
int stly_inspect_verify(struct inspection *inspection, inspect_complain complain, void *userdata);

#endif
