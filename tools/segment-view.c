/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the file through the library, so what is shown is what every reader gets. A file of a daemon that is gone is as
 * good as any other here.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tools/cell.h"
#include "tools/segment-view.h"
#include "tools/source.h"
#include "tools/untrusted.h"

static const char *const table_names[] = { "host", "services", "processes" };
#define N_TABLES (sizeof(table_names) / sizeof(table_names[0]))

static const char *type_name(enum socktally_column_type type) {
        switch (type) {
        case SOCKTALLY_COUNTER:
                return "counter";
        case SOCKTALLY_GAUGE:
                return "gauge";
        case SOCKTALLY_TEXT:
                return "text";
        case SOCKTALLY_ID:
                return "id";
        }
        return "unknown";
}

static int open_file(struct socktally **ret_reader, const char *path) {
        const struct socktally_options how = { .size = sizeof(how), .file_path = path };

        return socktally_open(ret_reader, &how);
}

static const char *reason(int error) {
        switch (error) {
        case EPROTO:
                return "not a valid segment";
        case EPROTONOSUPPORT:
                return "a layout that this command does not know";
        case EACCES:
                return "not readable, or somebody who may not could change it";
        default:
                return strerror(error);
        }
}

static void print_column(const struct socktally_column *column) {
        char help[CELL_SIZE], name[64], unit[32];

        (void)printf("  column %-4u %-20s %-7s %-12s at %-4u %3u bytes  %s\n", column->field_id,
                     untrusted_printable(name, sizeof(name), column->name), type_name(column->type),
                     untrusted_printable(unit, sizeof(unit), column->unit), column->offset, column->bytes,
                     untrusted_printable(help, sizeof(help), column->help));
}

static void print_cell(const struct socktally_row *row, const struct socktally_column *column) {
        char name[64], clean[CELL_SIZE];
        const char *text;
        uint64_t value;

        (void)printf(" %s=", untrusted_printable(name, sizeof(name), column->name));
        if (column->type == SOCKTALLY_TEXT) {
                if (socktally_text(row, column, &text) == SOCKTALLY_VALUE)
                        (void)fputs(untrusted_printable(clean, sizeof(clean), text), stdout);
                else
                        (void)fputs(CELL_UNKNOWN, stdout);
        } else if (socktally_value(row, column, &value) == SOCKTALLY_VALUE)
                (void)printf("%" PRIu64, value);
        else
                (void)fputs(CELL_UNKNOWN, stdout);
}

static void print_table(const struct socktally *reader, enum socktally_table table) {
        size_t n_columns = socktally_column_count(reader, table), n_rows = socktally_count(reader, table);
        struct socktally_column column;
        struct socktally_row row;

        (void)printf("table %s: %zu columns, %zu rows\n", table_names[table], n_columns, n_rows);
        for (size_t i = 0; i < n_columns; i++)
                if (socktally_column_at(reader, table, i, &column) >= 0)
                        print_column(&column);
        for (size_t i = 0; i < n_rows; i++) {
                if (socktally_row(reader, table, i, &row) != SOCKTALLY_VALUE)
                        continue;
                (void)printf("  row %zu:", i);
                for (size_t j = 0; j < n_columns; j++)
                        if (socktally_column_at(reader, table, j, &column) >= 0)
                                print_cell(&row, &column);
                (void)puts("");
        }
}

static void print_facts(const struct socktally_info *info) {
        char version[128];

        (void)printf("layout %u.%u, %s view, incarnation %" PRIx64 ", daemon %s (PID %u)\n", info->layout_major,
                     info->layout_minor, source_view_name(info->view), info->incarnation,
                     untrusted_printable(version, sizeof(version), info->daemon_version ? info->daemon_version : "-"),
                     info->daemon_pid);
        (void)printf("publication %" PRIu64 ", sampled at %" PRIu64 " ns after boot, every %" PRIu64 " ns\n",
                     info->sequence, info->time_ns, info->interval_ns);
        (void)printf("facts sockets_tracked=%" PRIu64 " sockets_overflowed=%" PRIu64 " rows_overflowed=%" PRIu64
                     " cost_ns=%" PRIu64 "\n",
                     info->sockets_tracked, info->sockets_overflowed, info->rows_overflowed, info->cost_ns);
}

enum exit_status segment_view_dump(const struct options *options) {
        struct socktally *reader = NULL;
        int r = open_file(&reader, options->file);

        if (r < 0) {
                warnx("%s: %s", options->file, reason(-r));
                return STATUS_FAILED;
        }
        const struct socktally_info info = source_info(reader);

        print_facts(&info);
        for (size_t i = 0; i < N_TABLES; i++)
                if (source_has_table(reader, (enum socktally_table)i))
                        print_table(reader, (enum socktally_table)i);
        (void)socktally_close(reader);
        return STATUS_DONE;
}

enum exit_status segment_view_verify(const struct options *options) {
        struct socktally *reader = NULL;
        int r = open_file(&reader, options->file);

        if (r < 0) {
                (void)printf("%s: %s\n", options->file, reason(-r));
                return STATUS_FAILED;
        }
        (void)printf("ok: publication %" PRIu64 "\n", source_info(reader).sequence);
        (void)socktally_close(reader);
        return STATUS_DONE;
}
