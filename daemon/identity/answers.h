/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_ANSWERS_H
#define SOCKTALLYD_IDENTITY_ANSWERS_H
/*
 * Questions about names with their answers, and those that wait to be asked, first come, first asked. The table is
 * bounded. When it is full, the oldest answer that is stale makes room, and a question that finds no room has no
 * answer. Questions about the machine's own things and about those of users have parts of their own, so that a user who
 * makes many cgroups drives out no name but those of users. Nothing allocates but answers_new().
 */
#include <stdbool.h>
#include <stdint.h>

#include "daemon/identity/question.h"
#include "daemon/lookup.h"

#define ANSWERS_OF_SYSTEM 3072
#define ANSWERS_OF_USERS 1024
#define ANSWERS_MAX (ANSWERS_OF_SYSTEM + ANSWERS_OF_USERS)

struct answers;

int answers_new(struct answers **ret_answers);
struct answers *answers_free(struct answers *answers);

/* The place of a question; LOOKUP_NONE: there is no room. Good until the next call of this. An answer that is
 * max_age_usec old is stale. */
uint32_t answers_find(struct answers *answers, const struct question *question, uint64_t now_usec,
                      uint64_t max_age_usec);
/* The name as it is known by now, empty if it is not. */
const char *answers_name(const struct answers *answers, uint32_t place);
/* Has it no answer or a stale one, and does not wait? */
bool answers_is_due(const struct answers *answers, uint32_t place, uint64_t now_usec, uint64_t max_age_usec);
/* Answers it. */
void answers_set(struct answers *answers, uint32_t place, const char *name, uint64_t now_usec);
/* Lets it wait. */
void answers_wait(struct answers *answers, uint32_t place);

/* The question that has waited longest; NULL: none waits. It is the same until one of the two below is called. */
const struct question *answers_next(const struct answers *answers);
/* name answers it, safe to print or not. True: it is another than before. */
bool answers_take(struct answers *answers, const char *name, uint64_t now_usec);
/* It got no answer, and waits behind the others; not for ever: then what was known before stays. */
void answers_put_off(struct answers *answers, uint64_t now_usec);

#endif
