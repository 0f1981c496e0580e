/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slot keeps its number for its life, so kernel rows and queue refer to numbers. What is published of a row is much
 * larger than what is kept here; the texts are added on the way out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/totals/processes.h"
#include "libclient/socktally.h"

#define SLOTS_MIN 64

struct process_id {
        uint64_t start_time;
        uint64_t pid;
};

static bool match_pid(const void *owner, uint32_t number, const void *key) {
        const struct processes *processes = owner;
        const struct process_id *id = key;

        return processes->slots[number].pid == id->pid && processes->slots[number].start_time == id->start_time;
}

static uint32_t hash_pid(uint32_t pid, uint64_t start_time) {
        struct process_id id = { start_time, pid };

        return lookup_hash(&id, sizeof id);
}

static int grow(struct processes *processes) {
        uint32_t n = processes->n_allocated ? processes->n_allocated * 2 : SLOTS_MIN;
        struct process *slots;

        if (processes->first_free != LOOKUP_NONE || processes->n_slots < processes->n_allocated)
                return 0;
        slots = reallocarray(processes->slots, n, sizeof *slots);
        if (!slots)
                return -ENOMEM;
        processes->slots = slots;
        processes->n_allocated = n;
        return 0;
}

static uint32_t take_slot(struct processes *processes) {
        uint32_t number = processes->first_free;

        if (number != LOOKUP_NONE)
                processes->first_free = processes->slots[number].next;
        else
                number = processes->n_slots++;
        processes->slots[number] = (struct process) {
                .is_used = true,
                .uid = LAYOUT_NO_UID,
                .first_cursor = LOOKUP_NONE,
                .previous = LOOKUP_NONE,
                .next = LOOKUP_NONE,
        };
        if (++processes->n_used > processes->peak)
                processes->peak = processes->n_used;
        return number;
}

int processes_init(struct processes *processes, uint32_t max) {
        static const struct {
                uint32_t kind;
                const char *comm;
        } specials[N_PROCESS_SPECIALS] = {
                [PROCESS_KERNEL] = { SOCKTALLY_ROW_KERNEL, "kernel" },
                [PROCESS_OVERFLOW] = { SOCKTALLY_ROW_OVERFLOW, "overflow" },
                [PROCESS_EXITED] = { SOCKTALLY_ROW_EXITED, "exited" },
        };
        int r;

        *processes = (struct processes) {
                .max = max < N_PROCESS_SPECIALS ? N_PROCESS_SPECIALS : max,
                .first_free = LOOKUP_NONE,
                .first_gone = LOOKUP_NONE,
                .last_gone = LOOKUP_NONE,
        };
        r = grow(processes);
        if (r < 0)
                return r;
        for (unsigned i = 0; i < N_PROCESS_SPECIALS; i++) {
                struct process *process = &processes->slots[take_slot(processes)];

                process->kind = specials[i].kind;
                strcpy(process->comm, specials[i].comm);
        }
        return 0;
}

int processes_index(struct processes *processes) {
        int r;

        r = lookup_reserve_all(&processes->by_pid, processes->n_slots);
        for (uint32_t i = 0; r == 0 && i < processes->n_slots; i++) {
                const struct process *process = &processes->slots[i];

                if (process->kind == SOCKTALLY_ROW_PROCESS && (process->is_used || process->is_hidden))
                        lookup_add(&processes->by_pid, hash_pid(process->pid, process->start_time), i);
        }
        return r;
}

void processes_done(struct processes *processes) {
        free(processes->slots);
        lookup_done(&processes->by_pid);
        *processes = (struct processes) { 0 };
}

uint32_t processes_find(const struct processes *processes, uint32_t pid, uint64_t start_time) {
        struct process_id id = { start_time, pid };

        return lookup_find(&processes->by_pid, hash_pid(pid, start_time), match_pid, processes, &id);
}

uint32_t processes_add(struct processes *processes, uint32_t pid, uint64_t start_time) {
        uint32_t number;

        if (processes->n_used >= processes->max || lookup_reserve(&processes->by_pid) < 0 || grow(processes) < 0)
                return LOOKUP_NONE;
        number = take_slot(processes);
        processes->slots[number].kind = SOCKTALLY_ROW_PROCESS;
        processes->slots[number].pid = pid;
        processes->slots[number].start_time = start_time;
        lookup_add(&processes->by_pid, hash_pid(pid, start_time), number);
        return number;
}

void processes_hide(struct processes *processes, uint32_t number) {
        processes->slots[number].is_used = false;
        processes->slots[number].is_hidden = true;
        processes->n_used--;
}

void processes_remove(struct processes *processes, uint32_t number) {
        struct process *process = &processes->slots[number];

        processes_unqueue(processes, number);
        lookup_remove(&processes->by_pid, hash_pid(process->pid, process->start_time), number);
        processes->n_used -= process->is_used;
        process->is_used = process->is_hidden = false;
        process->next = processes->first_free;
        processes->first_free = number;
}

static bool is_taken(const struct process *process) {
        return process->is_used || process->is_hidden;
}

void processes_shrink(struct processes *processes) {
        struct process *slots;
        uint32_t n;

        while (processes->n_slots > 0 && !is_taken(&processes->slots[processes->n_slots - 1]))
                processes->n_slots--;
        processes->first_free = LOOKUP_NONE;
        for (uint32_t i = processes->n_slots; i-- > 0;)
                if (!is_taken(&processes->slots[i])) {
                        processes->slots[i].next = processes->first_free;
                        processes->first_free = i;
                }
        lookup_shrink(&processes->by_pid);
        n = processes->n_allocated;
        while (n > SLOTS_MIN && processes->n_slots < n / 4)
                n /= 2;
        slots = n < processes->n_allocated ? reallocarray(processes->slots, n, sizeof *slots) : NULL;
        if (!slots)
                return;
        processes->slots = slots;
        processes->n_allocated = n;
}

void processes_queue(struct processes *processes, uint32_t number, uint64_t now_ns, uint32_t update) {
        struct process *process = &processes->slots[number];

        processes_unqueue(processes, number);
        process->is_queued = true;
        process->quiet_ns = now_ns;
        process->quiet_update = update;
        process->previous = processes->last_gone;
        process->next = LOOKUP_NONE;
        if (processes->last_gone != LOOKUP_NONE)
                processes->slots[processes->last_gone].next = number;
        else
                processes->first_gone = number;
        processes->last_gone = number;
}

void processes_unqueue(struct processes *processes, uint32_t number) {
        struct process *process = &processes->slots[number];

        if (!process->is_queued)
                return;
        if (process->previous != LOOKUP_NONE)
                processes->slots[process->previous].next = process->next;
        else
                processes->first_gone = process->next;
        if (process->next != LOOKUP_NONE)
                processes->slots[process->next].previous = process->previous;
        else
                processes->last_gone = process->previous;
        process->is_queued = false;
}
