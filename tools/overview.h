/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_OVERVIEW_H
#define SOCKTALLY_OVERVIEW_H
/* The commands modules, tables and settings. */
#include <json-c/json.h>

#include "tools/control.h"
#include "tools/options.h"

enum exit_status overview_run(const struct options *options);
/* The object of a list: sequence, time_ns, interval_ns, view, and the rows under the name. Takes the rows over. */
struct json_object *overview_frame(const struct control *control, const char *name, struct json_object *rows);

#endif
