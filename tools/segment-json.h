/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SEGMENT_JSON_H
#define SOCKTALLY_SEGMENT_JSON_H
/* The dump of a segment as one JSON object: header, words, tables with columns and rows, slots with facts. */
#include "tools/exit-status.h"

struct inspection;

enum exit_status segment_json_print(struct inspection *inspection);

#endif
