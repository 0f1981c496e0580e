/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inspector validates and copies; here is only what is printed. Whatever a segment holds may come from a stranger's
 * file, so every text is escaped.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libclient/inspect.h"
#include "tools/cell.h"
#include "tools/json.h"
#include "tools/segment-json.h"
#include "tools/segment-view.h"
#include "tools/segment-words.h"
#include "tools/source.h"
#include "tools/untrusted.h"

static const char *clean(char *buffer, const char *text) {
        return untrusted_printable(buffer, CELL_SIZE, text);
}

static void print_header(const struct layout_header *header) {
        char version[CELL_SIZE];

        (void)printf("layout       %u.%u, incompatible bits %" PRIx64 ", compatible bits %" PRIx64 "\n", header->major,
                     header->minor, header->incompatible, header->compatible);
        (void)printf("view         %s\n", source_view_name((enum socktally_view)header->view));
        (void)printf("writer       socktallyd %s, PID %u, started at tick %" PRIu64 "\n",
                     clean(version, header->version), header->writer_pid, header->writer_start);
        (void)fputs("boot id      ", stdout);
        for (size_t i = 0; i < sizeof(header->boot_id); i++)
                (void)printf("%02x", header->boot_id[i]);
        (void)printf("\nincarnation  %" PRIx64 "\n", header->incarnation);
        (void)printf("schema hash  %" PRIx64 "\n", header->schema_hash);
        (void)printf("created      %" PRIu64 " ns after boot\n", header->created_ns);
        (void)printf("size         %" PRIu64 " bytes: header %u, tables at %" PRIu64 ", columns at %" PRIu64
                     ", words at %" PRIu64 ", slots at %" PRIu64 " of %" PRIu64 " each\n",
                     header->size, header->header_size, header->tables_offset, header->columns_offset,
                     header->dynamic_offset, header->slots_offset, header->slot_stride);
}

static void print_words(const struct inspection *inspection) {
        struct inspect_words words;

        stly_inspect_words(inspection, &words);
        (void)printf("state        %s, published %" PRIu64 ", wake %u, owner %x%s%s\n", segment_state_name(words.state),
                     words.published, words.wake, words.owner, words.is_owner_dead ? " (dead)" : "",
                     words.is_same_boot ? "" : ", from another boot");
}

static void print_slots(struct inspection *inspection) {
        for (uint32_t i = 0; i < stly_inspect_header(inspection)->n_slots; i++) {
                struct inspect_slot slot;

                if (stly_inspect_read_slot(inspection, i, &slot) < 0) {
                        (void)printf("slot %-2u      being written\n", i);
                        continue;
                }
                (void)printf("slot %-2u      %s, seq %" PRIu64 ", publication %" PRIu64 "%s\n", i,
                             segment_slot_state_name((int)slot.state), slot.seq, slot.number,
                             slot.is_published ? ", the newest" : "");
                if (slot.state != INSPECT_SLOT_WHOLE)
                        continue;
                (void)printf("             time_ns %" PRIu64 ", realtime_ns %" PRIu64 ", interval_ns %" PRIu64 "\n",
                             slot.facts.time_ns, slot.facts.realtime_ns, slot.facts.interval_ns);
                (void)printf("             sockets_tracked %" PRIu64 ", sockets_overflowed %" PRIu64
                             ", rows_overflowed %" PRIu64 ", cost_ns %" PRIu64 "\n",
                             slot.facts.sockets_tracked, slot.facts.sockets_overflowed, slot.facts.rows_overflowed,
                             slot.facts.cost_ns);
                (void)printf("             missed_tx_calls %" PRIu64 ", missed_rx_calls %" PRIu64
                             ", interval_missed_tx_calls %" PRIu64 ", interval_missed_rx_calls %" PRIu64
                             ", missed_is_exact %" PRIu32 ", complete_ns %" PRIu64 "\n",
                             slot.facts.missed_tx_calls, slot.facts.missed_rx_calls,
                             slot.facts.interval_missed_tx_calls, slot.facts.interval_missed_rx_calls,
                             slot.facts.missed_is_exact, slot.facts.complete_ns);
        }
}

static void print_columns(const struct inspection *inspection, uint32_t table) {
        char name[CELL_SIZE], unit[CELL_SIZE], help[CELL_SIZE];
        const struct layout_column *column;

        (void)printf("  %5s %-20s %-7s %-12s %6s %5s  %s\n", "FIELD", "NAME", "TYPE", "UNIT", "OFFSET", "BYTES",
                     "HELP");
        for (uint32_t i = 0; (column = stly_inspect_column(inspection, table, i)); i++)
                (void)printf("  %5u %-20s %-7s %-12s %6u %5u  %s\n", column->field_id, clean(name, column->name),
                             segment_type_name(column->type), clean(unit, column->unit), column->offset,
                             column->bytes, clean(help, column->help));
}

