/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_JSON_H
#define SOCKTALLY_TESTS_JSON_H
/* What the command printed as JSON. Each fails the test where there is nothing to return. */
#include <json-c/json.h>

/* The caller puts it. */
struct json_object *json_parse(const char *text);
/* The member, which may be null. */
struct json_object *json_get(struct json_object *object, const char *key);

#endif
