/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One loop waits for a key, a signal and the next publication. Signals arrive through a descriptor, so nothing has to
 * be remembered outside this struct, and every way out passes endwin(). After each refresh of the reader the listing is
 * taken anew before anything is drawn: what it borrowed before is void.
 */
#include <curses.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "tools/catalog.h"
#include "tools/filter.h"
#include "tools/live.h"
#include "tools/screen.h"
#include "tools/source.h"
#include "tools/table.h"

#define LOOK_AGAIN_MSEC 1000 /* without a publication: is the daemon still there, is it back? */
#define LATE_MSEC 200        /* a publication may come that much later than it should before we look by ourselves */
#define MUTED_MSEC 100       /* a descriptor that stays readable for nothing must not make the loop spin */

struct live {
        struct socktally *reader;
        const struct options *options;
        WINDOW *keys; /* a pad: reading a key from it does not bring half a picture to the screen first */
        enum socktally_table table;
        struct listing listing, processes, host; /* processes: below their apps */
        struct lines lines;
        struct filter filter;
        char part[64]; /* of names that are shown; what is typed into it */
        struct choice choice;
        struct order order;
        struct users users;
        size_t set;
        size_t first;
        bool is_paused, has_help, is_exact, is_done, is_muted, is_tree, is_typing;
        uint64_t refreshes;
        uint64_t deadline_msec;
        const char *notice;
};

static const char *const sets[] = { "traffic", "protocols", "scopes", "activity" };
#define N_SETS (sizeof(sets) / sizeof(sets[0]))

