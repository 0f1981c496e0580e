/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which groups each row of the kernel feeds. A source of names may answer after the row was met, and a process may
 * change its name or its user. From then on what is moved goes to the groups that it is of now, and what was counted
 * before stays where it is, as when a process changes its cgroup. Example: 100 bytes went to no unit, then the name
 * comes, and of 150 bytes the service has 50.
 */
#include <string.h>

#include "daemon/text.h"
#include "daemon/totals/counters.h"
#include "daemon/totals/totals-private.h"

#define COPY_TEXT(array, text) ((void) text_clean(array, sizeof(array), text, strlen(text)))
#define ROWS_PER_UPDATE 1024 /* cursors that are asked for in one update, so that its cost is bounded */

void totals_set_share_in(struct totals *a, const struct cursor *cursor, enum grouping g, bool is_in) {
        struct group_row *group = &a->groups[g].rows[cursor->groups[g]];

        for (unsigned m = 0; m < SOCKTALLY_N_METRICS; m++)
                if (!counter_is_gauge(m))
                        group->counters[m] += is_in ? cursor->taken[m] : -cursor->taken[m];
        group->changed = a->sequence;
}

void totals_set_share(struct totals *a, const struct cursor *cursor, bool is_in) {
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                if (a->config.is_without[g])
                        totals_set_share_in(a, cursor, g, is_in);
}

void totals_enter_groups(struct totals *a, struct process *process, const struct cursor *cursor) {
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                process->groups[g] = cursor->groups[g];
                groups_enter(&a->groups[g], process->groups[g]);
        }
}

void totals_leave_groups(struct totals *a, struct process *process) {
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                groups_leave(&a->groups[g], process->groups[g]);
}

void totals_change_groups(struct totals *a, struct process *process, const struct cursor *cursor) {
        if (memcmp(process->groups, cursor->groups, sizeof process->groups) == 0)
                return;
        totals_leave_groups(a, process);
        totals_enter_groups(a, process, cursor);
}

/* A process is shown with the groups of the cgroup in which it moved data last. */
static bool shows(const struct process *process, const struct cursor *cursor) {
        return cursor->process >= N_PROCESS_SPECIALS && !process->is_hidden &&
               process->cgroup_id == cursor->key.cgroup_id;
}

static void move(struct totals *a, struct cursor *cursor, const uint32_t groups[]) {
        struct process *process = &a->processes.slots[cursor->process];

        if (memcmp(cursor->groups, groups, sizeof cursor->groups) == 0)
                return;
        totals_set_share(a, cursor, true);
        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                groups_ref(&a->groups[g], groups[g]);
                groups_unref(&a->groups[g], cursor->groups[g]);
                cursor->groups[g] = groups[g];
        }
        totals_set_share(a, cursor, false);
        if (shows(process, cursor))
                totals_change_groups(a, process, cursor);
}

static const char *or_null(const char *text) {
        return text[0] ? text : NULL;
}

static void find_key(enum grouping grouping, const struct identity *identity, uint32_t uid, struct group_key *ret_key,
                     struct group_label *ret_label) {
        const struct container *container = &identity->container;
        const char *id = container->id[0] ? container->id : container->pod;
        char name[CONTAINER_ID_SIZE];

        memset(ret_label, 0, sizeof *ret_label);
        switch (grouping) {
        case BY_SERVICE:
                *ret_key = (struct group_key) { or_null(identity->unit.name), identity->unit.uid };
                return;
        case BY_APP:
                /* An administrator's rule makes one app of all users' processes. */
                *ret_key = (struct group_key) { or_null(identity->app.id), identity->app.kind == APP_GROUP ?
                                                                           LAYOUT_NO_UID : identity->unit.owner };
                COPY_TEXT(ret_label->title, identity->app.name);
                COPY_TEXT(ret_label->type, identity_kind(identity));
                return;
        case BY_CONTAINER:
                *ret_key = (struct group_key) { or_null(id), identity->unit.owner };
                container_name(container, name);
                COPY_TEXT(ret_label->title, container->name[0] ? container->name : name);
                COPY_TEXT(ret_label->type, container->runtime);
                COPY_TEXT(ret_label->pod, container->pod);
                return;
        case BY_USER:
        case N_GROUPINGS:
                *ret_key = (struct group_key) { uid == LAYOUT_NO_UID ? NULL : "", uid };
                return;
        }
}

/* An unknown identity has an app, which is better than none. */
static bool is_better(enum grouping grouping, uint32_t group, bool is_known) {
        return is_known || grouping == BY_USER || (grouping == BY_APP && group == GROUP_NONE);
}

/* Groups that became part of the overflow row stay there. What an unknown identity would tell stays as it is. */
static void find_groups(struct totals *a, const struct cursor *cursor, uint32_t groups[]) {
        struct identity identity;
        bool is_known = a->config.identity(a->config.userdata, &cursor->key, cursor->pid, cursor->comm, &identity);

        for (unsigned g = 0; g < N_GROUPINGS; g++) {
                struct group_key key;
                struct group_label label;

                if (groups[g] == GROUP_OVERFLOW || !is_better(g, groups[g], is_known))
                        continue;
                find_key(g, &identity, cursor->uid, &key, &label);
                groups[g] = groups_get(&a->groups[g], &key, &label, a->now_ns, a->sequence);
        }
}

void totals_find_groups(struct totals *a, struct cursor *cursor) {
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                cursor->groups[g] = GROUP_NONE;
        find_groups(a, cursor, cursor->groups);
        for (unsigned g = 0; g < N_GROUPINGS; g++)
                groups_ref(&a->groups[g], cursor->groups[g]);
}

void totals_ask(struct totals *a, struct cursor *cursor) {
        uint32_t groups[N_GROUPINGS];

        memcpy(groups, cursor->groups, sizeof groups);
        find_groups(a, cursor, groups);
        move(a, cursor, groups);
}

/* Asks for some cursors in each update, until all were asked for. If the generation moves meanwhile, all are asked for
 * once more after that. */
void totals_ask_again(struct totals *a) {
        uint32_t generation = a->config.generation ? a->config.generation(a->config.userdata) : 0;

        if (a->next_asked == LOOKUP_NONE && generation != a->generation) {
                a->generation = generation;
                a->next_asked = 0;
        }
        for (unsigned n = 0; n < ROWS_PER_UPDATE && a->next_asked < a->cursors.n_slots; n++) {
                struct cursor *cursor = &a->cursors.slots[a->next_asked++];

                if (cursor->is_used)
                        totals_ask(a, cursor);
        }
        if (a->next_asked >= a->cursors.n_slots)
                a->next_asked = LOOKUP_NONE;
}
