/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/property.h"

static int read_value(sd_bus_message *message, char type, struct property *property) {
        const char *text;
        uint32_t number;
        int boolean, r;

        if (type == 's') {
                r = sd_bus_message_read_basic(message, 's', &text);
                if (r >= 0 && !(property->text = strdup(text)))
                        return -ENOMEM;
                return r;
        }
        if (type == 't')
                return sd_bus_message_read_basic(message, 't', &property->number);
        if (type == 'u') {
                r = sd_bus_message_read_basic(message, 'u', &number);
                property->number = number;
        } else {
                r = sd_bus_message_read_basic(message, 'b', &boolean);
                property->number = (uint64_t)boolean;
        }
        return r;
}

static int read_variant(struct properties *properties, sd_bus_message *message, const char *name) {
        struct property *list, *property;
        const char *contents;
        int r;

        r = sd_bus_message_peek_type(message, NULL, &contents);
        if (r < 0)
                return r;
        if (strlen(contents) != 1 || !strchr("stub", contents[0]))
                return sd_bus_message_skip(message, "v");
        list = reallocarray(properties->list, properties->n + 1, sizeof(*list));
        if (!list)
                return -ENOMEM;
        properties->list = list;
        property = &list[properties->n++];
        *property = (struct property){ .name = strdup(name), .type = contents[0] };
        if (!property->name)
                return -ENOMEM;
        r = sd_bus_message_enter_container(message, 'v', contents);
        if (r >= 0)
                r = read_value(message, contents[0], property);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int properties_read(struct properties *properties, sd_bus_message *message) {
        int r = sd_bus_message_enter_container(message, 'a', "{sv}");

        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read_basic(message, 's', &name);
                if (r >= 0)
                        r = read_variant(properties, message, name);
                if (r >= 0)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

void properties_done(struct properties *properties) {
        for (size_t i = 0; i < properties->n; i++) {
                free(properties->list[i].name);
                free(properties->list[i].text);
        }
        free(properties->list);
        *properties = (struct properties){ NULL, 0 };
}

static const struct property *find(const struct properties *properties, const char *name) {
        for (size_t i = 0; i < properties->n; i++)
                if (strcmp(properties->list[i].name, name) == 0)
                        return &properties->list[i];
        return NULL;
}

char property_type(const struct properties *properties, const char *name) {
        const struct property *property = find(properties, name);

        return property ? property->type : 0;
}

const char *property_text(const struct properties *properties, const char *name) {
        const struct property *property = find(properties, name);

        return property ? property->text : NULL;
}

bool property_number(const struct properties *properties, const char *name, uint64_t *ret_number) {
        const struct property *property = find(properties, name);

        if (!property || property->text)
                return false;
        *ret_number = property->number;
        return true;
}
