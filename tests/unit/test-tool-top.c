/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socktally top on a pseudo terminal: what a person would see and press. Curses sends only what changed, so the test
 * changes the size of the terminal whenever it waits, which makes the whole screen come again.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#include <cmocka.h>

#include "tests/unit/tool-fixture.h"

#define PATIENCE_SECONDS 120
#define LEAVE_SCREEN "\033[?1049l" /* what xterm's rmcup sends */
#define CLEAR_SCREEN "\033[H\033[2J"
#define NARROW 100 /* wide enough for every text that is waited for, whichever of the two sizes the command meets */
#define WIDE 110

struct terminal {
        struct fixture *fixture;
        pid_t pid;
        int fd, slave;
        struct termios before;
        bool is_wide;
        char *seen; /* since the last expectation was met */
        size_t n_seen;
};

static void open_terminal(struct terminal *terminal, struct fixture *fixture, const char *term) {
        struct winsize size = { .ws_row = 24, .ws_col = NARROW };
        int fd, slave;

        assert_int_equal(openpty(&fd, &slave, NULL, NULL, &size), 0);
        *terminal = (struct terminal){ .fixture = fixture, .fd = fd, .slave = slave };
        terminal->seen = calloc(1, 1);
        assert_int_equal(tcgetattr(slave, &terminal->before), 0);
        terminal->pid = fork();
        assert_true(terminal->pid >= 0);
        if (terminal->pid == 0) {
                (void)close(fd);
                (void)setenv("TERM", term, 1);
                (void)setenv("LC_ALL", "C.UTF-8", 1);
                (void)setenv("SOCKTALLY_RUNTIME_DIRECTORY", fixture->directory, 1);
                if (login_tty(slave) == 0)
                        (void)execl(fixture_command(), "socktally", (char *)NULL);
                _exit(127);
        }
}

static void make_it_repaint(struct terminal *terminal) {
        struct winsize size = { .ws_row = 24, .ws_col = terminal->is_wide ? NARROW : WIDE };

        terminal->is_wide = !terminal->is_wide;
        (void)ioctl(terminal->fd, TIOCSWINSZ, &size);
}

