/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is a sum of growth. From each kernel row only what it grew since the last sample is taken, and that amount
 * is added at once to a process row, a service row and the host row: that is why the tables always add up. Whatever
 * later happens to a row (its process ends, the table is full) moves whole rows inside one table and leaves the sums
 * alone.
 *
 * A kernel row can dip by a few bytes for a moment, when a correction is settled on one CPU before what it corrects is
 * on another; it can even start below zero. Growth is counted from the largest value seen, so a published counter
 * stands still until its row has caught up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aggregate-private.h"
#include "daemon/counters.h"
#include "daemon/text.h"
#include "libclient/socktally.h"

/* Slots that are looked at, and processes that are asked for, in one update. */
#define ORPHAN_SLOTS 4096
#define ORPHAN_CHECKS 64

int aggregate_new(struct aggregate **ret_aggregate, const struct aggregate_config *config) {
        struct aggregate *aggregate = calloc(1, sizeof *aggregate);
        int r;

        if (!aggregate)
                return -ENOMEM;
        aggregate->config = *config;
        aggregate->host.kind = SOCKTALLY_ROW_HOST;
        aggregate->parts = PARTS_NULL;
        r = processes_init(&aggregate->processes, config->max_processes);
        if (r >= 0)
                r = services_init(&aggregate->services, config->max_services);
        if (r < 0) {
                aggregate_free(aggregate);
                return r;
        }
        *ret_aggregate = aggregate;
        return 0;
}

struct aggregate *aggregate_free(struct aggregate *aggregate) {
        if (!aggregate)
                return NULL;
        parts_done(&aggregate->parts);
        services_done(&aggregate->services);
        processes_done(&aggregate->processes);
        free(aggregate);
        return NULL;
}

/* Where what a process moves is shown. */
static uint32_t shown(const struct aggregate *a, uint32_t process) {
        return a->processes.slots[process].is_hidden ? PROCESS_OVERFLOW : process;
}

/* Adds what a kernel row grew to the rows that it feeds. True if anything moved. service may be LOOKUP_NONE. */
static bool take(struct aggregate *a, uint64_t taken[], const __u64 counters[], uint32_t process, uint32_t service) {
        struct process *p = &a->processes.slots[shown(a, process)];
        struct layout_service_row *s = service == LOOKUP_NONE ? NULL : &a->services.rows[service];
        bool has_moved = false;

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                uint64_t growth = counters[m] - taken[m];

                if (counter_is_gauge(m) || (int64_t) counters[m] <= (int64_t) taken[m])
                        continue;
                taken[m] = counters[m];
                p->counters[m] += growth;
                if (s)
                        s->counters[m] += growth;
                a->host.counters[m] += growth;
                has_moved = true;
        }
        if (has_moved)
                p->changed = a->host.changed = a->sequence;
        if (has_moved && s)
                s->changed = a->sequence;
        return has_moved;
}

static void raise_gauge(uint64_t *gauge, uint64_t value) {
        if (value > *gauge)
                *gauge = value;
}

/* A gauge is of the moment and has no sum: a row shows the largest of what feeds it. */
static void take_gauges(struct aggregate *a, const struct sample_row *row, uint32_t process, uint32_t service) {
        if (row->is_last || row->row.exited)
                return;
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (counter_is_gauge(m) && row->row.counters[m]) {
                        raise_gauge(&a->processes.slots[shown(a, process)].counters[m], row->row.counters[m]);
                        if (service != LOOKUP_NONE)
                                raise_gauge(&a->services.rows[service].counters[m], row->row.counters[m]);
                        raise_gauge(&a->host.counters[m], row->row.counters[m]);
                }
}

static void clear_gauges(struct aggregate *a, uint64_t known) {
        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++) {
                if (!counter_is_gauge(m) || !(known & UINT64_C(1) << m))
                        continue;
                for (uint32_t i = 0; i < a->processes.n_slots; i++)
                        a->processes.slots[i].counters[m] = 0;
                for (uint32_t i = 0; !a->config.is_without_services && i < a->services.n_rows; i++)
                        a->services.rows[i].counters[m] = 0;
                a->host.counters[m] = 0;
        }
}

/* While services are not kept, their rows lack what each live part has taken: the part knows it, and it is given when
 * the part ends or services are kept again. sign: 1 or -1 */
static void give_share(struct aggregate *a, const struct part *part, uint64_t sign) {
        struct layout_service_row *service = &a->services.rows[part->service];

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m))
                        service->counters[m] += sign * part->taken[m];
        service->changed = a->sequence;
}

