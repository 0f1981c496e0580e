/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socktally-segment(5) promises that a reader can be written from it alone, so its tables must be the layout. Each of
 * them is compared with the headers: every member of the structure in order, at its offset, with its size, and nothing
 * left out up to the structure's end; and every column of the schema with all that the page says of it.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/frame.h"
#include "libclient/handshake.h"
#include "libclient/layout.h"
#include "libclient/schema.h"
#include "libclient/socktally.h"

#define PAGE "man/socktally-segment.5"

struct member {
        const char *name;
        size_t offset, size;
};

struct structure {
        const char *name;
        size_t size;
        const struct member *members;
        size_t n_members;
};

#define M(type, member) { #member, offsetof(struct type, member), sizeof(((struct type *) 0)->member) }
#define STRUCTURE(type) { #type, sizeof(struct type), type##_members, sizeof(type##_members) / sizeof(struct member) }

static const struct member handshake_message_members[] = {
#define H(member) M(handshake_message, member)
        H(magic), H(type), H(view), H(major_min), H(major_max), H(major), H(zero), H(error), H(reserved),
#undef H
};
static const struct member layout_header_members[] = {
#define H(member) M(layout_header, member)
        H(magic), H(byte_order), H(major), H(minor), H(incompatible), H(compatible), H(size), H(header_size),
        H(table_size), H(column_size), H(dynamic_size), H(slot_size), H(facts_size), H(facts_offset),
        H(contents_offset), H(index_entry_size), H(n_slots), H(n_tables), H(n_columns), H(tables_offset),
        H(columns_offset), H(dynamic_offset), H(slots_offset), H(slot_stride), H(owner_offset), H(incarnation),
        H(schema_hash), H(created_ns), H(boot_id), H(view), H(writer_pid), H(writer_start), H(version),
        H(reserved),
#undef H
};
static const struct member layout_table_members[] = {
#define T(member) M(layout_table, member)
        T(name), T(id), T(row_size), T(capacity), T(first_column), T(n_columns), T(index_size), T(zero), T(rows_offset),
        T(index_offset), T(keys), T(reserved),
#undef T
};
static const struct member layout_column_members[] = {
#define C(member) M(layout_column, member)
        C(field_id), C(type), C(offset), C(bytes), C(name), C(unit), C(help), C(reserved),
#undef C
};
static const struct member layout_dynamic_members[] = {
#define D(member) M(layout_dynamic, member)
        D(published), D(pad0), D(wake), D(pad1), D(state), D(pad2), D(owner), D(pad3),
#undef D
};
static const struct member layout_slot_members[] = {
#define S(member) M(layout_slot, member)
        S(seq), S(pad0), S(facts), S(contents),
#undef S
};
static const struct member layout_content_members[] = {
#define C(member) M(layout_content, member)
        C(known), C(count), C(reserved0), C(reserved),
#undef C
};
static const struct member layout_facts_members[] = {
#define F(member) M(layout_facts, member)
        F(sequence), F(time_ns), F(realtime_ns), F(interval_ns), F(sockets_tracked), F(sockets_overflowed),
        F(rows_overflowed), F(cost_ns), F(missed_tx_calls), F(missed_rx_calls), F(interval_missed_tx_calls),
        F(interval_missed_rx_calls), F(missed_is_exact), F(reserved0), F(complete_ns),
        F(reserved),
#undef F
};
static const struct member layout_index_entry_members[] = {
        M(layout_index_entry, key),
        M(layout_index_entry, row),
};

static const struct structure structures[] = {
        STRUCTURE(handshake_message), STRUCTURE(layout_header), STRUCTURE(layout_table), STRUCTURE(layout_column),
        STRUCTURE(layout_dynamic),    STRUCTURE(layout_slot),   STRUCTURE(layout_facts), STRUCTURE(layout_content),
        STRUCTURE(layout_index_entry),
};
#define N_STRUCTURES (sizeof(structures) / sizeof(structures[0]))

static char *page;
static unsigned int n_cases;
static bool has_failed;

static void report(bool is_ok, const char *format, const char *name) {
        printf("%s %u - ", is_ok ? "ok" : "not ok", ++n_cases);
        printf(format, name);
        putchar('\n');
        has_failed = has_failed || !is_ok;
}

static char *read_page(const char *path) {
        char *text = calloc(1, 1 << 20);
        FILE *file = fopen(path, "re");

        if (!file || !text) {
                printf("Bail out! cannot read %s\n", path);
                exit(99);
        }
        (void) !fread(text, 1, (1 << 20) - 1, file);
        fclose(file);
        return text;
}

/* The first data line after the comment, or NULL. */
static const char *table_start(const char *kind, const char *name) {
        char mark[64];
        const char *start;

        snprintf(mark, sizeof(mark), "\n.\\\" %s %s\n.TS\n", kind, name);
        start = strstr(page, mark);
        for (int i = 0; start && i < 4; i++) /* mark, .TS, format, heading */
                start = strchr(start + 1, '\n');
        return start ? start + 1 : NULL;
}

/* Goes past one row: up to the line after T} if its text spans lines. */
static const char *next_row(const char *row) {
        const char *end = strchr(row, '\n');

        if (end > row + 1 && end[-1] == '{')
                end = strchr(strstr(end, "\nT}") + 1, '\n');
        return end + 1;
}

__attribute__((format(printf, 2, 3))) static bool row_begins(const char *row, const char *format, ...) {
        char expected[512];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(expected, sizeof(expected), format, arguments);
        va_end(arguments);
        if (row && strncmp(row, expected, strlen(expected)) == 0)
                return true;
        printf("# expected: %s\n# the page: %.80s\n", expected, row ? row : "(no such table)");
        return false;
}

