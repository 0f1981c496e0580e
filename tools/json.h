/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_JSON_H
#define SOCKTALLY_JSON_H
/*
 * Listings as JSON objects for programs. Keys of a row are the column names of the segment; what is unknown and what is
 * empty is null. Counters are integers up to 2^64-1, rates are numbers per second in an object of their own.
 */
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "tools/exit-status.h"
#include "tools/listing.h"

/* Facts of the snapshot (sequence, time_ns, interval_ns, late_ns and so on), host, and the rows under the table's name.
 * The caller owns the object. */
struct json_object *json_listing(const struct listing *listing, size_t limit, bool has_rates);
/* The single row of the host table; JSON null when the snapshot has none. */
struct json_object *json_host(const struct socktally *reader, bool has_rates);
/* Prints the object as one line, or indented for a person, and a newline; frees it. */
enum exit_status json_print(struct json_object *object, bool is_line);

#endif
