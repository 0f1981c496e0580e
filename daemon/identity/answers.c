/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/identity/answers.h"
#include "daemon/text.h"

#define TRIES_MAX 2     /* a question that ends whoever is asked must not keep the others from being asked */
#define CANDIDATES_MAX 8 /* that are looked at for room, so that a full table costs little */

struct entry {
        struct question question; /* without a number */
        char name[QUESTION_NAME_SIZE];
        uint64_t answered_usec;   /* 0: not yet */
        uint32_t hash;
        uint32_t next;            /* that waits; LOOKUP_NONE: no other */
        uint32_t n_tries;
        bool is_waiting;
};

/* Entries begin to first + n_used; all are used before one is used again. */
struct part {
        uint32_t first, size, n_used, oldest;
};

struct answers {
        struct lookup lookup;
        struct part system, users;
        uint32_t first_waiting, last_waiting;
        struct entry entries[ANSWERS_MAX];
};

int answers_new(struct answers **ret_answers) {
        struct answers *answers = calloc(1, sizeof *answers);

        if (!answers)
                return -ENOMEM;
        answers->lookup = LOOKUP_NULL;
        answers->system = (struct part) { .size = ANSWERS_OF_SYSTEM };
        answers->users = (struct part) { .first = ANSWERS_OF_SYSTEM, .size = ANSWERS_OF_USERS };
        answers->first_waiting = answers->last_waiting = LOOKUP_NONE;
        if (lookup_reserve_all(&answers->lookup, ANSWERS_MAX) < 0) {
                answers_free(answers);
                return -ENOMEM;
        }
        *ret_answers = answers;
        return 0;
}

struct answers *answers_free(struct answers *answers) {
        if (answers)
                lookup_done(&answers->lookup);
        free(answers);
        return NULL;
}

static bool is_same(const void *owner, uint32_t number, const void *key) {
        const struct answers *answers = owner;

        return memcmp(&answers->entries[number].question, key, sizeof(struct question)) == 0;
}

void answers_wait(struct answers *answers, uint32_t place) {
        struct entry *entry = &answers->entries[place];

        entry->is_waiting = true;
        entry->next = LOOKUP_NONE;
        if (answers->last_waiting == LOOKUP_NONE)
                answers->first_waiting = place;
        else
                answers->entries[answers->last_waiting].next = place;
        answers->last_waiting = place;
}

static uint32_t take_first(struct answers *answers) {
        uint32_t place = answers->first_waiting;
        struct entry *entry = &answers->entries[place];

        answers->first_waiting = entry->next;
        if (entry->next == LOOKUP_NONE)
                answers->last_waiting = LOOKUP_NONE;
        entry->is_waiting = false;
        return place;
}

bool answers_is_due(const struct answers *answers, uint32_t place, uint64_t now_usec, uint64_t max_age_usec) {
        const struct entry *entry = &answers->entries[place];

        return !entry->is_waiting && (entry->answered_usec == 0 || now_usec - entry->answered_usec >= max_age_usec);
}

/* LOOKUP_NONE: all answers that were looked at are needed. */
static uint32_t make_room(struct answers *answers, struct part *part, uint64_t now_usec, uint64_t max_age_usec) {
        if (part->n_used < part->size)
                return part->first + part->n_used++;
        for (unsigned i = 0; i < CANDIDATES_MAX; i++) {
                uint32_t place = part->first + part->oldest;

                part->oldest = (part->oldest + 1) % part->size;
                if (answers_is_due(answers, place, now_usec, max_age_usec)) {
                        lookup_remove(&answers->lookup, answers->entries[place].hash, place);
                        return place;
                }
        }
        return LOOKUP_NONE;
}

uint32_t answers_find(struct answers *answers, const struct question *question, uint64_t now_usec,
                      uint64_t max_age_usec) {
        struct part *part = question->owner == QUESTION_SYSTEM ? &answers->system : &answers->users;
        uint32_t hash = lookup_hash(question, sizeof *question);
        uint32_t place = lookup_find(&answers->lookup, hash, is_same, answers, question);

        if (place != LOOKUP_NONE)
                return place;
        place = make_room(answers, part, now_usec, max_age_usec);
        if (place != LOOKUP_NONE) {
                answers->entries[place] = (struct entry) { .question = *question, .hash = hash };
                lookup_add(&answers->lookup, hash, place);
        }
        return place;
}

const char *answers_name(const struct answers *answers, uint32_t place) {
        return answers->entries[place].name;
}

const struct question *answers_next(const struct answers *answers) {
        return answers->first_waiting == LOOKUP_NONE ? NULL : &answers->entries[answers->first_waiting].question;
}

void answers_set(struct answers *answers, uint32_t place, const char *name, uint64_t now_usec) {
        struct entry *entry = &answers->entries[place];

        (void) text_clean(entry->name, sizeof entry->name, name, QUESTION_NAME_SIZE);
        entry->answered_usec = now_usec;
        entry->n_tries = 0;
}

bool answers_take(struct answers *answers, const char *name, uint64_t now_usec) {
        uint32_t place = take_first(answers);
        char before[QUESTION_NAME_SIZE];

        memcpy(before, answers->entries[place].name, sizeof before);
        answers_set(answers, place, name, now_usec);
        return strcmp(before, answers->entries[place].name) != 0;
}

void answers_put_off(struct answers *answers, uint64_t now_usec) {
        uint32_t place = take_first(answers);
        struct entry *entry = &answers->entries[place];

        if (++entry->n_tries < TRIES_MAX) {
                answers_wait(answers, place);
                return;
        }
        entry->answered_usec = now_usec;
        entry->n_tries = 0;
}