static void process_set_service(struct aggregate *a, struct process *process, uint32_t service) {
        if (process->service == service)
                return;
        a->services.rows[process->service].processes--;
        a->services.rows[service].processes++;
        process->service = service;
}

void aggregate_merge_process(struct aggregate *a, uint32_t number, uint32_t into) {
        struct process *from = &a->processes.slots[number], *to = &a->processes.slots[into];

        counters_add(to->counters, from->counters);
        to->changed = a->sequence;
        for (uint32_t i = from->first_part, next; i != LOOKUP_NONE; i = next) {
                next = a->parts.slots[i].next;
                a->parts.slots[i].process = into;
                a->parts.slots[i].stays = true;
                a->parts.slots[i].next = LOOKUP_NONE;
        }
        if (!from->is_hidden)
                a->services.rows[from->service].processes--;
        processes_remove(&a->processes, number);
}

static bool is_due(const struct aggregate *a, const struct process *process) {
        return a->update - process->quiet_update >= AGGREGATE_VISIBLE_PUBLICATIONS &&
               a->now_ns - process->quiet_ns >= AGGREGATE_VISIBLE_NS;
}

static bool is_crowded(const struct aggregate *a) {
        return a->processes.n_used > a->processes.max / 4 * 3;
}

/* Ends rows of processes that are gone. One that came with this very sample has not been shown yet and stays. */
static void retire(struct aggregate *a) {
        uint32_t number;

        while ((number = a->processes.first_gone) != LOOKUP_NONE) {
                const struct process *process = &a->processes.slots[number];

                if (process->quiet_update == a->update || !(is_due(a, process) || is_crowded(a)))
                        return;
                aggregate_merge_process(a, number, PROCESS_EXITED);
        }
}

static uint32_t process_get(struct aggregate *a, const struct process_key *key, uint32_t service) {
        uint32_t number = processes_find(&a->processes, key->tgid, key->start_time);
        struct process *process;

        if (number != LOOKUP_NONE)
                return number;
        if (is_crowded(a))
                retire(a);
        number = processes_add(&a->processes, key->tgid, key->start_time);
        if (number == LOOKUP_NONE) {
                a->rows_overflowed++;
                return PROCESS_OVERFLOW;
        }
        process = &a->processes.slots[number];
        process->born = a->update;
        process->service = service;
        process->changed = a->sequence;
        a->services.rows[service].processes++;
        return number;
}

static bool is_special(uint32_t process) {
        return process < N_PROCESS_SPECIALS;
}

static void process_add_part(struct aggregate *a, uint32_t number, struct part *part) {
        struct process *process = &a->processes.slots[number];

        part->process = number;
        if (is_special(number))
                return;
        part->next = process->first_part;
        process->first_part = (uint32_t) (part - a->parts.slots);
        process->n_parts++;
}

static void part_drop(struct aggregate *a, struct part *part) {
        struct process *process = &a->processes.slots[part->process];

        if (a->config.is_without_services)
                give_share(a, part, 1);
        services_unref(&a->services, part->service);
        if (!is_special(part->process)) {
                uint32_t number = (uint32_t) (part - a->parts.slots), *link = &process->first_part;

                while (*link != number)
                        link = &a->parts.slots[*link].next;
                *link = part->next;
                process->n_parts--;
                process->n_exited -= part->has_exited;
        }
        parts_remove(&a->parts, part);
}

static bool has_room(const struct aggregate *a) {
        return a->processes.n_used < a->processes.max;
}

/* The process got no row when it was first seen, the table was full. What it moves from now on is its own. */
static bool part_move_out(struct aggregate *a, struct part *part, const struct sample_row *row) {
        if (part->process != PROCESS_OVERFLOW || part->stays || row->is_last || row->row.exited || !has_room(a))
                return false;
        process_add_part(a, process_get(a, &part->key, part->service), part);
        return part->process != PROCESS_OVERFLOW;
}

static struct part *part_new(struct aggregate *a, const struct sample_row *row) {
        struct part *part;
        struct unit unit;

        if (parts_add(&a->parts, &row->key, &part) < 0)
                return NULL;
        a->config.identify(a->config.userdata, &row->key, &row->row, &unit);
        part->service = services_get(&a->services, &unit, a->now_ns, a->sequence);
        services_ref(&a->services, part->service);
        process_add_part(a, process_get(a, &row->key, part->service), part);
        return part;
}

/* Name and user are those of the kernel row in which they changed last (exec, prctl, setuid): that of a cgroup which
 * the process left tells nothing new. The cgroup is that of the row which moved data last. */
