/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules and tables are detail column by column from their properties; what a daemon does not have is unknown. The
 * head of the JSON is that of the other lists. It has no view: the bus shows the same to everybody.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/control.h"
#include "tools/grid.h"
#include "tools/json.h"
#include "tools/overview.h"
#include "tools/setting.h"

enum shape {
        SHAPE_NAME,
        SHAPE_TEXT,
        SHAPE_SWITCH,
        SHAPE_NUMBER,
        SHAPE_STATISTIC, /* of running programs: 0 is unknown while one event costs 0, as the kernel keeps none then */
        SHAPE_END,       /* a point in time; 0 is never */
};

struct detail {
        struct grid_column column;
        const char *key, *property;
        enum shape shape;
};

static const struct detail module_columns[] = {
        { { "MODULE", false }, "name", NULL, SHAPE_NAME },
        { { "ENABLED", false }, "enabled", "Enabled", SHAPE_SWITCH },
        { { "STATE", false }, "state", "State", SHAPE_TEXT },
        { { "METHOD", false }, "method", "AttachMethod", SHAPE_TEXT },
        { { "EXPIRES", false }, "expires_usec", "ExpiresUSec", SHAPE_END },
        { { "EVENTS", true }, "events", "Events", SHAPE_STATISTIC },
        { { "MISSES", true }, "misses", "Misses", SHAPE_NUMBER },
        { { "NS/EVENT", true }, "ns_per_event", "NSecPerEvent", SHAPE_STATISTIC },
        { { "REASON", false }, "reason", "Reason", SHAPE_TEXT },
};

static const struct detail table_columns[] = {
        { { "TABLE", false }, "name", NULL, SHAPE_NAME },
        { { "USED", true }, "used", "Used", SHAPE_NUMBER },
        { { "PEAK", true }, "peak", "Peak", SHAPE_NUMBER },
        { { "CAPACITY", true }, "capacity", "Capacity", SHAPE_NUMBER },
        { { "MIN", true }, "capacity_min", "CapacityMin", SHAPE_NUMBER },
        { { "MAX", true }, "capacity_max", "CapacityMax", SHAPE_NUMBER },
        { { "OVERFLOWED", true }, "overflowed", "Overflowed", SHAPE_NUMBER },
};

static const struct {
        enum control_kind kind;
        const char *name;
        const struct detail *detail;
        size_t n;
} lists[] = {
        [CONTROL_MODULE] = { CONTROL_MODULE, "modules", module_columns,
                             sizeof(module_columns) / sizeof(module_columns[0]) },
        [CONTROL_TABLE] = { CONTROL_TABLE, "tables", table_columns, sizeof(table_columns) / sizeof(table_columns[0]) },
};
#define MAX_COLUMNS (sizeof(module_columns) / sizeof(module_columns[0]))

static bool known_number(const struct control_object *object, const struct detail *detail, uint64_t *ret_number) {
        uint64_t cost;

        if (!property_number(&object->properties, detail->property, ret_number))
                return false;
        if (detail->shape != SHAPE_STATISTIC || *ret_number != 0)
                return true;
        return property_number(&object->properties, "NSecPerEvent", &cost) && cost > 0;
}

/* "in 4 min 59 s"; the bus counts from 1970. */
static const char *end_text(char *buffer, size_t size, uint64_t usec) {
        char duration[UNITS_SIZE];
        struct timespec now;
        uint64_t now_usec;

        (void)clock_gettime(CLOCK_REALTIME, &now);
        now_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
        if (usec == 0)
                return "never";
        if (usec <= now_usec)
                return "now";
        (void)snprintf(buffer, size, "in %s", units_duration(duration, (usec - now_usec) * 1000));
        return buffer;
}

static const char *cell(char *buffer, size_t size, const struct control_object *object, const struct detail *detail) {
        uint64_t number;
        const char *text;

        if (detail->shape == SHAPE_NAME)
                return object->name;
        if (detail->shape == SHAPE_TEXT) {
                text = property_text(&object->properties, detail->property);
                return text && *text ? text : NULL;
        }
        if (!known_number(object, detail, &number))
                return NULL;
        if (detail->shape == SHAPE_SWITCH)
                return number ? "yes" : "no";
        if (detail->shape == SHAPE_END)
                return end_text(buffer, size, number);
        (void)snprintf(buffer, size, "%" PRIu64, number);
        return buffer;
}

static enum exit_status print_grid(const struct control *control, enum control_kind kind,
                                   const struct options *options) {
        struct grid_column columns[MAX_COLUMNS];
        const char *cells[MAX_COLUMNS];
        char buffers[MAX_COLUMNS][96];
        struct grid *grid;

        for (size_t i = 0; i < lists[kind].n; i++)
                columns[i] = lists[kind].detail[i].column;
        grid = grid_new(columns, lists[kind].n, options);
        for (size_t k = 0; k < control->n_objects; k++) {
                if (control->objects[k].kind != kind)
                        continue;
                for (size_t i = 0; i < lists[kind].n; i++)
                        cells[i] = cell(buffers[i], sizeof(buffers[i]), &control->objects[k], &lists[kind].detail[i]);
                grid_add(grid, cells);
        }
        return grid_print(grid);
}

