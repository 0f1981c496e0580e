/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One explicit table of fields; the metrics are in it by their own names, made from the list in metrics.h. */
#include <errno.h>
#include <string.h>

#include "tools/catalog.h"
#include "tools/field.h"

#define BIT(metric) (UINT64_C(1) << SOCKTALLY_METRIC_##metric)
#define ALL_TX (BIT(tcp_tx_bytes) | BIT(udp_tx_bytes) | BIT(other_tx_bytes))
#define ALL_RX (BIT(tcp_rx_bytes) | BIT(udp_rx_bytes) | BIT(other_rx_bytes))
#define ALL_IN(scope)                                                                                                  \
        (BIT(tcp_tx_bytes_##scope) | BIT(tcp_rx_bytes_##scope) | BIT(udp_tx_bytes_##scope) |                           \
         BIT(udp_rx_bytes_##scope) | BIT(other_tx_bytes_##scope) | BIT(other_rx_bytes_##scope))
#define ALL_CALLS (BIT(tcp_tx_calls) | BIT(tcp_rx_calls) | BIT(udp_tx_calls) | BIT(udp_rx_calls))
#define ALL_ERRORS (BIT(tcp_tx_errors) | BIT(tcp_rx_errors) | BIT(udp_tx_errors) | BIT(udp_rx_errors))

#define UNIT_OF(text) (text[0] == 'b' ? UNIT_BYTES : text[0] == 'm' ? UNIT_MICROSECONDS : UNIT_COUNT)
#define IS_COUNTER 0
#define IS_GAUGE 1

static const struct field fields[] = {
        { "pid", "PID", SHOWS_PID, .unit = UNIT_COUNT },
        { "user", "USER", SHOWS_USER, .unit = UNIT_COUNT },
        { "process", "PROCESS", SHOWS_TEXT, .text = TEXT_COMM },
        { "app", "APP", SHOWS_TEXT, .text = TEXT_APP },
        { "service", "SERVICE", SHOWS_TEXT, .text = TEXT_SERVICE },
        { "container", "CONTAINER", SHOWS_TEXT, .text = TEXT_CONTAINER },
        { "kind", "KIND", SHOWS_TEXT, .text = TEXT_APP_KIND },
        { "runtime", "RUNTIME", SHOWS_TEXT, .text = TEXT_RUNTIME },
        { "pod", "POD", SHOWS_TEXT, .text = TEXT_POD },
        { "command", "COMMAND", SHOWS_TEXT, .text = TEXT_COMMAND },
        { "processes", "PROCS", SHOWS_PROCESSES, .unit = UNIT_COUNT },
        { "traffic", "TRAFFIC", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_TX | ALL_RX },
        { "tx", "TX", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_TX },
        { "rx", "RX", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_RX },
        { "tcp_tx", "TCP-TX", SHOWS_NUMBER, UNIT_BYTES, .metrics = BIT(tcp_tx_bytes) },
        { "tcp_rx", "TCP-RX", SHOWS_NUMBER, UNIT_BYTES, .metrics = BIT(tcp_rx_bytes) },
        { "udp_tx", "UDP-TX", SHOWS_NUMBER, UNIT_BYTES, .metrics = BIT(udp_tx_bytes) },
        { "udp_rx", "UDP-RX", SHOWS_NUMBER, UNIT_BYTES, .metrics = BIT(udp_rx_bytes) },
        { "other", "OTHER", SHOWS_NUMBER, UNIT_BYTES, .metrics = BIT(other_tx_bytes) | BIT(other_rx_bytes) },
        { "host", "HOST", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_IN(host) },
        { "private", "PRIVATE", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_IN(private) },
        { "internet", "INTERNET", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_IN(internet) },
        { "unknown", "UNKNOWN", SHOWS_NUMBER, UNIT_BYTES, .metrics = ALL_IN(unknown) },
        { "calls", "CALLS", SHOWS_NUMBER, UNIT_COUNT, .metrics = ALL_CALLS },
        { "errors", "ERRORS", SHOWS_NUMBER, UNIT_COUNT, .metrics = ALL_ERRORS },
        { "retransmits", "RETRANS", SHOWS_NUMBER, UNIT_COUNT, .metrics = BIT(tcp_retransmits) },
        { "drops", "DROPS", SHOWS_NUMBER, UNIT_COUNT, .metrics = BIT(udp_rx_drops) },
        { "connects", "CONN", SHOWS_NUMBER, UNIT_COUNT, .metrics = BIT(tcp_connects_v4) | BIT(tcp_connects_v6) },
        { "accepts", "ACCEPT", SHOWS_NUMBER, UNIT_COUNT, .metrics = BIT(tcp_accepts_v4) | BIT(tcp_accepts_v6) },
#define X(id, metric, kind, unit, module, mode, help)                                                                  \
        { #metric, #metric, SHOWS_NUMBER, UNIT_OF(unit), .is_gauge = IS_##kind, .metrics = BIT(metric) },
        SOCKTALLY_METRICS(X)
#undef X
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

#define METRIC_NAME(id, metric, kind, unit, module, mode, help) "," #metric
static const struct {
        const char *name, *list;
} sets[] = {
        { "traffic", "tx,rx" },
        { "protocols", "tcp_tx,tcp_rx,udp_tx,udp_rx,other" },
        { "scopes", "host,private,internet,unknown" },
        { "activity", "calls,errors,retransmits,drops,connects,accepts" },
        { "all", "tx,rx" SOCKTALLY_METRICS(METRIC_NAME) },
};

static const struct field *find(const char *name, size_t length) {
        for (size_t i = 0; i < N_FIELDS; i++)
                if (strlen(fields[i].name) == length && strncmp(fields[i].name, name, length) == 0)
                        return &fields[i];
        return NULL;
}

const struct field *field_find(const char *name) {
        if (strcmp(name, "comm") == 0 || strcmp(name, "name") == 0)
                name = "process";
        return find(name, strlen(name));
}

const struct field *field_at(size_t index) {
        return index < N_FIELDS ? &fields[index] : NULL;
}

static void add(struct choice *choice, const struct field *field, bool is_rate) {
        if (choice->n < CHOICE_MAX)
                choice->shown[choice->n++] = (struct shown){ field, is_rate };
}

/* Fields of the catalog, which are all known. */
static void add_names(struct choice *choice, const char *list) {
        for (const char *p = list; *p; p += *p == ',') {
                size_t length = strcspn(p, ",");

                add(choice, find(p, length), false);
                p += length;
        }
}

/* Adds the numbers of a list, as rates or as totals. A gauge has no rate and stands there once. */
static int add_numbers(struct choice *choice, const char *list, bool is_rate, bool with_gauges,
                       const char **ret_unknown) {
        for (const char *p = list; *p;) {
                size_t length = strcspn(p, ",");
                const struct field *field = find(p, length);

                if (!field || field->kind != SHOWS_NUMBER) {
                        *ret_unknown = p;
                        return -EINVAL;
                }
                if (!field->is_gauge || with_gauges)
                        add(choice, field, is_rate && !field->is_gauge);
                p += length;
                p += *p == ',';
        }
        return 0;
}

static const char *expand(const char *list) {
        if (!list)
                return sets[0].list;
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
                if (strcmp(list, sets[i].name) == 0)
                        return sets[i].list;
        return list;
}

int choice_make(struct choice *ret_choice, enum socktally_table table, const char *list, bool with_rates,
                bool with_totals, const char **ret_unknown) {
        const struct catalog *catalog = catalog_of(table);
        const char *unknown = NULL;
        int r = 0;

        *ret_choice = (struct choice){ .n = 0 };
        add_names(ret_choice, catalog->first);
        if (with_rates)
                r = add_numbers(ret_choice, expand(list), true, !with_totals, &unknown);
        if (r == 0 && with_totals)
                r = add_numbers(ret_choice, expand(list), false, true, &unknown);
        add_names(ret_choice, catalog->last);
        if (ret_unknown)
                *ret_unknown = unknown;
        return r;
}

int choice_check(const char *list, const char **ret_unknown) {
        struct choice scratch;

        if (*list == '\0') {
                *ret_unknown = list;
                return -EINVAL;
        }
        return choice_make(&scratch, SOCKTALLY_TABLE_PROCESSES, list, true, true, ret_unknown);
}
