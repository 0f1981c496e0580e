/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which service each row of the kernel feeds. A source of names may answer after the row was met. From then on what is
 * moved goes to the service that it names, and what was counted before stays where it is, as when a process changes its
 * cgroup. Example: 100 bytes went to no unit, then the name comes, and of 150 bytes the service has 50.
 */
#include "daemon/totals/counters.h"
#include "daemon/totals/totals-private.h"

#define ROWS_PER_UPDATE 1024 /* cursors that are asked for in one update, so that its cost is bounded */

void totals_set_share(struct totals *a, const struct cursor *cursor, bool is_in) {
        struct layout_service_row *service = &a->services.rows[cursor->service];

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m))
                        service->counters[m] += is_in ? cursor->taken[m] : -cursor->taken[m];
        service->changed = a->sequence;
}

void totals_set_process_service(struct totals *a, struct process *process, uint32_t service) {
        if (process->service == service)
                return;
        services_leave(&a->services, process->service);
        services_enter(&a->services, service);
        process->service = service;
}

/* A process is shown with the service of the cgroup in which it moved data last. */
static bool shows(const struct process *process, const struct cursor *cursor) {
        return cursor->process >= N_PROCESS_SPECIALS && !process->is_hidden &&
               process->cgroup_id == cursor->key.cgroup_id;
}

static void move(struct totals *a, struct cursor *cursor, uint32_t service) {
        struct process *process = &a->processes.slots[cursor->process];

        if (a->config.is_without_services)
                totals_set_share(a, cursor, true);
        services_ref(&a->services, service);
        services_unref(&a->services, cursor->service);
        cursor->service = service;
        if (a->config.is_without_services)
                totals_set_share(a, cursor, false);
        if (shows(process, cursor))
                totals_set_process_service(a, process, service);
}

/* Looks up the identity of a cursor's cgroup once more. A service that became part of the overflow row stays there. */
static void ask(struct totals *a, struct cursor *cursor) {
        struct identity identity;
        uint32_t service;

        if (!cursor->is_used || cursor->service == SERVICE_OVERFLOW ||
            !a->config.identity(a->config.userdata, &cursor->key, cursor->pid, &identity))
                return;
        service = services_get(&a->services, &identity.unit, a->now_ns, a->sequence);
        if (service != cursor->service)
                move(a, cursor, service);
}

/* Asks for some cursors in each update, until all were asked for. If the generation moves meanwhile, all are asked for
 * once more after that. */
void totals_ask_again(struct totals *a) {
        uint32_t generation = a->config.generation ? a->config.generation(a->config.userdata) : 0;

        if (a->next_asked == LOOKUP_NONE && generation != a->generation) {
                a->generation = generation;
                a->next_asked = 0;
        }
        for (unsigned n = 0; n < ROWS_PER_UPDATE && a->next_asked < a->cursors.n_slots; n++)
                ask(a, &a->cursors.slots[a->next_asked++]);
        if (a->next_asked >= a->cursors.n_slots)
                a->next_asked = LOOKUP_NONE;
}