static bool is_structure_as_said(const struct structure *structure) {
        const char *row = table_start("table", structure->name);
        size_t end = 0;

        for (size_t i = 0; i < structure->n_members; i++) {
                const struct member *member = &structure->members[i];

                if (!row_begins(row, "%zu\t%zu\t%s\t", member->offset, member->size, member->name))
                        return false;
                if (member->offset != end) {
                        printf("# %s: this test does not know what is before %s\n", structure->name, member->name);
                        return false;
                }
                end = member->offset + member->size;
                row = next_row(row);
        }
        if (end != structure->size)
                printf("# %s: this test does not know what is at its end\n", structure->name);
        return end == structure->size && row_begins(row, ".TE\n");
}

static const char *type_name(uint32_t type) {
        static const char *const names[] = { "counter", "gauge", "text", "id" };

        return type < 4 ? names[type] : "?";
}

static bool is_metric(const struct schema_column *column) {
        return column->field_id <= FIELD_LAST_METRIC;
}

static bool are_metrics_as_said(const struct schema_table *table) {
        const char *row = table_start("columns", "metrics");
        struct schema_column column;

        for (uint32_t i = 0; stly_schema_column(table, i, &column); i++) {
                if (!is_metric(&column))
                        continue;
                if (column.bytes != 8 ||
                    !row_begins(row, "%u\t%u\t%s\t%s\tT{\n\\fI%s\\fR: %s\nT}\n", column.field_id,
                                column.offset - table->counters, type_name(column.type), column.unit, column.name,
                                column.help))
                        return false;
                row = next_row(row);
        }
        return row_begins(row, ".TE\n");
}

static bool are_columns_as_said(const struct schema_table *table) {
        const char *row = table_start("columns", table->name);
        struct schema_column column;

        for (uint32_t i = 0; stly_schema_column(table, i, &column); i++) {
                if (is_metric(&column))
                        continue;
                if (!row_begins(row, "%u\t%u\t%u\t%s\t%s\tT{\n\\fI%s\\fR: %s\nT}\n", column.field_id, column.offset,
                                column.bytes, type_name(column.type), column.unit, column.name, column.help))
                        return false;
                row = next_row(row);
        }
        return row_begins(row, ".TE\n");
}

static bool is_row_size_as_said(const struct schema_table *table) {
        static const char *const sentences[] = {
                [LAYOUT_TABLE_HOST] = "One row of %u bytes: the sum of everything.\nThe first metric is at byte %u.",
                [LAYOUT_TABLE_SERVICES] = "One row of %u bytes per systemd unit.\nThe first metric is at byte %u.",
                [LAYOUT_TABLE_PROCESSES] = "One row of %u bytes per process.\nThe first metric is at byte %u.",
                [LAYOUT_TABLE_APPS] = "One row of %u bytes per application.\nThe first metric is at byte %u.",
                [LAYOUT_TABLE_CONTAINERS] = ("One row of %u bytes per container or virtual machine.\n"
                                             "The first metric is at byte %u."),
                [LAYOUT_TABLE_USERS] = "One row of %u bytes per user.\nThe first metric is at byte %u.",
        };
        char sentence[128];

        snprintf(sentence, sizeof(sentence), sentences[table->id], table->row_size,
                 table->counters);
        return strstr(page, sentence) != NULL;
}

/* Numbers that the text mentions. */
static bool are_constants_as_said(void) {
        const struct {
                const char *format;
                unsigned long long number;
        } constants[] = {
                { "0x%llx, the bytes \"SOCKTLY1\"", LAYOUT_MAGIC },
                { "0x%llx\nT}", HANDSHAKE_MAGIC },
                { "0x%08llx\nT}", LAYOUT_BYTE_ORDER },
                { "at least %llu\nT}", sizeof(struct layout_header) },
                { "2 to %llu\nT}", LAYOUT_MAX_SLOTS },
                { "1 to %llu\nT}", LAYOUT_MAX_TABLES },
                { "at most %llu\nT}", LAYOUT_MAX_COLUMNS },
                { "at most %llu\nT}", LAYOUT_MAX_ROWS },
                { "at most %llu\nT}", LAYOUT_MAX_ROW_SIZE },
                { "1 to %llu: a metric", FIELD_LAST_METRIC },
                { "HELLO within %llu seconds", HANDSHAKE_TIMEOUT_USEC / 1000000 },
                { "start %llu", (unsigned long long) SCHEMA_HASH_START },
                { "is %llu for units of", LAYOUT_NO_UID },
        };
        bool is_ok = true;
        char text[128];

        for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                snprintf(text, sizeof(text), constants[i].format, constants[i].number);
#pragma GCC diagnostic pop
                if (strstr(page, text))
                        continue;
                printf("# the page does not say: %s\n", text);
                is_ok = false;
        }
        return is_ok;
}

int main(void) {
        const char *srcdir = getenv("srcdir");
        char path[4096];

        snprintf(path, sizeof(path), "%s/" PAGE, srcdir ? srcdir : ".");
        page = read_page(path);
        for (size_t i = 0; i < N_STRUCTURES; i++)
                report(is_structure_as_said(&structures[i]), "the page describes struct %s to the byte",
                       structures[i].name);
        report(are_metrics_as_said(stly_schema_table(LAYOUT_TABLE_HOST)), "the page lists every %s", "metric");
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                report(are_columns_as_said(stly_schema_table(id)), "the page lists every column of table %s",
                       stly_schema_table(id)->name);
                report(is_row_size_as_said(stly_schema_table(id)), "the page knows the row size of table %s",
                       stly_schema_table(id)->name);
        }
        report(are_constants_as_said(), "the page's numbers are the %s", "headers'");
        printf("1..%u\n", n_cases);
        free(page);
        return has_failed;
}
