/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Equality: a difference of one byte fails the scene. Only where the daemon says that the kernel skipped calls since
 * the scene began, rows may lack them (allowance.h). A metric that the load mode does not observe must be "not
 * tracked"; a number there, be it the right one, fails too, because a reader could not know when to trust it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libclient/socktally.h"
#include "tests/live/allowance.h"
#include "tests/live/compare.h"
#include "tests/live/scene.h"
#include "tests/live/watch.h"

#define TCP_CALLS (METRIC_BIT(tcp_tx_calls) | METRIC_BIT(tcp_rx_calls))
#define ERRORS                                                                                                         \
        (METRIC_BIT(tcp_tx_errors) | METRIC_BIT(tcp_rx_errors) | METRIC_BIT(udp_tx_errors) | METRIC_BIT(udp_rx_errors))
#define CONNECTIONS                                                                                                    \
        (METRIC_BIT(tcp_connects_v4) | METRIC_BIT(tcp_connects_v6) | METRIC_BIT(tcp_accepts_v4) |                      \
         METRIC_BIT(tcp_accepts_v6) | METRIC_BIT(tcp_connect_failures) | METRIC_BIT(tcp_connect_refused) |             \
         METRIC_BIT(tcp_connect_timed_out) | METRIC_BIT(tcp_connect_unreachable) | METRIC_BIT(tcp_connect_reset) |     \
         METRIC_BIT(tcp_connect_other))
#define ALWAYS                                                                                                         \
        (CONNECTIONS | METRIC_BIT(tcp_tx_bytes) | METRIC_BIT(tcp_rx_bytes) | METRIC_BIT(tcp_closes) |                  \
         METRIC_BIT(tcp_retransmits) |                                                                                 \
         METRIC_BIT(udp_tx_bytes) | METRIC_BIT(udp_rx_bytes) | METRIC_BIT(udp_tx_calls) | METRIC_BIT(udp_rx_calls) |   \
         METRIC_BIT(udp_rx_drops) | METRIC_BIT(other_tx_bytes) | METRIC_BIT(other_rx_bytes))

/* Differences of one comparison, gathered so that one run shows all of them. */
struct findings {
        char text[1600];
        size_t used;
        unsigned int count;
        struct allowance allowance;
};

const char *metric_name(enum socktally_metric metric) {
        static const char *const names[] = {
#define X(id, name, kind, unit, module, mode, help) #name,
                SOCKTALLY_METRICS(X)
#undef X
        };

        return names[metric];
}

static bool is_word(const char *list, size_t length, const char *word) {
        return strlen(word) == length && strncmp(list, word, length) == 0;
}

/* list: metrics, modules or all, with commas between. What begins with "tcp_" counts as module tcp's here. */
static bool is_named(const char *list, unsigned int metric) {
        const char *name = metric_name(metric), *protocol = strncmp(name, "tcp_", 4) == 0 ? "tcp" : "udp";

        for (const char *p = list; *p; p += *p == ',') {
                size_t n = strcspn(p, ",");

                if (is_word(p, n, name) || is_word(p, n, protocol) || is_word(p, n, "all") ||
                    (is_word(p, n, "connect") && CONNECTIONS & UINT64_C(1) << metric))
                        return true;
                p += n;
        }
        return false;
}

/* Bit per metric that must have a value in this load mode. unknown: see struct playbill. */
static uint64_t metrics_known(const char *load_mode, const char *unknown) {
        uint64_t metrics = ALWAYS | TCP_CALLS | ERRORS;

        if (strcmp(load_mode, "return") != 0)
                metrics &= ~ERRORS;
        if (strcmp(load_mode, "passive") == 0)
                metrics &= ~TCP_CALLS;
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (unknown && is_named(unknown, m))
                        metrics &= ~(UINT64_C(1) << m);
        return metrics;
}

/* Bit per metric that players count: one that is not known must be "not tracked". */
static uint64_t metrics_played(void) {
        return ALWAYS | TCP_CALLS | ERRORS;
}

static void __attribute__((format(printf, 2, 3))) note(struct findings *findings, const char *format, ...) {
        va_list arguments;
        size_t room = sizeof(findings->text) - findings->used;
        int length;

        findings->count++;
        va_start(arguments, format);
        length = vsnprintf(findings->text + findings->used, room, format, arguments);
        va_end(arguments);
        if (length > 0 && (size_t) length < room)
                findings->used += (size_t) length;
        else
                findings->text[findings->used] = '\0';
}

static uint64_t boottime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void compare_one(struct findings *findings, const char *who, enum socktally_metric metric, uint64_t expected,
                        const struct sighting *seen) {
        if (seen->counters[metric] != expected)
                note(findings, "\n%s %s: moved %llu, daemon says %llu", who, metric_name(metric),
                     (unsigned long long) expected, (unsigned long long) seen->counters[metric]);
}