static uint64_t now_msec(void) {
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The table after this one that the view has, or NULL: there is no other. */
static const struct catalog *next_table(const struct live *live) {
        size_t n = 0, here = 0;

        for (; catalog_at(n); n++)
                if (catalog_at(n)->table == live->table)
                        here = n;
        for (size_t i = 1; i < n; i++)
                if (source_has_table(live->reader, catalog_at((here + i) % n)->table))
                        return catalog_at((here + i) % n);
        return NULL;
}

static void choose_columns(struct live *live) {
        const char *list = live->set == 0 && live->options->columns ? live->options->columns : sets[live->set];

        /* Totals beside the rates where there is room for them: in the set that has only two numbers. */
        (void)choice_make(&live->choice, live->table, list, true, strcmp(list, "traffic") == 0, NULL);
}

static void set_table(struct live *live, enum socktally_table table) {
        live->table = table;
        live->is_tree &= table == SOCKTALLY_TABLE_APPS;
        live->first = 0;
        choose_columns(live);
}

static void switch_table(struct live *live, const struct catalog *catalog) {
        if (catalog && source_has_table(live->reader, catalog->table))
                set_table(live, catalog->table);
        else
                live->notice = "This view has no more tables: ask as root or become a member of group socktally.";
}

static void switch_tree(struct live *live) {
        bool is_tree = !live->is_tree;

        switch_table(live, catalog_of(SOCKTALLY_TABLE_APPS));
        live->is_tree = is_tree && live->table == SOCKTALLY_TABLE_APPS;
}

/* With a filter, apps are there that match or that have a process that does. */
static int take_tree(struct live *live) {
        struct listing *apps = &live->listing, *processes = &live->processes;
        int r = listing_take(processes, live->reader, SOCKTALLY_TABLE_PROCESSES, &live->order);

        if (r < 0)
                return r;
        filter_apply(&live->filter, processes, &live->users);
        return lines_tree(&live->lines, apps, processes, !filter_is_set(&live->filter));
}

static void take(struct live *live) {
        int r;

        /* After a restart the daemon may grant another view. */
        if (!source_has_table(live->reader, live->table) && next_table(live))
                switch_table(live, next_table(live));
        live->filter.part = *live->part ? live->part : NULL;
        r = listing_take(&live->listing, live->reader, live->table, &live->order);
        if (!live->is_tree)
                filter_apply(&live->filter, &live->listing, &live->users);
        if (r >= 0)
                r = live->is_tree ? take_tree(live) : lines_list(&live->lines, &live->listing);
        if (r < 0)
                live->notice = "The rows cannot be listed: out of memory.";
        (void)listing_take(&live->host, live->reader, SOCKTALLY_TABLE_HOST, &live->order);
}

static void sort_by(struct live *live, const struct field *field, bool is_rate) {
        live->order.field = field;
        live->order.is_rate = is_rate;
        live->order.is_reverse = false;
}

/* Makes the column on one side of the present one the one to sort by. */
static void move_sort(struct live *live, int direction) {
        size_t n = live->choice.n, i;

        for (i = 0; i < n; i++) {
                const struct shown *shown = &live->choice.shown[i];

                if (shown->field == live->order.field &&
                    (shown->field->kind != SHOWS_NUMBER || shown->is_rate == live->order.is_rate))
                        break;
        }
        if (i == n) /* not among the columns: begin at the first number */
                for (i = 0; i + 1 < n && live->choice.shown[i].field->kind != SHOWS_NUMBER;)
                        i++;
        else
                i = (i + n + (size_t)(direction > 0 ? 1 : n - 1)) % n;
        sort_by(live, live->choice.shown[i].field, live->choice.shown[i].is_rate);
}

static void scroll_to(struct live *live, size_t first) {
        size_t rows = screen_rows();
        size_t n = live->lines.n < live->options->limit ? live->lines.n : live->options->limit;
        size_t last = n > rows ? n - rows : 0;

        live->first = first > last ? last : first;
}

static void scroll_key(struct live *live, int key) {
        size_t page = screen_rows(), first = live->first;

        switch (key) {
        case KEY_UP:
                scroll_to(live, first > 0 ? first - 1 : 0);
                break;
        case KEY_DOWN:
                scroll_to(live, first + 1);
                break;
        case KEY_PPAGE:
                scroll_to(live, first > page ? first - page : 0);
                break;
        case KEY_NPAGE:
                scroll_to(live, first + page);
                break;
        case KEY_HOME:
                scroll_to(live, 0);
                break;
        case KEY_END:
                scroll_to(live, SIZE_MAX);
                break;
        }
}

static void sort_key(struct live *live, int key) {
        static const struct {
                int key;
                const char *field;
        } keys[] = {
                { 't', "traffic" }, { 'u', "tx" }, { 'd', "rx" }, { 'i', "pid" }, { 'n', "process" },
                { 'a', "app" },     { 's', "service" },
        };

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                if (keys[i].key == key) {
                        const char *field = key == 'n' ? catalog_of(live->table)->own : keys[i].field;

                        sort_by(live, field_find(field), true);
                        live->first = 0;
                }
}

/* A byte of a character of several arrives as a key of its own. */
static void type_key(struct live *live, int key) {
        size_t n = strlen(live->part);

        switch (key) {
        case '\n':
        case '\r':
        case KEY_ENTER:
                live->is_typing = false;
                break;
        case KEY_BACKSPACE:
        case 127:
        case '\b':
                while (n > 0 && ((unsigned char)live->part[--n] & 0xc0) == 0x80)
                        continue;
                live->part[n] = '\0';
                break;
        default:
                if (key >= ' ' && key < 256 && n + 1 < sizeof(live->part)) {
                        live->part[n] = (char)key;
                        live->part[n + 1] = '\0';
                }
        }
        live->first = 0;
}

static void show_all(struct live *live) {
        live->is_typing = false;
        live->part[0] = '\0';
}

static void handle_key(struct live *live, int key) {
        if (key == KEY_RESIZE) /* our own word to curses */
                return;
        if (key == 27) { /* Escape */
                show_all(live);
                return;
        }
        if (live->is_typing) {
                type_key(live, key);
                return;
        }
        live->notice = NULL;
        if (live->has_help && key != 'q') {
                live->has_help = false;
                return;
        }
        switch (key) {
        case 'q':
        case 'Q':
        case KEY_F(10):
                live->is_done = true;
                break;
        case 'h':
        case '?':
        case KEY_F(1):
                live->has_help = true;
                break;
        case 'p':
        case ' ':
                live->is_paused = !live->is_paused;
                break;
        case '\t':
                switch_table(live, next_table(live));
                break;
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
                switch_table(live, catalog_at((size_t)(key - '1')));
                break;
        case 'e':
                switch_tree(live);
                break;
        case '/':
                live->is_typing = true;
                break;
        case 'c':
                live->set = (live->set + 1) % N_SETS;
                choose_columns(live);
                break;
        case 'b':
                live->is_exact = !live->is_exact;
                break;
        case 'r':
                live->order.is_reverse = !live->order.is_reverse;
                break;
        case '<':
        case KEY_LEFT:
                move_sort(live, -1);
                break;
        case '>':
        case KEY_RIGHT:
                move_sort(live, 1);
                break;
        default:
                sort_key(live, key);
                scroll_key(live, key);
        }
}

static void draw(struct live *live) {
        const struct screen screen = {
                .listing = &live->listing,
                .host = &live->host,
                .choice = &live->choice,
                .order = &live->order,
                .users = &live->users,
                .info = source_info(live->reader),
                .is_paused = live->is_paused,
                .has_help = live->has_help,
                .is_exact = live->is_exact,
                .lines = &live->lines,
                .is_tree = live->is_tree,
                .next_table = next_table(live) ? next_table(live)->title : NULL,
                .typed = live->is_typing ? live->part : NULL,
                .part = live->part,
                .is_filtered = filter_is_set(&live->filter),
                .first = live->first,
                .limit = live->options->limit,
                .notice = live->notice,
        };

        screen_draw(&screen);
}

/* The terminal's size is asked for here, because curses does not see the signal. */
static void resize(void) {
        struct winsize size;

        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
                (void)resizeterm(size.ws_row, size.ws_col);
        (void)clearok(curscr, TRUE);
}

static void handle_signal(struct live *live, int signal_fd) {
        struct signalfd_siginfo info;

        if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
                return;
        if (info.ssi_signo == SIGWINCH)
                resize();
        else
                live->is_done = true;
}

static void refresh_reader(struct live *live, bool was_announced) {
        uint64_t interval_msec = live->options->interval_usec / 1000, wait_msec = LOOK_AGAIN_MSEC;
        int r = socktally_refresh(live->reader);

        live->is_muted = was_announced && r <= 0;
        if (interval_msec > 0)
                wait_msec = interval_msec;
        else if (r > 0 && was_announced)
                wait_msec = source_info(live->reader).interval_ns / 1000000 + LATE_MSEC;
        live->deadline_msec = now_msec() + wait_msec;
        if (r > 0 && ++live->refreshes == live->options->count)
                live->is_done = true;
}

static int timeout_msec(const struct live *live) {
        uint64_t now = now_msec(), left = live->deadline_msec > now ? live->deadline_msec - now : 0;

        if (live->is_paused)
                return -1;
        if (live->is_muted && left > MUTED_MSEC)
                left = MUTED_MSEC;
        return left > INT32_MAX ? INT32_MAX : (int)left;
}

/* One turn: wait, act, draw. */
static void turn(struct live *live, int signal_fd) {
        bool wants_publication = !live->is_paused && !live->is_muted && live->options->interval_usec == 0;
        struct pollfd fds[] = {
                { .fd = STDIN_FILENO, .events = POLLIN },
                { .fd = signal_fd, .events = POLLIN },
                { .fd = wants_publication ? socktally_fd(live->reader) : -1, .events = POLLIN },
        };
        int r = poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_msec(live)), key;

        live->is_muted = false;
        if (r < 0 && errno != EINTR)
                live->is_done = true;
        if (r > 0 && fds[1].revents)
                handle_signal(live, signal_fd);
        if (r > 0 && fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
                live->is_done = true;
        while (!live->is_done && (key = wgetch(live->keys)) != ERR)
                handle_key(live, key);
        if (!live->is_paused && !live->is_done && ((r > 0 && fds[2].revents) || now_msec() >= live->deadline_msec))
                refresh_reader(live, r > 0 && fds[2].revents);
        take(live);
        scroll_to(live, live->first);
        draw(live);
}

static int open_signals(sigset_t *ret_old) {
        sigset_t set;

        (void)sigemptyset(&set);
        (void)sigaddset(&set, SIGINT);
        (void)sigaddset(&set, SIGTERM);
        (void)sigaddset(&set, SIGHUP);
        (void)sigaddset(&set, SIGWINCH);
        if (sigprocmask(SIG_BLOCK, &set, ret_old) < 0)
                return -errno;
        return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool wants_color(const struct options *options) {
        const char *no_color = getenv("NO_COLOR");

        return options->color == COLOR_ALWAYS || (options->color == COLOR_AUTO && (!no_color || *no_color == '\0'));
}

static void loop(struct live *live, int signal_fd) {
        (void)cbreak();
        (void)noecho();
        (void)keypad(live->keys, TRUE);
        (void)nodelay(live->keys, TRUE);
        (void)set_escdelay(25);
        (void)curs_set(0);
        screen_init(wants_color(live->options));
        set_table(live, live->table);
        refresh_reader(live, false);
        take(live);
        draw(live);
        while (!live->is_done)
                turn(live, signal_fd);
        (void)endwin();
}

enum exit_status live_run(struct socktally *reader, enum socktally_table table, const struct options *options) {
        struct live live = {
                .reader = reader,
                .options = options,
                .table = table,
                .order = { options->sort, true, options->is_reverse },
                .is_exact = options->is_exact,
                .listing = { .hides_empty = true, .scope = options->scope },
                .processes.scope = options->scope,
                .host.scope = options->scope,
                .filter = options->filter,
        };
        const char *terminal = getenv("TERM");
        sigset_t old;
        int signal_fd = open_signals(&old);
        SCREEN *screen;

        if (signal_fd < 0)
                err(STATUS_FAILED, "cannot receive signals");
        screen = newterm(NULL, stdout, stdin);
        if (screen) {
                live.keys = newpad(1, 1);
                if (live.keys)
                        loop(&live, signal_fd);
                else
                        (void)endwin();
                delscreen(screen);
                if (!live.keys)
                        errx(STATUS_FAILED, "out of memory");
        } else
                warnx("the terminal '%s' (TERM) is not known here; use --once", terminal ? terminal : "");
        lines_done(&live.lines);
        listing_done(&live.listing);
        listing_done(&live.processes);
        listing_done(&live.host);
        (void)close(signal_fd);
        (void)sigprocmask(SIG_SETMASK, &old, NULL);
        return screen ? STATUS_DONE : STATUS_FAILED;
}