static struct json_object *text_object(const char *text) {
        return text && *text ? json_object_new_string(text) : NULL;
}

static struct json_object *json_cell(const struct control_object *object, const struct detail *detail) {
        uint64_t number;

        if (detail->shape == SHAPE_NAME)
                return json_object_new_string(object->name);
        if (detail->shape == SHAPE_TEXT)
                return text_object(property_text(&object->properties, detail->property));
        if (!known_number(object, detail, &number) || (detail->shape == SHAPE_END && number == 0))
                return NULL;
        if (detail->shape == SHAPE_SWITCH)
                return json_object_new_boolean(number != 0);
        return json_object_new_uint64(number);
}

static struct json_object *json_rows(const struct control *control, enum control_kind kind) {
        struct json_object *rows = json_object_new_array();

        for (size_t k = 0; k < control->n_objects; k++) {
                struct json_object *row;

                if (control->objects[k].kind != kind)
                        continue;
                row = json_object_new_object();
                for (size_t i = 0; i < lists[kind].n; i++)
                        (void)json_object_object_add(row, lists[kind].detail[i].key,
                                                     json_cell(&control->objects[k], &lists[kind].detail[i]));
                (void)json_object_array_add(rows, row);
        }
        return rows;
}

struct json_object *overview_frame(const struct control *control, const char *name, struct json_object *rows) {
        struct json_object *object = json_object_new_object();
        struct timespec now;
        uint64_t number;

        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        (void)json_object_object_add(object, "sequence",
                                     property_number(&control->manager, "Sequence", &number) ?
                                             json_object_new_uint64(number) : NULL);
        (void)json_object_object_add(object, "time_ns",
                                     json_object_new_uint64((uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec));
        (void)json_object_object_add(object, "interval_ns",
                                     property_number(&control->manager, "CurrentIntervalUSec", &number) ?
                                             json_object_new_uint64(number * 1000) : NULL);
        (void)json_object_object_add(object, "view", NULL);
        (void)json_object_object_add(object, name, rows);
        return object;
}

static struct json_object *json_setting(const char *key, const char *value, const char *source) {
        struct json_object *row = json_object_new_object();

        (void)json_object_object_add(row, "key", json_object_new_string(key));
        (void)json_object_object_add(row, "value", value ? json_object_new_string(value) : NULL);
        (void)json_object_object_add(row, "source", text_object(source));
        return row;
}

struct settings_output {
        struct grid *grid;         /* or */
        struct json_object *array;
};

static void add_setting(struct settings_output *output, const char *key, const char *value, const char *source) {
        if (output->array)
                (void)json_object_array_add(output->array, json_setting(key, value, source));
        else
                grid_add(output->grid, (const char *const[]){ key, value, source });
}

/* A daemon that does not say where settings come from still says most of what is in force. */
static void add_known_settings(struct settings_output *output, const struct control *control) {
        char value[SETTING_SIZE];

        for (const struct setting *s = setting_next(NULL); s; s = setting_next(s))
                add_setting(output, s->key, setting_value(control, s, value) ? value : NULL, NULL);
}

static void add_settings(struct settings_output *output, const struct control *control) {
        for (size_t i = 0; i < control->n_settings; i++)
                add_setting(output, control->settings[i].key, control->settings[i].value, control->settings[i].source);
        if (control->n_settings == 0)
                add_known_settings(output, control);
}

static enum exit_status print_settings(struct control *control, sd_bus *bus, const struct options *options) {
        static const struct grid_column columns[] = { { "KEY", false }, { "VALUE", false }, { "SOURCE", false } };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct settings_output output = { NULL, NULL };
        int r = control_take_settings(control, bus, &error);

        if (r == -EOPNOTSUPP)
                warnx("settings: this daemon does not tell where its settings come from; install daemon and command "
                      "from one release");
        else if (r < 0)
                return bus_explain("settings", r, &error);
        if (options->is_json)
                output.array = json_object_new_array();
        else
                output.grid = grid_new(columns, 3, options);
        add_settings(&output, control);
        if (options->is_json)
                return json_print(overview_frame(control, "settings", output.array), false);
        return grid_print(output.grid);
}

static enum exit_status print(struct control *control, sd_bus *bus, const struct options *options) {
        enum control_kind kind = options->command == COMMAND_MODULES ? CONTROL_MODULE : CONTROL_TABLE;

        if (options->command == COMMAND_SETTINGS)
                return print_settings(control, bus, options);
        if (options->is_json)
                return json_print(overview_frame(control, lists[kind].name, json_rows(control, kind)), false);
        return print_grid(control, kind, options);
}

enum exit_status overview_run(const struct options *options) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        struct control control;
        sd_bus *bus = NULL;
        enum exit_status status = bus_open(&bus);
        int r;

        if (status != STATUS_DONE)
                return status;
        r = control_take(&control, bus, true, &error);
        if (r < 0)
                status = bus_explain(grammar_command(options->command)->name, r, &error);
        else {
                status = print(&control, bus, options);
                control_done(&control);
        }
        (void)sd_bus_flush_close_unref(bus);
        return status;
}