static void describe(struct aggregate *a, struct part *part, const struct sample_row *row, bool is_new,
                     bool has_moved) {
        struct process *process = &a->processes.slots[part->process];
        bool is_renamed = is_new || part->uid != row->row.uid ||
                          memcmp(part->comm, row->row.comm, sizeof part->comm) != 0;

        if (is_special(part->process) || process->is_hidden)
                return;
        if (is_renamed) {
                memcpy(part->comm, row->row.comm, sizeof part->comm);
                part->uid = row->row.uid;
                text_clean(process->comm, sizeof process->comm, part->comm, sizeof part->comm);
                process->uid = part->uid;
        }
        if (!is_new && !has_moved)
                return;
        process->cgroup_id = row->key.cgroup_id;
        process_set_service(a, process, part->service);
}

/* Keeps the queue of processes that are gone in order. */
static void settle(struct aggregate *a, uint32_t number, bool has_moved) {
        struct process *process = &a->processes.slots[number];
        bool is_gone = process->n_parts == process->n_exited;

        if (is_special(number))
                return;
        if (!is_gone)
                processes_unqueue(&a->processes, number);
        else if (!process->is_queued || has_moved)
                processes_queue(&a->processes, number, a->now_ns, a->update);
}

/* No memory for a row that will not come again: its total must not be lost. */
static void take_homeless(struct aggregate *a, const struct sample_row *row) {
        uint64_t taken[SOCKTALLY_N_METRICS] = { 0 };

        a->rows_overflowed++;
        take(a, taken, row->row.counters, PROCESS_OVERFLOW, SERVICE_OVERFLOW);
}

/* The kernel's table was replaced and the process lives on: what it moves from now on comes with a row that begins at
 * 0. A process that is known to be gone gets no other row. */
static void part_end(struct aggregate *a, struct part *part, bool has_exited) {
        if (has_exited) {
                part_drop(a, part);
                return;
        }
        if (a->config.is_without_services)
                give_share(a, part, 1);
        memset(part->taken, 0, sizeof part->taken);
        if (!part->is_orphan)
                part->orphan_ns = a->now_ns;
        a->parts.n_orphans += !part->is_orphan;
        part->is_orphan = true;
}

void aggregate_forget_rows(struct aggregate *a) {
        missed_forget(&a->missed);
        memset(a->specials_taken, 0, sizeof a->specials_taken);
        for (uint32_t i = 0; i < a->parts.n_slots; i++) {
                struct part *part = &a->parts.slots[i];
                uint32_t number = part->process;

                if (!part->is_used)
                        continue;
                part_end(a, part, part->has_exited);
                settle(a, number, false);
        }
}

static void part_seen(struct aggregate *a, struct part *part, const struct sample_row *row) {
        part->update = a->update;
        part->pid = row->row.pid;
        a->parts.n_orphans -= part->is_orphan;
        part->is_orphan = false;
}

static void take_row(struct aggregate *a, const struct sample_row *row) {
        struct part *part = parts_find(&a->parts, &row->key);
        bool is_new = !part, has_moved, has_exited = row->row.exited != 0;
        uint32_t number, service;

        if (!part)
                part = part_new(a, row);
        if (!part) {
                if (row->is_last)
                        take_homeless(a, row);
                return;
        }
        is_new |= part_move_out(a, part, row);
        number = part->process;
        service = a->config.is_without_services ? LOOKUP_NONE : part->service;
        part_seen(a, part, row);
        has_moved = take(a, part->taken, row->row.counters, number, service);
        take_gauges(a, row, number, service);
        describe(a, part, row, is_new, has_moved);
        if (part->has_exited != has_exited && !is_special(number)) {
                a->processes.slots[number].n_exited += has_exited ? 1 : (uint32_t) -1;
                part->has_exited = has_exited;
        }
        if (row->is_last)
                part_end(a, part, has_exited);
        settle(a, number, has_moved);
}

static void take_specials(struct aggregate *a, const struct sample *sample) {
        static const struct {
                uint32_t process, service;
        } rows[N_SPECIALS] = {
                [SPECIAL_KERNEL] = { PROCESS_KERNEL, SERVICE_KERNEL },
                [SPECIAL_OVERFLOW] = { PROCESS_OVERFLOW, SERVICE_OVERFLOW },
                [SPECIAL_EXITED] = { PROCESS_EXITED, SERVICE_EXITED },
        };

        for (unsigned i = 0; i < N_SPECIALS; i++)
                take(a, a->specials_taken[i], sample->specials[i].counters, rows[i].process, rows[i].service);
}

