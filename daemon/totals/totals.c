/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything is a sum of growth. From each kernel row only what it grew since the last sample is taken (growth.c), and
 * that amount is added at once to a process row, the rows of its groups and the host row. What happens to a row later
 * (its process ends, or the table is full) moves whole rows inside one table and leaves the sums alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/text.h"
#include "daemon/totals/counters.h"
#include "daemon/totals/totals-private.h"
#include "libclient/socktally.h"

/* check_orphans() looks at so many slots, and asks /proc for so many processes, in one update. */
#define ORPHAN_SLOTS 4096
#define ORPHAN_CHECKS 64
/* A cursor whose kernel row was in none of so many updates in a row has lost it. Each update has all rows of the
 * kernel, so one without the row would prove it. The number is large as this is only for rows whose end was missed. */
#define LOST_UPDATES 16

int totals_new(struct totals **ret_totals, const struct totals_config *config) {
        struct totals *totals = calloc(1, sizeof *totals);
        int r;

        if (!totals)
                return -ENOMEM;
        totals->config = *config;
        totals->host.kind = SOCKTALLY_ROW_HOST;
        totals->cursors = CURSORS_NULL;
        totals->next_asked = LOOKUP_NONE;
        r = processes_init(&totals->processes, config->max.processes);
        for (unsigned g = 0; g < N_GROUPINGS && r >= 0; g++)
                r = groups_init(&totals->groups[g], g, config->max.groups[g]);
        if (r < 0) {
                totals_free(totals);
                return r;
        }
        *ret_totals = totals;
        return 0;
}

struct totals *totals_free(struct totals *totals) {
        if (!totals)
                return NULL;
        cursors_done(&totals->cursors);
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                groups_done(&totals->groups[g]);
        processes_done(&totals->processes);
        free(totals);
        return NULL;
}

void totals_merge_process(struct totals *a, uint32_t number, uint32_t into) {
        struct process *from = &a->processes.slots[number], *to = &a->processes.slots[into];

        counters_add(to->counters, from->counters);
        to->changed = a->sequence;
        for (uint32_t i = from->first_cursor, next; i != LOOKUP_NONE; i = next) {
                next = a->cursors.slots[i].next;
                a->cursors.slots[i].process = into;
                a->cursors.slots[i].stays = true;
                a->cursors.slots[i].next = LOOKUP_NONE;
        }
        if (!from->is_hidden)
                totals_leave_groups(a, from);
        processes_remove(&a->processes, number);
}

static bool is_due(const struct totals *a, const struct process *process) {
        return a->update - process->quiet_update >= TOTALS_VISIBLE_PUBLICATIONS &&
               a->now_ns - process->quiet_ns >= TOTALS_VISIBLE_NS;
}

static bool is_crowded(const struct totals *a) {
        return a->processes.n_used > a->processes.max / 4 * 3;
}

/* Ends rows of processes that are gone. One that came with this very sample has not been shown yet and stays. */
static void retire(struct totals *a) {
        uint32_t number;

        while ((number = a->processes.first_gone) != LOOKUP_NONE) {
                const struct process *process = &a->processes.slots[number];

                if (process->quiet_update == a->update || !(is_due(a, process) || is_crowded(a)))
                        return;
                totals_merge_process(a, number, PROCESS_EXITED);
        }
}

static uint32_t process_get(struct totals *a, const struct process_key *key, const struct cursor *cursor) {
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
        process->changed = a->sequence;
        totals_enter_groups(a, process, cursor);
        return number;
}

static bool is_special(uint32_t process) {
        return process < N_PROCESS_SPECIALS;
}

static void process_add_cursor(struct totals *a, uint32_t number, struct cursor *cursor) {
        struct process *process = &a->processes.slots[number];

        cursor->process = number;
        if (is_special(number))
                return;
        cursor->next = process->first_cursor;
        process->first_cursor = (uint32_t) (cursor - a->cursors.slots);
        process->n_cursors++;
}

static void cursor_drop(struct totals *a, struct cursor *cursor) {
        struct process *process = &a->processes.slots[cursor->process];

        totals_set_share(a, cursor, true);
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                groups_unref(&a->groups[g], cursor->groups[g]);
        if (!is_special(cursor->process)) {
                uint32_t number = (uint32_t) (cursor - a->cursors.slots), *link = &process->first_cursor;

                while (*link != number)
                        link = &a->cursors.slots[*link].next;
                *link = cursor->next;
                process->n_cursors--;
                process->n_exited -= cursor->has_exited;
        }
        cursors_remove(&a->cursors, cursor);
}

