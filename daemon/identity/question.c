/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/identity/component.h"
#include "daemon/identity/desktop.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/question.h"
#include "daemon/text.h"

#define ID_DIGITS 64

/* The members are zero behind their text, so that two questions can be compared as bytes. */
static struct question question_of(enum question_kind kind, uint32_t owner, const char *runtime, const char *id) {
        struct question question = { .magic = QUESTION_MAGIC, .kind = kind, .owner = owner };

        (void) text_clean(question.runtime, sizeof question.runtime, runtime, strlen(runtime));
        (void) text_clean(question.id, sizeof question.id, id, strlen(id));
        return question;
}

/* Other ids are what people call it already. */
static bool is_nameless(const struct container *container) {
        struct component id = component_of(container->id);

        return component_is_hex(id, ID_DIGITS) || component_is_number(id);
}

/* The app of a container in Kubernetes is the pod: what is before the last '/' of NAMESPACE/POD/CONTAINER. */
static void name_app(const struct container *container, struct app *app) {
        const char *end = strrchr(container->name, '/');
        size_t n = container->is_kubernetes && end ? (size_t) (end - container->name) : strlen(container->name);

        (void) text_clean(app->name, sizeof app->name, container->name, n);
}

static void fill_container(struct identity *identity, question_ask *ask, void *userdata) {
        struct container *container = &identity->container;
        struct question question = question_of(QUESTION_CONTAINER, identity->unit.owner, container->runtime,
                                               container->id);

        if (ask(userdata, &question, container->name) && !container->is_payload)
                name_app(container, &identity->app);
}

/* Of the two readings of a unit's name (see app.h) the one that is the id of an installed application is right. Both
 * are asked for at once, as an answer may come later. */
static void fill_app(struct identity *identity, const char *file, question_ask *ask, void *userdata) {
        struct app *app = &identity->app;
        struct question question = question_of(QUESTION_APP, identity->unit.owner, "", file),
                        other = question_of(QUESTION_APP, identity->unit.owner, "", app->other_id);
        char name[QUESTION_NAME_SIZE], other_name[QUESTION_NAME_SIZE];
        bool has_other = app->other_id[0] && ask(userdata, &other, other_name);

        if (ask(userdata, &question, name))
                memcpy(app->name, name, sizeof app->name);
        else if (has_other) {
                memcpy(app->id, app->other_id, sizeof app->id);
                memcpy(app->name, other_name, sizeof app->name);
        }
}

void question_fill(struct identity *identity, question_ask *ask, void *userdata) {
        char file[QUESTION_ID_SIZE];

        if (identity->container.id[0]) {
                if (is_nameless(&identity->container))
                        fill_container(identity, ask, userdata);
        } else if (desktop_file(&identity->app, file, sizeof file))
                fill_app(identity, file, ask, userdata);
}

int question_connect(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd, r;

        if (snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= (int) sizeof address.sun_path)
                return -ENAMETOOLONG;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &address, sizeof address) >= 0)
                return fd;
        r = -errno;
        close(fd);
        return r;
}

bool question_is_valid(const struct question *question) {
        return question->magic == QUESTION_MAGIC && memchr(question->runtime, '\0', sizeof question->runtime) &&
               memchr(question->id, '\0', sizeof question->id);
}

bool answer_name(const struct answer *answer, char ret_name[static QUESTION_NAME_SIZE]) {
        return text_clean(ret_name, QUESTION_NAME_SIZE, answer->name, sizeof answer->name) > 0;
}

bool answer_is_valid(const struct answer *answer, uint32_t number) {
        return answer->magic == ANSWER_MAGIC && answer->number == number &&
               memchr(answer->name, '\0', sizeof answer->name);
}
