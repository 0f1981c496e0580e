/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One snapshot gives totals; rates need a second one, taken an interval later. */
#include <err.h>
#include <string.h>

#include "tools/json.h"
#include "tools/list.h"
#include "tools/listing.h"
#include "tools/missed.h"
#include "tools/source.h"
#include "tools/table.h"
#include "tools/untrusted.h"

/* What was asked for may have had no room for a row of its own. */
static const char *overflow_note(const struct socktally *reader, enum socktally_table table) {
        const struct order order = { field_find("traffic"), false, false };
        struct listing all = { .hides_empty = true };
        bool has_overflow = false;

        if (listing_take(&all, reader, table, &order) >= 0)
                for (size_t i = 0; i < all.n; i++)
                        has_overflow |= all.entries[i].kind.is_known &&
                                        all.entries[i].kind.value == SOCKTALLY_ROW_OVERFLOW;
        listing_done(&all);
        return has_overflow ? "; or it is in the row '(overflow)', as the table is full" : "";
}

/* Why there is no row. A table that is kept always has some, if only such as the listing leaves out. */
static void say_empty(const struct socktally *reader, enum socktally_table table, const struct options *options) {
        const struct catalog *catalog = catalog_of(table);
        char name[256];

        if (socktally_count(reader, table) == 0 && catalog->setting)
                warnx("the daemon keeps no %s now; 'socktally set %s yes' changes that", catalog->name,
                      catalog->setting);
        else if (options->n_arguments > 0)
                warnx("%s: nothing was counted for %s%s; 'socktally %s' lists all%s", catalog->name,
                      untrusted_printable(name, sizeof(name), options->arguments[0]),
                      options->n_arguments > 1 ? " and the others" : "", catalog->name, overflow_note(reader, table));
        else if (filter_is_set(&options->filter))
                warnx("%s: nothing was counted for that; 'socktally %s' lists all%s", catalog->name, catalog->name,
                      overflow_note(reader, table));
        else if (!options->is_json && options->has_legend)
                warnx("nothing was counted yet");
}

static enum exit_status print(const struct socktally *reader, enum socktally_table table,
                              const struct options *options) {
        const struct order order = { options->sort, options->has_rates, options->is_reverse };
        struct listing listing = { .hides_empty = !options->is_json, .scope = options->scope };
        struct users users = { .n = 0 };
        struct choice choice;
        enum exit_status status = STATUS_FAILED;
        int r = listing_take(&listing, reader, table, &order);

        filter_apply(&options->filter, &listing, &users);
        if (r >= 0 && listing.n == 0)
                say_empty(reader, table, options);
        if (r >= 0 && listing.n == 0 && filter_is_set(&options->filter)) {
                listing_done(&listing);
                return STATUS_FAILED;
        }
        if (r < 0)
                warnx("cannot list the rows: %s", strerror(-r));
        else if (options->is_json)
                status = json_print(json_listing(&listing, options->limit, options->has_rates), false);
        else {
                (void)choice_make(&choice, table, options->columns, options->has_rates, true, NULL);
                status = table_print(&listing, &choice, options, &users);
                if (options->has_legend) {
                        missed_print(reader, options->has_rates);
                        missed_print_scope(reader, options->scope, options->has_rates);
                }
        }
        listing_done(&listing);
        return status;
}

enum exit_status list_run(const struct options *options) {
        const enum socktally_table table = catalog_find(grammar_command(options->command)->name)->table;
        struct socktally *reader = NULL;
        enum exit_status status = source_open(&reader, options);

        if (status == STATUS_DONE)
                status = source_require_fresh(reader);
        if (status == STATUS_DONE)
                status = source_require_table(reader, table);
        if (status == STATUS_DONE && options->has_rates) {
                status = source_next(reader, options->interval_usec);
                if (status == STATUS_NO_DAEMON)
                        status = source_require_fresh(reader);
        }
        if (status == STATUS_DONE)
                status = print(reader, table, options);
        (void)socktally_close(reader);
        return status;
}
