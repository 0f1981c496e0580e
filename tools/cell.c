/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows that are no process or no unit have their kind in brackets where others have a name. A process may call itself
 * the same; it is told apart by its PID, which such a row does not have. */
#include <stdio.h>

#include "tools/cell.h"
#include "tools/untrusted.h"

static const char *row_name(char *buffer, const struct entry *entry, const char *name, uint64_t usual_kind) {
        const char *kind = entry->kind.is_known ? row_kind_name(entry->kind.value) : NULL;

        if (entry->kind.is_known && entry->kind.value != usual_kind && kind)
                (void)snprintf(buffer, CELL_SIZE, "(%s)", kind);
        else
                (void)untrusted_printable(buffer, CELL_SIZE, name ? name : CELL_UNKNOWN);
        return buffer;
}

static const char *number_text(char *buffer, struct amount amount, enum quantity unit, bool is_exact) {
        if (!amount.is_known)
                (void)snprintf(buffer, CELL_SIZE, CELL_UNKNOWN);
        else if (is_exact)
                (void)units_exact(buffer, amount.value);
        else
                (void)units_readable(buffer, amount.value, unit);
        return buffer;
}

static const char *user_text(char *buffer, const struct entry *entry, enum socktally_table table,
                             struct users *users) {
        if (entry->uid.is_known)
                return untrusted_printable(buffer, CELL_SIZE, users_name(users, (uint32_t)entry->uid.value));
        /* A unit without a user belongs to the system's manager. */
        (void)snprintf(buffer, CELL_SIZE, "%s",
                       table == SOCKTALLY_TABLE_SERVICES && entry->kind.is_known &&
                                       entry->kind.value == SOCKTALLY_ROW_SERVICE
                               ? "system"
                               : CELL_UNKNOWN);
        return buffer;
}

const char *cell_text(char *buffer, const struct listing *listing, const struct entry *entry,
                      const struct shown *shown, struct users *users, bool is_exact) {
        const struct field *field = shown->field;

        switch (field->kind) {
        case SHOWS_PID:
                return number_text(buffer, entry->pid, UNIT_COUNT, true);
        case SHOWS_USER:
                return user_text(buffer, entry, listing->table, users);
        case SHOWS_COMM:
                return row_name(buffer, entry, entry->comm, SOCKTALLY_ROW_PROCESS);
        case SHOWS_SERVICE:
                if (listing->table == SOCKTALLY_TABLE_SERVICES)
                        return row_name(buffer, entry, entry->service, SOCKTALLY_ROW_SERVICE);
                return untrusted_printable(buffer, CELL_SIZE, entry->service ? entry->service : CELL_UNKNOWN);
        case SHOWS_PROCESSES:
                return number_text(buffer, entry->processes, UNIT_COUNT, true);
        case SHOWS_NUMBER:
                return number_text(buffer, listing_amount(listing, entry, field, shown->is_rate), field->unit,
                                   is_exact);
        }
        return "";
}

const char *cell_title(char *buffer, const struct shown *shown) {
        (void)snprintf(buffer, CELL_SIZE, "%s%s", shown->field->title, shown->is_rate ? "/s" : "");
        return buffer;
}

bool cell_is_right(const struct field *field) {
        return field->kind == SHOWS_PID || field->kind == SHOWS_PROCESSES || field->kind == SHOWS_NUMBER;
}
