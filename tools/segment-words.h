/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SEGMENT_WORDS_H
#define SOCKTALLY_SEGMENT_WORDS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inspect_slot;
struct inspection;

/* Words for the numbers in a segment; both the text and the JSON of a dump use them. */
const char *segment_state_name(uint32_t state);
const char *segment_type_name(uint32_t type);
/* Names of the columns that a table's index goes by, as "service, uid"; "none" without one. */
const char *segment_index_name(const struct inspection *inspection, uint32_t table, char *buffer, size_t size);
const char *segment_slot_state_name(int state); /* enum inspect_slot_state */
/* Whether a metric's column is known, by what the publication says of the table; what is no metric always is. */
bool segment_is_known(uint32_t field_id, uint64_t known);
/* The slot that holds the newest publication is read last, so that its rows can be asked for. -ENOENT: none. */
int segment_read_newest(struct inspection *inspection, struct inspect_slot *ret_slot);

#endif