/* What the daemon says of the player; all zero, with has_row false, if it says nothing. */
static void look_up(struct findings *findings, const struct watch *watch, const struct player *player,
                    struct sighting *ret_seen) {
        int r = watch_find(watch, (uint32_t) player->pid, player->comm, ret_seen);

        if (r < 0)
                note(findings, "\n%s (pid %d): %s", player->comm, player->pid, watch_problem(watch));
}

/* Each connection that was made has its time to connect in one of the buckets. */
static void compare_times(struct findings *findings, const char *who, const struct sighting *seen) {
        uint64_t n = 0;

        for (unsigned int m = SOCKTALLY_METRIC_tcp_connect_le_1ms; m <= SOCKTALLY_METRIC_tcp_connect_over_4s; m++)
                n += seen->counters[m];
        if (n != seen->counters[SOCKTALLY_METRIC_tcp_connects_v4] + seen->counters[SOCKTALLY_METRIC_tcp_connects_v6])
                note(findings, "\n%s: %llu times to connect, which are not as many as the connections", who,
                     (unsigned long long) n);
}

/* Bytes by where the peer is. Where the sum is wrong or not to be compared, its parts are not, either. */
static void compare_scopes(struct findings *findings, const struct player *player, uint64_t metrics,
                           const struct sighting *seen) {
        static const enum socktally_metric scoped[][2] = {
#define X(name) { SOCKTALLY_METRIC_##name, SOCKTALLY_METRIC_##name##_unknown },
                SOCKTALLY_SCOPED(X)
#undef X
        };

        for (size_t i = 0; i < sizeof(scoped) / sizeof(*scoped); i++) {
                enum socktally_metric sum = scoped[i][0], first = scoped[i][1];

                if (!(metrics & ~player->unsure & ~player->scene->summed & UINT64_C(1) << sum) ||
                    seen->counters[sum] != player->moved[sum])
                        continue;
                for (enum scope scope = SCOPE_UNKNOWN; scope <= SCOPE_INTERNET; scope++)
                        if (!player->changes_peers ||
                            (scope && seen->counters[first + scope] > player->moved[first + scope]))
                                compare_one(findings, player->comm, first + scope, player->moved[first + scope], seen);
        }
}

/* A row that was right when its process had exited leaves after two passes, which may be before the next comparison. */
static void compare_player(struct findings *findings, const struct watch *watch, struct player *player,
                           uint64_t metrics, uint64_t sums[SOCKTALLY_N_METRICS]) {
        uint32_t n_before = findings->count;
        struct sighting seen;
        bool has_moved = false;

        look_up(findings, watch, player, &seen);
        if (metrics & METRIC_BIT(tcp_connects_v4))
                compare_times(findings, player->comm, &seen);
        if (!seen.has_row && player->is_over)
                return;
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++) {
                if (!(metrics & UINT64_C(1) << m))
                        continue;
                sums[m] += seen.counters[m];
                if (player->unsure & UINT64_C(1) << m || player->scene->summed & UINT64_C(1) << m)
                        continue;
                if (seen.counters[m] != player->moved[m] &&
                    allowance_excuses(&findings->allowance, m, player->moved, seen.counters))
                        continue;
                has_moved = has_moved || player->moved[m] > 0;
                if (seen.has_row || player->moved[m] == 0)
                        compare_one(findings, player->comm, m, player->moved[m], &seen);
        }
        if (seen.has_row)
                compare_scopes(findings, player, metrics, &seen);
        if (has_moved && !seen.has_row)
                note(findings, "\n%s (pid %d) has no row", player->comm, player->pid);
        player->is_over = seen.has_exited && findings->count == n_before && !player->scene->summed;
}

/* Where rows may differ for what the kernel skipped, all of them together still hold no byte that nobody moved. */
static void compare_shared(struct findings *findings, const struct scene *scene,
                           const uint64_t sums[SOCKTALLY_N_METRICS]) {
        static const enum socktally_metric metrics[] = { SOCKTALLY_METRIC_tcp_tx_bytes, SOCKTALLY_METRIC_tcp_rx_bytes };

        for (size_t i = 0; scene->shares_tcp && i < sizeof(metrics) / sizeof(*metrics); i++) {
                uint64_t moved = 0;

                for (uint32_t k = 0; k < scene->n_players; k++)
                        moved += scene->players[k].moved[metrics[i]];
                if (sums[metrics[i]] > moved)
                        note(findings, "\nall together, %s: moved %llu, daemon says %llu", metric_name(metrics[i]),
                             (unsigned long long) moved, (unsigned long long) sums[metrics[i]]);
        }
}

static void compare_sums(struct findings *findings, const struct scene *scene, uint64_t metrics,
                         const uint64_t sums[SOCKTALLY_N_METRICS]) {
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t expected = 0;

                if (!(metrics & scene->summed & UINT64_C(1) << m))
                        continue;
                for (uint32_t i = 0; i < scene->n_players; i++)
                        expected += scene->players[i].moved[m];
                if (sums[m] != expected)
                        note(findings, "\nall players together %s: moved %llu, daemon says %llu", metric_name(m),
                             (unsigned long long) expected, (unsigned long long) sums[m]);
        }
}