/* Rows that left the kernel after the totals were kept, and before the daemon that did it could say so. */
static void forget_taken_rows(struct aggregate *a) {
        for (uint32_t i = 0; a->is_restored && i < a->parts.n_slots; i++) {
                struct part *part = &a->parts.slots[i];
                uint32_t number = part->process;

                if (!part->is_used || part->update == a->update || (!part->has_exited && !is_special(number)) ||
                    part->is_orphan)
                        continue;
                part_drop(a, part);
                settle(a, number, false);
        }
        a->is_restored = false;
}

/* The kernel announces the end of each row. Should that ever be missed, memory stays bounded all the same. Orphans are
 * not lost: check_orphans() ends them. */
static void forget_lost_parts(struct aggregate *a) {
        if (a->parts.n_used / 2 <= a->processes.max)
                return;
        for (uint32_t i = 0; i < a->parts.n_slots; i++) {
                struct part *part = &a->parts.slots[i];
                uint32_t number = part->process;

                if (part->is_used && !part->is_orphan && a->update - part->update > 16) {
                        part_drop(a, part);
                        settle(a, number, false);
                }
        }
}

static bool is_gone(const struct aggregate *a, const struct part *part) {
        if (part->pid != 0)
                return !a->config.is_alive(a->config.userdata, part->pid, part->key.start_time);
        return a->now_ns - part->orphan_ns >= (is_crowded(a) ? AGGREGATE_VISIBLE_NS : AGGREGATE_UNSEEN_NS);
}

/* No row of the kernel tells of the end of these. A look at some of them by turns. */
static void check_orphans(struct aggregate *a) {
        uint32_t n = a->parts.n_slots < ORPHAN_SLOTS ? a->parts.n_slots : ORPHAN_SLOTS;
        unsigned n_checks = 0;

        if (!a->config.is_alive)
                return;
        for (uint32_t i = 0; i < n && n_checks < ORPHAN_CHECKS && a->parts.n_orphans > 0; i++) {
                struct part *part = &a->parts.slots[a->parts.next_orphan++ % a->parts.n_slots];
                uint32_t number = part->process;

                if (!part->is_used || !part->is_orphan)
                        continue;
                n_checks++;
                if (!is_gone(a, part))
                        continue;
                part_drop(a, part);
                settle(a, number, false);
        }
}

void aggregate_count_rows(struct aggregate *a) {
        a->host.processes = a->processes.n_used - N_PROCESS_SPECIALS;
        a->host.services = a->config.is_without_services ? 0 : a->services.n_rows - N_SERVICE_SPECIALS;
}

void aggregate_update(struct aggregate *a, const struct sample *sample, uint64_t sequence) {
        a->update++;
        a->sequence = sequence;
        a->now_ns = sample->time_ns;
        missed_take(&a->missed, sample);
        if (a->host.start_time == 0) {
                a->host.start_time = sample->time_ns;
                for (uint32_t i = 0; i < N_SERVICE_SPECIALS; i++)
                        a->services.rows[i].start_time = sample->time_ns;
        }
        retire(a);
        clear_gauges(a, sample->known);
        take_specials(a, sample);
        for (size_t i = 0; i < sample->n_rows; i++)
                take_row(a, &sample->rows[i]);
        forget_taken_rows(a);
        forget_lost_parts(a);
        check_orphans(a);
        aggregate_count_rows(a);
}

void aggregate_set_services(struct aggregate *a, bool has_services, uint64_t sequence) {
        if (a->config.is_without_services == !has_services)
                return;
        a->sequence = sequence;
        for (uint32_t i = 0; i < a->parts.n_slots; i++)
                if (a->parts.slots[i].is_used)
                        give_share(a, &a->parts.slots[i], has_services ? 1 : (uint64_t) -1);
        a->config.is_without_services = !has_services;
        aggregate_count_rows(a);
}

void aggregate_get(const struct aggregate *a, struct aggregate_result *ret_result) {
        *ret_result = (struct aggregate_result) {
                .host = &a->host,
                .processes = a->processes.slots,
                .n_slots = a->processes.n_slots,
                .n_processes = a->processes.n_used,
                .services = a->services.rows,
                .n_services = a->services.n_rows,
                .has_services = !a->config.is_without_services,
                .peak_processes = a->processes.peak,
                .peak_services = a->services.peak,
                .rows_overflowed = a->rows_overflowed,
                .services_overflowed = a->services.n_overflowed,
                .missed = &a->missed,
                .users_merged = a->services.users_merged,
        };
}