/* Reads what comes within 100 ms. False: nothing more will. */
static bool look(struct terminal *terminal) {
        struct pollfd fd = { .fd = terminal->fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        if (poll(&fd, 1, 100) <= 0) {
                if (terminal->fixture->public)
                        fixture_publish(terminal->fixture);
                make_it_repaint(terminal);
                return true;
        }
        n = read(terminal->fd, buffer, sizeof(buffer));
        if (n <= 0)
                return n < 0 && errno == EINTR;
        terminal->seen = realloc(terminal->seen, terminal->n_seen + (size_t)n + 1);
        assert_non_null(terminal->seen);
        memcpy(terminal->seen + terminal->n_seen, buffer, (size_t)n);
        terminal->n_seen += (size_t)n;
        terminal->seen[terminal->n_seen] = '\0';
        return true;
}

static void expect(struct terminal *terminal, const char *text) {
        const time_t end = time(NULL) + PATIENCE_SECONDS;

        while (!strstr(terminal->seen, text)) {
                if (time(NULL) > end || !look(terminal))
                        fail_msg("'%s' did not appear; last seen: %s", text,
                                 terminal->seen + (terminal->n_seen > 2000 ? terminal->n_seen - 2000 : 0));
        }
        terminal->n_seen = 0;
        terminal->seen[0] = '\0';
}

static void press(struct terminal *terminal, const char *keys) {
        terminal->n_seen = 0;
        terminal->seen[0] = '\0';
        assert_int_equal(write(terminal->fd, keys, strlen(keys)), strlen(keys));
}

/* Waits for the end; returns the exit code. Checks that the terminal is as before. */
static int close_terminal(struct terminal *terminal) {
        struct termios after;
        int status;

        /* The other end stays open here, so the end of the command is waited for, and nothing it wrote is lost. */
        while (waitpid(terminal->pid, &status, WNOHANG) == 0)
                (void)look(terminal);
        assert_int_equal(tcgetattr(terminal->slave, &after), 0);
        assert_int_equal(after.c_lflag, terminal->before.c_lflag);
        assert_int_equal(after.c_iflag, terminal->before.c_iflag);
        assert_int_equal(after.c_oflag, terminal->before.c_oflag);
        (void)close(terminal->slave);
        (void)close(terminal->fd);
        free(terminal->seen);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void without_arguments_on_a_terminal_it_shows_rows_and_q_quits(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "nginx.service");
        expect(&terminal, "TX/s");
        expect(&terminal, "fresh");
        press(&terminal, "q");
        expect(&terminal, LEAVE_SCREEN);
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void missed_calls_show_in_the_third_line(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        fixture.missed_in_interval[0] = 12;
        fixture.missed_in_interval[1] = 3;
        fixture_publish(&fixture);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "missed 15 calls: UDP and calls at least");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void lateness_shows_in_the_first_line(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        fixture.late_ns = UINT64_C(4200000000);
        fixture_publish(&fixture);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "late by up to 4.2 s  full view  cost 1.4 ms");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void control_c_leaves_the_terminal_clean(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "nginx");
        press(&terminal, "\003");
        expect(&terminal, LEAVE_SCREEN);
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void sigterm_leaves_the_terminal_clean(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "nginx");
        assert_int_equal(kill(terminal.pid, SIGTERM), 0);
        expect(&terminal, LEAVE_SCREEN);
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void tab_and_numbers_switch_between_the_tables(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "Processes 6");
        press(&terminal, "\t");
        expect(&terminal, "Huge Downloads");
        press(&terminal, "\t");
        expect(&terminal, "app-firefox.scope");
        press(&terminal, "\t");
        expect(&terminal, "podman");
        press(&terminal, "\t");
        expect(&terminal, "(no-user)");
        press(&terminal, "\t");
        expect(&terminal, "gone");
        press(&terminal, "4");
        expect(&terminal, "podman");
        press(&terminal, "2");
        expect(&terminal, "flatpak");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void an_apps_processes_are_below_it_in_the_tree(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "Tree");
        press(&terminal, "e");
        expect(&terminal, "huge (102)");
        expect(&terminal, "Fold");
        press(&terminal, "e");
        expect(&terminal, "Tree");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void a_filter_leaves_the_rows_that_have_its_text(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "Processes 6");
        press(&terminal, "/NGQ");
        expect(&terminal, "NGQ_");
        press(&terminal, "\177\r");
        expect(&terminal, "1 with 'NG'");
        press(&terminal, "\033");
        expect(&terminal, "6   sockets");
        press(&terminal, "/zzz\r");
        expect(&terminal, "No row has that.");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

/* A table without PIDs is not filtered by one. */
static void a_filter_of_the_command_line_goes_for_the_tables_that_have_it(void **state) {
        const char *const arguments[] = { "top", "--json", "--once", "--pid=101", "--app=org.*", NULL };
        static const char *const tables[] = { "processes", "apps", "services" };
        static const char *const rows[] = { "\"processes\":[]", "org.example.Huge", "nginx.service" };
        struct fixture fixture;

        fixture_start(&fixture, true);
        for (size_t i = 0; i < 3; i++) {
                const char *words[8] = { arguments[0], tables[i] };
                struct outcome outcome;

                for (size_t j = 1; arguments[j]; j++)
                        words[j + 1] = arguments[j];
                fixture_run(&fixture, &outcome, (uid_t)-1, words);
                assert_int_equal(outcome.status, 0);
                if (!strstr(outcome.out, rows[i]))
                        fail_msg("'%s' is not in '%s'", rows[i], outcome.out);
                assert_null(strstr(outcome.out, "\"no-app\""));
                outcome_done(&outcome);
        }
        fixture_done(&fixture);
}

static void who_may_not_see_processes_begins_with_the_services(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, false);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "Services 4");
        press(&terminal, "\t");
        expect(&terminal, "group socktally");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void help_pause_columns_and_order_answer_to_their_keys(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "by traffic/s");
        press(&terminal, "h");
        expect(&terminal, "reverse the order");
        press(&terminal, "x");
        press(&terminal, "p");
        expect(&terminal, "paused");
        press(&terminal, "pc");
        expect(&terminal, "TCP-TX/s");
        press(&terminal, "i");
        expect(&terminal, "by pid");
        press(&terminal, "r");
        expect(&terminal, "by pid, reversed");
        press(&terminal, ">");
        expect(&terminal, "by user");
        press(&terminal, "<<");
        expect(&terminal, "by command");
        press(&terminal, "b");
        expect(&terminal, "Readable");
        press(&terminal, "\033[A\033[B\033[5~\033[6~\033[H\033[Fq");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void a_daemon_that_went_is_stale_and_one_that_came_back_is_fresh(void **state) {
        struct fixture fixture, again;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "nginx");
        fixture_stop(&fixture);
        expect(&terminal, "stale for");
        again = fixture;
        fixture_restart(&again);
        terminal.fixture = &again;
        expect(&terminal, "fresh");
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&again);
}