static void compare_missed(struct findings *findings) {
        const struct allowance *allowance = &findings->allowance;

        if (allowance_is_exceeded(allowance))
                note(findings,
                     "\nrows lack %llu calls sending, %llu receiving; the daemon says that it missed %llu and %llu",
                     (unsigned long long) allowance->lacking[0], (unsigned long long) allowance->lacking[1],
                     (unsigned long long) allowance->missed[0], (unsigned long long) allowance->missed[1]);
}

/* Where a difference may have gone. */
static void mention_special(struct findings *findings, const struct watch *watch, uint32_t kind, const char *name) {
        struct sighting seen;

        watch_special(watch, kind, &seen);
        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (seen.counters[m] > 0 && metrics_played() & UINT64_C(1) << m)
                        note(findings, "\nby the way: the %s row holds %llu of %s", name,
                             (unsigned long long) seen.counters[m], metric_name(m));
}

static void compare_known(struct findings *findings, const struct watch *watch, uint64_t metrics) {
        uint64_t wrong = (watch_known(watch) ^ metrics) & metrics_played();

        for (unsigned int m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (wrong & UINT64_C(1) << m)
                        note(findings, "\n%s should be %s in this load mode", metric_name(m),
                             metrics & UINT64_C(1) << m ? "known" : "not tracked");
}

/* One comparison with everything that was moved until now. before: what the daemon had missed when the scene began. */
static void compare_now(struct scene *scene, struct watch *watch, uint64_t metrics, const uint64_t before[2],
                        struct findings *findings) {
        uint64_t sums[SOCKTALLY_N_METRICS] = { 0 };

        *findings = (struct findings) { .count = 0 };
        if (watch_until(watch, boottime_ns()) < 0)
                scene_fail(scene, "%s", watch_problem(watch));
        findings->allowance.shares_tcp = scene->shares_tcp;
        watch_missed(watch, findings->allowance.missed);
        for (int dir = 0; dir < 2; dir++) /* fewer than before: it is another daemon, which began within the scene */
                if (findings->allowance.missed[dir] >= before[dir])
                        findings->allowance.missed[dir] -= before[dir];
        compare_known(findings, watch, metrics);
        metrics &= watch_known(watch) & metrics_known("return", scene->bill.unsure);
        for (uint32_t i = 0; i < scene->n_players; i++)
                compare_player(findings, watch, &scene->players[i], metrics, sums);
        compare_sums(findings, scene, metrics, sums);
        compare_shared(findings, scene, sums);
        compare_missed(findings);
        if (findings->count > 0)
                mention_special(findings, watch, SOCKTALLY_ROW_OVERFLOW, "overflow");
}

/* For the reader of a test's results. */
static void tell_missed(const struct allowance *allowance) {
        if (!allowance_is_used(allowance))
                return;
        printf("# rows lack %llu calls sending, %llu receiving; the daemon says that it missed at most %llu and %llu\n",
               (unsigned long long) allowance->lacking[0], (unsigned long long) allowance->lacking[1],
               (unsigned long long) allowance->missed[0], (unsigned long long) allowance->missed[1]);
        fflush(stdout);
}

static void compare_since(struct scene *scene, const char *runtime_directory, const char *load_mode,
                          const uint64_t before[2]) {
        uint64_t deadline = boottime_ns() + scene->patience_msec * UINT64_C(1000000);
        struct findings findings;
        struct watch *watch;

        if (watch_open(&watch, runtime_directory) < 0)
                scene_fail(scene, "cannot read from the daemon in %s: %s", runtime_directory, strerror(errno));
        do
                compare_now(scene, watch, metrics_known(load_mode, scene->bill.unknown), before, &findings);
        while (findings.count > 0 && boottime_ns() < deadline);
        watch_close(watch);
        if (findings.count > 0)
                scene_fail(scene, "%u differences:%s", findings.count, findings.text);
        tell_missed(&findings.allowance);
}

void scene_compare_with(struct scene *scene, const char *runtime_directory, const char *load_mode) {
        const uint64_t before[2] = { 0, 0 }; /* it began within the scene */

        compare_since(scene, runtime_directory, load_mode, before);
}

void scene_compare(struct scene *scene) {
        if (scene->bill.runtime_directory)
                compare_since(scene, scene->bill.runtime_directory, scene->bill.load_mode, scene->missed_before);
}

void player_expect(const struct player *player, enum socktally_metric metric, uint64_t value) {
        if (player->moved[metric] != value)
                scene_fail(player->scene, "%s moved %llu of %s where the scenario says %llu", player->comm,
                           (unsigned long long) player->moved[metric], metric_name(metric), (unsigned long long) value);
}
