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

/* "ssh" stands for "ssh.service", as with systemctl. */
static bool is_named(const struct entry *entry, const struct options *options) {
        for (size_t i = 0; entry->service && i < options->n_arguments; i++) {
                const char *name = options->arguments[i];
                size_t n = strlen(name);

                if (strncmp(entry->service, name, n) == 0 &&
                    (entry->service[n] == '\0' || strcmp(entry->service + n, ".service") == 0))
                        return true;
        }
        return false;
}

/* Only the units that were asked for, if any were. */
static void keep_named(struct listing *listing, const struct options *options) {
        size_t n = 0;

        if (options->n_arguments == 0)
                return;
        for (size_t i = 0; i < listing->n; i++)
                if (is_named(&listing->entries[i], options))
                        listing->entries[n++] = listing->entries[i];
        listing->n = n;
}

/* Why there is no row. A table that is kept always has some, if only such as the listing leaves out. */
static void say_empty(const struct socktally *reader, enum socktally_table table, const struct options *options) {
        char name[256];

        if (socktally_count(reader, table) == 0)
                warnx("the daemon keeps no services now; 'socktally set Services yes' changes that");
        else if (options->n_arguments > 0)
                warnx("services: nothing was counted for %s%s; 'socktally services' lists every unit",
                      untrusted_printable(name, sizeof(name), options->arguments[0]),
                      options->n_arguments > 1 ? " and the others" : "");
        else if (!options->is_json && options->has_legend)
                warnx("nothing was counted yet");
}

static enum exit_status print(const struct socktally *reader, enum socktally_table table,
                              const struct options *options) {
        const struct order order = { options->sort, options->has_rates, options->is_reverse };
        struct listing listing = { .hides_empty = !options->is_json };
        struct users users = { .n = 0 };
        struct choice choice;
        enum exit_status status = STATUS_FAILED;
        int r = listing_take(&listing, reader, table, &order);

        keep_named(&listing, options);
        if (r >= 0 && listing.n == 0)
                say_empty(reader, table, options);
        if (r >= 0 && listing.n == 0 && options->n_arguments > 0) {
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
                if (options->has_legend)
                        missed_print(reader, options->has_rates);
        }
        listing_done(&listing);
        return status;
}

enum exit_status list_run(const struct options *options) {
        const enum socktally_table table =
                options->command == COMMAND_PROCESSES ? SOCKTALLY_TABLE_PROCESSES : SOCKTALLY_TABLE_SERVICES;
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