static void no_size_of_the_terminal_is_too_small(void **state) {
        static const struct winsize sizes[] = {
                { .ws_row = 1, .ws_col = 1 }, { .ws_row = 2, .ws_col = 5 }, { .ws_row = 5, .ws_col = 200 },
                { .ws_row = 100, .ws_col = 3 }, { .ws_row = 6, .ws_col = 20 }, { .ws_row = 200, .ws_col = 500 },
        };
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        expect(&terminal, "nginx");
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                assert_int_equal(ioctl(terminal.fd, TIOCSWINSZ, &sizes[i]), 0);
                press(&terminal, "hxcccb\t\t\t\t\t");
                expect(&terminal, "nginx"); /* after the next change to a usual size */
        }
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static size_t occurrences(const char *text, const char *what) {
        size_t n = 0;

        for (text = strstr(text, what); text; text = strstr(text + 1, what))
                n++;
        return n;
}

/* Not the old picture first and then, in pieces, where the new one differs. */
static void a_new_size_brings_one_whole_picture(void **state) {
        const time_t end = time(NULL) + PATIENCE_SECONDS;
        struct fixture fixture;
        struct terminal terminal;
        char *picture, *next;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "xterm");
        while (occurrences(terminal.seen, CLEAR_SCREEN) < 7 && time(NULL) <= end)
                assert_true(look(&terminal));
        picture = strstr(terminal.seen, CLEAR_SCREEN);
        for (int i = 0; i < 6; i++, picture = next) {
                assert_non_null(picture);
                next = strstr(picture + 1, CLEAR_SCREEN);
                assert_non_null(next);
                *next = '\0';
                assert_int_equal(occurrences(picture, "by traffic/s"), 1);
                *next = *CLEAR_SCREEN;
        }
        press(&terminal, "q");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

static void a_terminal_that_is_not_known_is_named(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "no-such-terminal");
        expect(&terminal, "'no-such-terminal' (TERM) is not known here; use --once");
        assert_int_equal(close_terminal(&terminal), 1);
        fixture_done(&fixture);
}

static void a_terminal_that_cannot_move_its_cursor_gets_text(void **state) {
        struct fixture fixture;
        struct terminal terminal;

        fixture_start(&fixture, true);
        open_terminal(&terminal, &fixture, "dumb");
        expect(&terminal, "nginx.service");
        assert_int_equal(close_terminal(&terminal), 0);
        fixture_done(&fixture);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_arguments_on_a_terminal_it_shows_rows_and_q_quits),
                cmocka_unit_test(missed_calls_show_in_the_third_line),
                cmocka_unit_test(lateness_shows_in_the_first_line),
                cmocka_unit_test(control_c_leaves_the_terminal_clean),
                cmocka_unit_test(sigterm_leaves_the_terminal_clean),
                cmocka_unit_test(tab_and_numbers_switch_between_the_tables),
                cmocka_unit_test(an_apps_processes_are_below_it_in_the_tree),
                cmocka_unit_test(a_filter_leaves_the_rows_that_have_its_text),
                cmocka_unit_test(a_filter_of_the_command_line_goes_for_the_tables_that_have_it),
                cmocka_unit_test(who_may_not_see_processes_begins_with_the_services),
                cmocka_unit_test(help_pause_columns_and_order_answer_to_their_keys),
                cmocka_unit_test(a_daemon_that_went_is_stale_and_one_that_came_back_is_fresh),
                cmocka_unit_test(no_size_of_the_terminal_is_too_small),
                cmocka_unit_test(a_new_size_brings_one_whole_picture),
                cmocka_unit_test(a_terminal_that_is_not_known_is_named),
                cmocka_unit_test(a_terminal_that_cannot_move_its_cursor_gets_text),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
