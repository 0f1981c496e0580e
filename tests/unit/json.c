/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/json.h"

struct json_object *json_parse(const char *text) {
        struct json_object *object = json_tokener_parse(text);

        if (!object)
                fail_msg("this is no JSON: %s", text);
        return object;
}

struct json_object *json_get(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        if (!json_object_object_get_ex(object, key, &value))
                fail_msg("there is no key %s in %s", key, json_object_to_json_string(object));
        return value;
}