static bool has_room(const struct totals *a) {
        return a->processes.n_used < a->processes.max;
}

/* Does the cursor feed the overflow row only because the table was full when its process was first seen? */
static bool waits_for_row(const struct cursor *cursor) {
        return cursor->process == PROCESS_OVERFLOW && !cursor->stays;
}

/* Gives a process that waits for one a row, if it lives and there is room. What it moves from now on is counted there.
 * Returns whether it got one. */
static bool cursor_move_out(struct totals *a, struct cursor *cursor, const struct sample_row *row) {
        bool is_over = row->is_last || row->row.exited;

        if (!waits_for_row(cursor) || is_over || !has_room(a))
                return false;
        process_add_cursor(a, process_get(a, &cursor->key, cursor), cursor);
        return cursor->process != PROCESS_OVERFLOW;
}

/* Takes over what a kernel row tells of its process. Returns whether name or user are others than before. */
static bool cursor_follow(struct cursor *cursor, const struct sample_row *row) {
        bool is_renamed = cursor->uid != row->row.uid ||
                          memcmp(cursor->comm, row->row.comm, sizeof cursor->comm) != 0;

        cursor->pid = row->row.pid;
        cursor->uid = row->row.uid;
        memcpy(cursor->comm, row->row.comm, sizeof cursor->comm);
        return is_renamed;
}

static struct cursor *cursor_new(struct totals *a, const struct sample_row *row) {
        struct cursor *cursor;

        if (cursors_add(&a->cursors, &row->key, &cursor) < 0)
                return NULL;
        (void) cursor_follow(cursor, row);
        totals_find_groups(a, cursor);
        process_add_cursor(a, process_get(a, &row->key, cursor), cursor);
        return cursor;
}

/* The name may be another one because the process became another program. One that is gone keeps what it had. */
static void describe_command(struct totals *a, struct process *process, const struct cursor *cursor) {
        char line[LAYOUT_COMMAND_SIZE] = "";

        if (a->config.command_line)
                a->config.command_line(a->config.userdata, cursor->pid, cursor->key.start_time, line, sizeof line);
        if (line[0])
                memcpy(process->command_line, line, sizeof process->command_line);
}

/* Name and user are those of the kernel row in which they changed last (exec, prctl, setuid): that of a cgroup which
 * the process left tells nothing new. The cgroup is that of the row which moved data last. */
static void describe(struct totals *a, const struct cursor *cursor, bool is_renamed, bool has_moved) {
        struct process *process = &a->processes.slots[cursor->process];

        if (is_special(cursor->process) || process->is_hidden)
                return;
        if (is_renamed) {
                text_clean(process->comm, sizeof process->comm, cursor->comm, sizeof cursor->comm);
                process->uid = cursor->uid;
                describe_command(a, process, cursor);
        }
        if (!is_renamed && !has_moved)
                return;
        process->cgroup_id = cursor->key.cgroup_id;
        totals_change_groups(a, process, cursor);
}

/* Puts a process row into the queue of those that end soon when all kernel rows that feed it are of an exited
 * process, behind all others if it has just moved data. Takes it out when one of them is not. */
static void queue_if_gone(struct totals *a, uint32_t number, bool has_moved) {
        struct process *process = &a->processes.slots[number];
        bool is_gone = process->n_cursors == process->n_exited;

        if (is_special(number))
                return;
        if (!is_gone)
                processes_unqueue(&a->processes, number);
        else if (!process->is_queued || has_moved)
                processes_queue(&a->processes, number, a->now_ns, a->update);
}

/* There was no memory for a cursor, and the kernel row will not come again. Its total goes to the overflow rows. */
static void take_without_cursor(struct totals *a, const struct sample_row *row) {
        uint64_t taken[SOCKTALLY_N_METRICS] = { 0 };

        a->rows_overflowed++;
        totals_take_special(a, taken, row->row.counters, PROCESS_OVERFLOW, GROUP_OVERFLOW);
}

