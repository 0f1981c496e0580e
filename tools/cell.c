/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows that are no process or no unit have their kind in brackets where others have a name. A process may call itself
 * the same; it is told apart by its PID, which such a row does not have. */
#include <stdio.h>
#include <string.h>

#include "tools/catalog.h"
#include "tools/cell.h"
#include "tools/untrusted.h"

/* The field that names the row in its table. */
static const char *row_name(char *buffer, const struct listing *listing, const struct entry *entry, const char *name) {
        const char *kind = entry->kind.is_known ? row_kind_name(entry->kind.value) : NULL;

        if (listing_is_special(listing, entry) && kind)
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

static const char *user_text(char *buffer, const struct listing *listing, const struct entry *entry,
                             struct users *users) {
        if (entry->uid.is_known)
                return untrusted_printable(buffer, CELL_SIZE, users_name(users, (uint32_t)entry->uid.value));
        if (listing->table == SOCKTALLY_TABLE_USERS)
                return row_name(buffer, listing, entry, NULL);
        /* A unit, an app or a container of nobody's in particular is the system's. */
        (void)snprintf(buffer, CELL_SIZE, "%s",
                       listing->table != SOCKTALLY_TABLE_PROCESSES && entry->kind.is_known &&
                                       !listing_is_special(listing, entry)
                               ? "system"
                               : CELL_UNKNOWN);
        return buffer;
}

static const char *name_text(char *buffer, const struct listing *listing, const struct entry *entry,
                             const struct field *field) {
        const struct catalog *catalog = catalog_of(listing->table);
        const char *text = listing_text(listing, entry, field);

        if (catalog && strcmp(catalog->own, field->name) == 0)
                return row_name(buffer, listing, entry, text);
        return untrusted_printable(buffer, CELL_SIZE, text ? text : CELL_UNKNOWN);
}

const char *cell_text(char *buffer, const struct listing *listing, const struct entry *entry,
                      const struct shown *shown, struct users *users, bool is_exact) {
        const struct field *field = shown->field;

        switch (field->kind) {
        case SHOWS_PID:
                return number_text(buffer, entry->pid, UNIT_COUNT, true);
        case SHOWS_USER:
                return user_text(buffer, listing, entry, users);
        case SHOWS_TEXT:
                return name_text(buffer, listing, entry, field);
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
