/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slots of cgroups, their queue, and what is written of them for the next daemon. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/cgroup-table.h"

#define KEPT_MAGIC UINT32_C(0x31706763)

/* What cgroup_table_keep() writes: the front, and each path behind its length. */
struct kept_front {
        uint32_t magic, n;
};

struct kept_path {
        uint64_t id;
        uint32_t length, zero;
};

void cgroup_table_init(struct cgroup_table *table) {
        *table = (struct cgroup_table) {
                .first_free = LOOKUP_NONE,
                .first_queued = LOOKUP_NONE,
                .last_queued = LOOKUP_NONE,
        };
        memset(table->gone, 0xff, sizeof table->gone);
}

void cgroup_table_done(struct cgroup_table *table) {
        for (uint32_t i = 0; i < table->n_slots; i++)
                free(table->slots[i].path);
        free(table->slots);
        lookup_done(&table->by_id);
        lookup_done(&table->by_watch);
}

static bool match_id(const void *owner, uint32_t number, const void *key) {
        const struct cgroup_table *table = owner;

        return table->slots[number].id == *(const uint64_t *) key;
}

static bool match_watch(const void *owner, uint32_t number, const void *key) {
        const struct cgroup_table *table = owner;

        return table->slots[number].watch == *(const int *) key;
}

uint32_t cgroup_find(const struct cgroup_table *table, uint64_t id) {
        return lookup_find(&table->by_id, lookup_hash(&id, sizeof id), match_id, table, &id);
}

uint32_t cgroup_find_watch(const struct cgroup_table *table, int watch) {
        return lookup_find(&table->by_watch, lookup_hash(&watch, sizeof watch), match_watch, table, &watch);
}

static int slot_take(struct cgroup_table *table, uint32_t *ret_number) {
        if (table->first_free != LOOKUP_NONE) {
                *ret_number = table->first_free;
                table->first_free = table->slots[*ret_number].next;
                return 0;
        }
        if (table->n_slots == table->n_allocated) {
                uint32_t n = table->n_allocated ? table->n_allocated * 2 : 64;
                struct cgroup *slots = reallocarray(table->slots, n, sizeof *slots);

                if (!slots)
                        return -ENOMEM;
                table->slots = slots;
                table->n_allocated = n;
        }
        *ret_number = table->n_slots++;
        return 0;
}

static uint32_t *link_before(struct cgroup_table *table, uint32_t number) {
        return number == LOOKUP_NONE ? &table->first_queued : &table->slots[number].next;
}

static uint32_t *link_behind(struct cgroup_table *table, uint32_t number) {
        return number == LOOKUP_NONE ? &table->last_queued : &table->slots[number].previous;
}

void cgroup_queue(struct cgroup_table *table, uint32_t number) {
        struct cgroup *cgroup = &table->slots[number];

        if (cgroup->is_queued)
                return;
        cgroup->previous = table->last_queued;
        cgroup->next = LOOKUP_NONE;
        *link_before(table, cgroup->previous) = number;
        table->last_queued = number;
        cgroup->is_queued = true;
}

void cgroup_unqueue(struct cgroup_table *table, uint32_t number) {
        struct cgroup *cgroup = &table->slots[number];

        if (!cgroup->is_queued)
                return;
        *link_before(table, cgroup->previous) = cgroup->next;
        *link_behind(table, cgroup->next) = cgroup->previous;
        cgroup->is_queued = false;
}

void cgroup_set_watch(struct cgroup_table *table, uint32_t number, int watch) {
        table->slots[number].watch = watch;
        lookup_add(&table->by_watch, lookup_hash(&watch, sizeof watch), number);
}

static void slot_free(struct cgroup_table *table, uint32_t number) {
        struct cgroup *cgroup = &table->slots[number];

        lookup_remove(&table->by_id, lookup_hash(&cgroup->id, sizeof cgroup->id), number);
        free(cgroup->path);
        cgroup->path = NULL;
        cgroup->next = table->first_free;
        table->first_free = number;
}