/* The cursor's kernel row has ended. If the process lives, its table was replaced in the kernel, and what it moves from
 * now on comes with another row that begins at 0: the cursor waits for that as an orphan. */
static void cursor_end(struct totals *a, struct cursor *cursor, bool has_exited) {
        if (has_exited) {
                cursor_drop(a, cursor);
                return;
        }
        totals_set_share(a, cursor, true);
        memset(cursor->taken, 0, sizeof cursor->taken);
        if (!cursor->is_orphan)
                cursor->orphan_ns = a->now_ns;
        a->cursors.n_orphans += !cursor->is_orphan;
        cursor->is_orphan = true;
}

void totals_forget_rows(struct totals *a) {
        missed_forget(&a->missed);
        memset(a->specials_taken, 0, sizeof a->specials_taken);
        for (uint32_t i = 0; i < a->cursors.n_slots; i++) {
                struct cursor *cursor = &a->cursors.slots[i];
                uint32_t number = cursor->process;

                if (!cursor->is_used)
                        continue;
                cursor_end(a, cursor, cursor->has_exited);
                queue_if_gone(a, number, false);
        }
}

static void cursor_seen(struct totals *a, struct cursor *cursor) {
        cursor->update = a->update;
        a->cursors.n_orphans -= cursor->is_orphan;
        cursor->is_orphan = false;
}

static void take_row(struct totals *a, const struct sample_row *row) {
        struct cursor *cursor = cursors_find(&a->cursors, &row->key);
        bool is_renamed = !cursor, has_moved, has_exited = row->row.exited != 0;
        uint32_t number;

        if (!cursor)
                cursor = cursor_new(a, row);
        if (!cursor) {
                if (row->is_last)
                        take_without_cursor(a, row);
                return;
        }
        if (cursor_follow(cursor, row)) {
                is_renamed = true;
                totals_ask(a, cursor);
        }
        is_renamed |= cursor_move_out(a, cursor, row);
        number = cursor->process;
        cursor_seen(a, cursor);
        has_moved = totals_take_growth(a, cursor->taken, row->row.counters, number, cursor->groups);
        totals_take_gauges(a, row, number, cursor->groups);
        describe(a, cursor, is_renamed, has_moved);
        if (cursor->has_exited != has_exited && !is_special(number)) {
                a->processes.slots[number].n_exited += has_exited;
                a->processes.slots[number].n_exited -= cursor->has_exited;
                cursor->has_exited = has_exited;
        }
        if (row->is_last)
                cursor_end(a, cursor, has_exited);
        queue_if_gone(a, number, has_moved);
}

static void take_specials(struct totals *a, const struct sample *sample) {
        static const struct {
                uint32_t process, groups;
        } rows[N_SPECIALS] = {
                [SPECIAL_KERNEL] = { PROCESS_KERNEL, GROUP_KERNEL },
                [SPECIAL_OVERFLOW] = { PROCESS_OVERFLOW, GROUP_OVERFLOW },
                [SPECIAL_EXITED] = { PROCESS_EXITED, GROUP_EXITED },
        };

        for (unsigned i = 0; i < N_SPECIALS; i++)
                totals_take_special(a, a->specials_taken[i], sample->specials[i].counters, rows[i].process,
                                    rows[i].groups);
}

/* Has this update no kernel row for the cursor, whose process has exited or lost its row? Then the earlier daemon
 * deleted the row in the kernel, and no other follows. */
static bool was_deleted(const struct totals *a, const struct cursor *cursor) {
        return cursor->is_used && cursor->update != a->update && !cursor->is_orphan &&
               (cursor->has_exited || is_special(cursor->process));
}

/* With the first update after totals_restore(): ends cursors of kernel rows that the earlier daemon deleted after it
 * had kept its totals for the last time. */
static void forget_taken_rows(struct totals *a) {
        for (uint32_t i = 0; a->is_restored && i < a->cursors.n_slots; i++) {
                struct cursor *cursor = &a->cursors.slots[i];
                uint32_t number = cursor->process;

                if (!was_deleted(a, cursor))
                        continue;
                cursor_drop(a, cursor);
                queue_if_gone(a, number, false);
        }
        a->is_restored = false;
}

/* A kernel row's end comes with is_last. Should that ever be missed, this keeps memory bounded all the same. Orphans
 * are left to check_orphans(). */