static void print_row(const struct inspection *inspection, uint32_t table, uint32_t number, uint64_t known) {
        const unsigned char *row = stly_inspect_row(inspection, table, number);
        const struct layout_column *column;
        char text[CELL_SIZE];

        if (!row)
                return;
        (void)printf("  row %u:", number);
        for (uint32_t i = 0; (column = stly_inspect_column(inspection, table, i)); i++) {
                (void)printf(" %s=", clean(text, column->name));
                if (!segment_is_known(column->field_id, known))
                        (void)fputs(CELL_UNKNOWN, stdout);
                else if (column->type == SOCKTALLY_TEXT)
                        (void)printf("'%s'", clean(text, stly_inspect_text(row, column)));
                else
                        (void)printf("%" PRIu64, stly_inspect_number(row, column));
        }
        (void)puts("");
}

static void print_tables(struct inspection *inspection, bool has_legend) {
        const struct layout_table *table;
        char name[CELL_SIZE], keys[CELL_SIZE], text[CELL_SIZE];
        struct inspect_slot slot;

        (void)segment_read_newest(inspection, &slot);
        for (uint32_t i = 0; (table = stly_inspect_table(inspection, i)); i++) {
                uint64_t known = slot.contents[table->id].known;

                (void)printf("\ntable %s: %u of %u rows of %u bytes, index by %s with %u entries, known %" PRIx64 "\n",
                             clean(name, table->name), stly_inspect_count(inspection, i), table->capacity,
                             table->row_size, clean(keys, segment_index_name(inspection, i, text, sizeof(text))),
                             table->index_size, known);
                if (has_legend)
                        print_columns(inspection, i);
                for (uint32_t j = 0; j < stly_inspect_count(inspection, i); j++)
                        print_row(inspection, i, j, known);
        }
}

/* A file that cannot be opened at all; what is wrong inside one is the caller's to print. */
static enum exit_status refuse_file(const char *path, int error) {
        warnx("%s: %s%s", path, strerror(error),
              error == EACCES || error == EPERM ? "; ask as root or become a member of group socktally" : "");
        return error == EACCES || error == EPERM ? STATUS_NOT_PERMITTED : STATUS_FAILED;
}

static bool is_content_error(int error) {
        return error == EPROTO || error == EPROTONOSUPPORT;
}

enum exit_status segment_view_dump(const struct options *options) {
        struct inspection *inspection = NULL;
        enum exit_status status = STATUS_DONE;
        char reason[INSPECT_REASON_SIZE] = "", text[CELL_SIZE];
        int r = stly_inspect_open(&inspection, options->arguments[0], reason);

        if (r < 0 && !is_content_error(-r))
                return refuse_file(options->arguments[0], -r);
        if (r < 0) {
                warnx("%s: %s", options->arguments[0], clean(text, reason));
                return STATUS_FAILED;
        }
        if (options->is_json)
                status = segment_json_print(inspection);
        else {
                print_header(stly_inspect_header(inspection));
                print_words(inspection);
                print_slots(inspection);
                print_tables(inspection, options->has_legend);
        }
        (void)stly_inspect_close(inspection);
        return status;
}

/* Gathers the faults for JSON, or prints each at once when there is no array. */
static void complain(void *userdata, const char *line) {
        struct json_object *faults = userdata;
        char text[CELL_SIZE];

        if (faults)
                (void)json_object_array_add(faults, json_object_new_string(clean(text, line)));
        else
                (void)puts(clean(text, line));
}

static void print_ok(struct inspection *inspection) {
        const struct layout_header *header = stly_inspect_header(inspection);
        const struct layout_table *table;
        struct inspect_words words;
        struct inspect_slot slot;
        char name[CELL_SIZE];

        stly_inspect_words(inspection, &words);
        (void)printf("ok: %s view, layout %u.%u, %" PRIu64 " bytes, %u slots, publication %" PRIu64 ", %s%s",
                     source_view_name((enum socktally_view)header->view), header->major, header->minor, header->size,
                     header->n_slots, words.published, segment_state_name(words.state),
                     words.is_owner_dead || !words.is_same_boot ? " but its writer is dead" : "");
        (void)segment_read_newest(inspection, &slot);
        for (uint32_t i = 0; (table = stly_inspect_table(inspection, i)); i++)
                (void)printf(", %u %s", stly_inspect_count(inspection, i), clean(name, table->name));
        (void)puts("");
}

enum exit_status segment_view_verify(const struct options *options) {
        struct json_object *faults = options->is_json ? json_object_new_array() : NULL, *object;
        struct inspection *inspection = NULL;
        char reason[INSPECT_REASON_SIZE] = "";
        int r = stly_inspect_open(&inspection, options->arguments[0], reason), n = 1;

        if (r < 0 && !is_content_error(-r)) {
                (void)json_object_put(faults);
                return refuse_file(options->arguments[0], -r);
        }
        if (r < 0)
                complain(faults, reason);
        else
                n = stly_inspect_verify(inspection, complain, faults);
        if (n < 0) {
                warnx("%s: cannot be checked: %s", options->arguments[0], strerror(-n));
                (void)json_object_put(faults);
        } else if (options->is_json) {
                object = json_object_new_object();
                (void)json_object_object_add(object, "ok", json_object_new_boolean(n == 0));
                (void)json_object_object_add(object, "faults", faults);
                (void)json_print(object, false);
        } else if (n == 0)
                print_ok(inspection);
        (void)stly_inspect_close(inspection);
        return n == 0 ? STATUS_DONE : STATUS_FAILED;
}