static void unwatch(struct cgroup_table *table, uint32_t number) {
        struct cgroup *cgroup = &table->slots[number];

        if (cgroup->watch < 0)
                return;
        lookup_remove(&table->by_watch, lookup_hash(&cgroup->watch, sizeof cgroup->watch), number);
        cgroup->watch = -1;
}

void cgroup_set_gone(struct cgroup_table *table, uint32_t number) {
        struct cgroup *cgroup = &table->slots[number];
        uint32_t *place;

        unwatch(table, number);
        cgroup_unqueue(table, number);
        if (cgroup->is_gone)
                return;
        cgroup->place = table->gone_next++ % CGROUPS_GONE;
        place = &table->gone[cgroup->place];
        if (*place != LOOKUP_NONE)
                slot_free(table, *place);
        *place = number;
        cgroup->is_gone = true;
        table->n_here--;
}

void cgroup_forget(struct cgroup_table *table, uint32_t number) {
        table->gone[table->slots[number].place] = LOOKUP_NONE;
        slot_free(table, number);
}

int cgroup_add(struct cgroup_table *table, uint64_t id, const char *path, uint32_t *ret_number) {
        uint32_t number;
        char *copy;
        int r;

        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        r = lookup_reserve(&table->by_id);
        if (r >= 0)
                r = lookup_reserve(&table->by_watch);
        if (r >= 0)
                r = slot_take(table, &number);
        if (r < 0) {
                free(copy);
                return r;
        }
        table->slots[number] = (struct cgroup) { .id = id, .path = copy, .watch = -1 };
        table->n_here++;
        lookup_add(&table->by_id, lookup_hash(&id, sizeof id), number);
        *ret_number = number;
        return 0;
}

static void keep_one(const struct cgroup *cgroup, FILE *file) {
        struct kept_path kept = { .id = cgroup->id, .length = (uint32_t) strlen(cgroup->path) };

        fwrite(&kept, sizeof kept, 1, file);
        fwrite(cgroup->path, kept.length, 1, file);
}

/* Those that are gone come first, in the order in which they went, and are forgotten first by the next daemon, too. */
int cgroup_table_keep(const struct cgroup_table *table, FILE *file) {
        struct kept_front front = { .magic = KEPT_MAGIC, .n = table->n_here };

        for (uint32_t i = 0; i < CGROUPS_GONE; i++)
                front.n += table->gone[i] != LOOKUP_NONE;
        fwrite(&front, sizeof front, 1, file);
        for (uint32_t i = 0; i < CGROUPS_GONE; i++) {
                uint32_t number = table->gone[(table->gone_next + i) % CGROUPS_GONE];

                if (number != LOOKUP_NONE)
                        keep_one(&table->slots[number], file);
        }
        for (uint32_t i = 0; i < table->n_slots; i++)
                if (table->slots[i].path && !table->slots[i].is_gone)
                        keep_one(&table->slots[i], file);
        return ferror(file) ? -EIO : 0;
}

static int restore_one(struct cgroup_table *table, FILE *file) {
        struct kept_path kept;
        char path[CGROUP_PATH_SIZE];
        uint32_t number;
        int r;

        if (fread(&kept, sizeof kept, 1, file) != 1 || kept.length == 0 || kept.length >= sizeof path ||
            fread(path, kept.length, 1, file) != 1)
                return -ESTALE;
        path[kept.length] = '\0';
        if (cgroup_find(table, kept.id) != LOOKUP_NONE)
                return 0;
        r = cgroup_add(table, kept.id, path, &number);
        if (r >= 0)
                cgroup_set_gone(table, number);
        return r;
}

int cgroup_table_restore(struct cgroup_table *table, FILE *file) {
        struct kept_front front;
        int r = 0;

        if (fread(&front, sizeof front, 1, file) != 1 || front.magic != KEPT_MAGIC)
                return -ESTALE;
        for (uint32_t i = 0; i < front.n && r >= 0; i++)
                r = restore_one(table, file);
        return r;
}
