/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_QUESTION_H
#define SOCKTALLYD_IDENTITY_QUESTION_H
/*
 * What a path does not tell about an identity, as a question to somebody who knows: what is the container with this id
 * called, or the application? The service of names (names/) takes questions in this form from a socket of type
 * SOCK_SEQPACKET, one in a message, and answers each with a message, in the order in which they came. Numbers are in
 * the machine's byte order, as both ends are on one machine.
 */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/identity/container.h"
#include "daemon/identity/unit.h"

#define QUESTION_SOCKET "/run/socktally/names"
#define QUESTION_MAGIC UINT32_C(0x31514e53) /* "SNQ1"; another digit when anything below changes */
#define ANSWER_MAGIC UINT32_C(0x31414e53)
#define QUESTION_ID_SIZE 256
#define QUESTION_RUNTIME_SIZE 40
#define QUESTION_NAME_SIZE CONTAINER_ID_SIZE
#define QUESTION_SYSTEM UINT32_MAX

enum question_kind {
        QUESTION_CONTAINER = 1, /* id is that of a container or virtual machine */
        QUESTION_APP = 2,       /* id is the name of a desktop file without ".desktop" */
};

struct question {
        uint32_t magic;
        uint32_t number;                     /* the answer has the same */
        uint32_t kind;
        uint32_t owner;                      /* whose it is, as unit.owner: the answer is among that user's things */
        char runtime[QUESTION_RUNTIME_SIZE]; /* as container.runtime */
        char id[QUESTION_ID_SIZE];
};

struct answer {
        uint32_t magic;
        uint32_t number;
        char name[QUESTION_NAME_SIZE]; /* empty: there is none */
};

static_assert(sizeof(struct question) == 312, "both ends agree");
static_assert(sizeof(struct answer) == 264, "both ends agree");
static_assert(QUESTION_SYSTEM == UNIT_SYSTEM, "an owner is passed as it is");

struct identity;

/* Puts a name that is safe to print into ret_name and returns true, if it knows one by now. */
typedef bool question_ask(void *userdata, const struct question *question, char ret_name[static QUESTION_NAME_SIZE]);

/* Asks what can be asked about an identity whose other members are filled in, and puts the names into it. */
void question_fill(struct identity *identity, question_ask *ask, void *userdata);

/* A non-blocking connection to who answers there; a negative errno, at once, if nobody does. */
int question_connect(const char *path);
/* Both have a NUL at the end of each text, and what else can be seen without knowing who sent it. */
bool question_is_valid(const struct question *question);
bool answer_is_valid(const struct answer *answer, uint32_t number);
/* The name, safe to print; false: there is none. */
bool answer_name(const struct answer *answer, char ret_name[static QUESTION_NAME_SIZE]);

#endif