static void forget_lost_cursors(struct totals *a) {
        if (a->cursors.n_used / 2 <= a->processes.max)
                return;
        for (uint32_t i = 0; i < a->cursors.n_slots; i++) {
                struct cursor *cursor = &a->cursors.slots[i];
                uint32_t number = cursor->process;

                if (cursor->is_used && !cursor->is_orphan && a->update - cursor->update > LOST_UPDATES) {
                        cursor_drop(a, cursor);
                        queue_if_gone(a, number, false);
                }
        }
}

static bool is_gone(const struct totals *a, const struct cursor *cursor) {
        if (cursor->pid != 0)
                return !a->config.is_alive(a->config.userdata, cursor->pid, cursor->key.start_time);
        return a->now_ns - cursor->orphan_ns >= (is_crowded(a) ? TOTALS_VISIBLE_NS : TOTALS_UNSEEN_NS);
}

/* Drops cursors of orphans whose process is gone, as no kernel row will tell that. Looks at some slots in each update,
 * and goes on from there in the next. */
static void check_orphans(struct totals *a) {
        uint32_t n = a->cursors.n_slots < ORPHAN_SLOTS ? a->cursors.n_slots : ORPHAN_SLOTS;
        unsigned n_checks = 0;

        if (!a->config.is_alive)
                return;
        for (uint32_t i = 0; i < n && n_checks < ORPHAN_CHECKS && a->cursors.n_orphans > 0; i++) {
                struct cursor *cursor = &a->cursors.slots[a->cursors.next_orphan++ % a->cursors.n_slots];
                uint32_t number = cursor->process;

                if (!cursor->is_used || !cursor->is_orphan)
                        continue;
                n_checks++;
                if (!is_gone(a, cursor))
                        continue;
                cursor_drop(a, cursor);
                queue_if_gone(a, number, false);
        }
}

void totals_count_rows(struct totals *a) {
        a->host.processes = a->processes.n_used - N_PROCESS_SPECIALS;
        a->host.services = a->config.is_without[BY_SERVICE] ? 0 : a->groups[BY_SERVICE].n_rows - N_GROUP_SPECIALS;
}

static void begin(struct totals *a) {
        a->host.start_time = a->now_ns;
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                for (uint32_t i = 0; i < N_GROUP_SPECIALS; i++)
                        a->groups[g].rows[i].start_time = a->now_ns;
}

void totals_update(struct totals *a, const struct sample *sample, uint64_t sequence) {
        a->update++;
        a->sequence = sequence;
        a->now_ns = sample->time_ns;
        missed_take(&a->missed, sample);
        if (a->host.start_time == 0)
                begin(a);
        retire(a);
        totals_clear_gauges(a, sample->known);
        take_specials(a, sample);
        totals_ask_again(a);
        for (size_t i = 0; i < sample->n_rows; i++)
                take_row(a, &sample->rows[i]);
        forget_taken_rows(a);
        forget_lost_cursors(a);
        check_orphans(a);
        totals_give_back(a);
        totals_count_rows(a);
}

void totals_keep_groups(struct totals *a, enum grouping grouping, bool is_kept, uint64_t sequence) {
        if (a->config.is_without[grouping] == !is_kept)
                return;
        a->sequence = sequence;
        for (uint32_t i = 0; i < a->cursors.n_slots; i++)
                if (a->cursors.slots[i].is_used)
                        totals_set_share_in(a, &a->cursors.slots[i], grouping, is_kept);
        a->config.is_without[grouping] = !is_kept;
        totals_count_rows(a);
}

void totals_get(const struct totals *a, struct totals_result *ret_result) {
        *ret_result = (struct totals_result) {
                .host = &a->host,
                .processes = a->processes.slots,
                .n_slots = a->processes.n_slots,
                .n_processes = a->processes.n_used,
                .groups = a->groups,
                .is_without = a->config.is_without,
                .peak_processes = a->processes.peak,
                .rows_overflowed = a->rows_overflowed,
                .missed = &a->missed,
        };
}

uint64_t totals_overflowed(const struct totals_result *result) {
        uint64_t sum = result->rows_overflowed;

        for (unsigned g = 0; g < N_GROUPINGS; g++)
                sum += result->groups[g].n_overflowed;
        return sum;
}
