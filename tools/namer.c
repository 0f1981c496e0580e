/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/identity/desktop.h"
#include "tools/namer.h"

#define WAIT_MSEC 2000 /* for one answer; a person waits */

static bool send_question(struct namer *namer, struct question question) {
        if (namer->fd < 0)
                namer->fd = question_connect(namer->socket);
        question.number = ++namer->number;
        return namer->fd >= 0 && send(namer->fd, &question, sizeof(question), MSG_NOSIGNAL) == sizeof(question);
}

static bool receive_answer(const struct namer *namer, struct answer *ret_answer) {
        struct pollfd fd = { .fd = namer->fd, .events = POLLIN };

        return poll(&fd, 1, WAIT_MSEC) == 1 &&
               recv(namer->fd, ret_answer, sizeof(*ret_answer), MSG_TRUNC) == sizeof(*ret_answer) &&
               answer_is_valid(ret_answer, namer->number);
}

bool namer_ask(void *userdata, const struct question *question, char ret_name[static QUESTION_NAME_SIZE]) {
        struct namer *namer = userdata;
        struct answer answer;

        if (desktop_ask((void *)desktop_directories, question, ret_name))
                return true;
        if (namer->is_useless || (question->kind == QUESTION_APP && question->owner == QUESTION_SYSTEM))
                return false;
        namer->is_useless = !send_question(namer, *question) || !receive_answer(namer, &answer);
        return !namer->is_useless && answer_name(&answer, ret_name);
}

void namer_done(struct namer *namer) {
        if (namer->fd >= 0)
                close(namer->fd);
}
