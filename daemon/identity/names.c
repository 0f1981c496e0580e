/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One question is asked at a time. The others wait in the table of answers, and an answer brings the next question on
 * its way. Nothing here blocks: whether somebody listens is known at once on a local socket, and what comes from there
 * makes the descriptor readable that the daemon's loop waits for. This descriptor is an epoll instance, because the
 * connection behind it comes and goes; in it is a timer, too, for what is to be tried again.
 *
 * Whoever answers is trusted with names and nothing else. If there is no answer, or one that makes no sense, the
 * connection is closed, and another is made when pause_usec has passed since this one was.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/identity/answers.h"
#include "daemon/identity/desktop.h"
#include "daemon/identity/identity.h"
#include "daemon/identity/names.h"

#define SECOND UINT64_C(1000000)

struct names {
        struct names_config config;
        struct answers *answers;
        int epoll_fd, timer_fd;
        int fd;                     /* the connection; -1: none */
        uint64_t next_connect_usec; /* not before this */
        uint64_t deadline_usec;     /* of the answer */
        uint32_t number;            /* of the last question */
        bool is_asked;              /* the first of answers that wait is on its way */
        const char *complaint;      /* that was not told yet */
        bool has_complained;
};

static int watch(struct names *names, int fd) {
        struct epoll_event event = { .events = EPOLLIN };

        return epoll_ctl(names->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int names_new(struct names **ret_names, const struct names_config *config) {
        struct names *names = calloc(1, sizeof *names);
        int r;

        if (!names)
                return -ENOMEM;
        names->config = *config;
        names->fd = names->timer_fd = -1;
        names->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        r = names->epoll_fd < 0 ? -errno : answers_new(&names->answers);
        if (r >= 0) {
                names->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
                r = names->timer_fd < 0 ? -errno : watch(names, names->timer_fd);
        }
        if (r < 0) {
                names_close(names);
                return r;
        }
        *ret_names = names;
        return 0;
}

int names_open(void **ret_state) {
        static const struct names_config config = {
                .socket = QUESTION_SOCKET,
                .directories = desktop_directories,
                .patience_usec = 10 * SECOND,
                .pause_usec = 30 * SECOND,
                .max_age_usec = 60 * SECOND,
        };
        struct names *names;
        int r = names_new(&names, &config);

        if (r >= 0)
                *ret_state = names;
        return r;
}

static void disconnect(struct names *names) {
        if (names->fd < 0)
                return;
        /* A child of the collector may still have it open. */
        (void) epoll_ctl(names->epoll_fd, EPOLL_CTL_DEL, names->fd, NULL);
        (void) shutdown(names->fd, SHUT_RDWR);
        close(names->fd);
        names->fd = -1;
}

void names_close(void *state) {
        struct names *names = state;

        disconnect(names);
        if (names->timer_fd >= 0)
                close(names->timer_fd);
        if (names->epoll_fd >= 0)
                close(names->epoll_fd);
        answers_free(names->answers);
        free(names);
}

int names_fd(const void *state) {
        const struct names *names = state;

        return names->epoll_fd;
}

static bool is_connected(struct names *names, uint64_t now_usec) {
        if (names->fd >= 0)
                return true;
        if (now_usec < names->next_connect_usec)
                return false;
        names->next_connect_usec = now_usec + names->config.pause_usec;
        names->fd = question_connect(names->config.socket);
        if (names->fd >= 0 && watch(names, names->fd) < 0)
                disconnect(names);
        return names->fd >= 0;
}

static void wake_at(struct names *names, uint64_t usec) {
        struct itimerspec when = { .it_value = { (time_t) (usec / SECOND), (long) (usec % SECOND) * 1000 } };

        (void) timerfd_settime(names->timer_fd, TFD_TIMER_ABSTIME, &when, NULL); /* 0: not any more */
}

static void give_up(struct names *names, const char *complaint, uint64_t now_usec) {
        if (complaint && !names->has_complained)
                names->complaint = complaint;
        names->has_complained = names->has_complained || complaint;
        if (names->is_asked)
                answers_put_off(names->answers, now_usec);
        names->is_asked = false;
        disconnect(names);
}

/* Sends the next question, if one waits and none is on its way. */
static void go_on(struct names *names, uint64_t now_usec) {
        struct question question;

        if (names->is_asked || !answers_next(names->answers))
                return;
        if (is_connected(names, now_usec)) {
                question = *answers_next(names->answers);
                question.number = ++names->number;
                names->is_asked = send(names->fd, &question, sizeof question, MSG_DONTWAIT | MSG_NOSIGNAL) ==
                                  sizeof question;
                if (!names->is_asked)
                        give_up(names, NULL, now_usec);
        }
        names->deadline_usec = now_usec + names->config.patience_usec;
        wake_at(names, names->is_asked ? names->deadline_usec : names->next_connect_usec);
}

/* Takes what has come on the connection, at most one message. True: a name is another than before. */
static bool receive(struct names *names, uint64_t now_usec) {
        struct answer answer;
        ssize_t n = recv(names->fd, &answer, sizeof answer, MSG_DONTWAIT | MSG_TRUNC);
        bool is_late = names->is_asked && now_usec >= names->deadline_usec;

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
                if (is_late)
                        give_up(names, "it gives no answer", now_usec);
        } else if (n <= 0) {
                give_up(names, NULL, now_usec);
        } else if (n != sizeof answer || !names->is_asked || !answer_is_valid(&answer, names->number)) {
                give_up(names, "its answers make no sense", now_usec);
        } else {
                names->is_asked = false;
                return answers_take(names->answers, answer.name, now_usec);
        }
        return false;
}

bool names_follow(void *state) {
        struct names *names = state;
        uint64_t now_usec = clock_usec(CLOCK_MONOTONIC), n;
        bool has_news;

        (void) !read(names->timer_fd, &n, sizeof n); /* so that it is not readable any more */
        has_news = names->fd >= 0 && receive(names, now_usec);
        go_on(names, now_usec);
        return has_news;
}

const char *names_complaint(void *state) {
        struct names *names = state;
        const char *complaint = names->complaint;

        names->complaint = NULL;
        return complaint;
}

static bool ask(void *userdata, const struct question *question, char ret_name[static QUESTION_NAME_SIZE]) {
        struct names *names = userdata;
        uint64_t now_usec = clock_usec(CLOCK_MONOTONIC), max_age_usec = names->config.max_age_usec;
        uint32_t place = answers_find(names->answers, question, now_usec, max_age_usec);
        bool is_for_service = question->kind != QUESTION_APP || question->owner != QUESTION_SYSTEM;

        if (place == LOOKUP_NONE)
                return false;
        if (answers_is_due(names->answers, place, now_usec, max_age_usec)) {
                if (desktop_ask((void *) names->config.directories, question, ret_name))
                        answers_set(names->answers, place, ret_name, now_usec);
                else if (is_for_service)
                        answers_wait(names->answers, place);
                else
                        answers_set(names->answers, place, "", now_usec);
        }
        memcpy(ret_name, answers_name(names->answers, place), QUESTION_NAME_SIZE);
        return ret_name[0];
}

void names_look_up(void *state, const char *path, struct identity *identity) {
        struct names *names = state;

        question_fill(identity, ask, names);
        go_on(names, clock_usec(CLOCK_MONOTONIC));
}
