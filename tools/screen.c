/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Four lines at the top (the service, the host, the tables, the titles), the rows, and the keys in the last line. On a
 * narrow terminal columns on the right are left out whole rather than cut in the middle of a number.
 */
#include <curses.h>
#include <string.h>
#include <time.h>

#include "tools/catalog.h"
#include "tools/cell.h"
#include "tools/missed.h"
#include "tools/screen.h"
#include "tools/source.h"
#include "tools/untrusted.h"

#define HEADER_LINES 4
#define NUMBER_WIDTH 8
#define EXACT_WIDTH 16
#define NAME_MIN_WIDTH 12
#define NAME_MAX_WIDTH 64

enum { PAIR_GOOD = 1, PAIR_BAD, PAIR_WARNING, PAIR_TITLE, PAIR_SPECIAL, PAIR_ACCENT };

void screen_init(bool has_color) {
        if (!has_color || !has_colors() || start_color() == ERR)
                return;
        (void)use_default_colors();
        (void)init_pair(PAIR_GOOD, COLOR_GREEN, -1);
        (void)init_pair(PAIR_BAD, COLOR_WHITE, COLOR_RED);
        (void)init_pair(PAIR_WARNING, COLOR_YELLOW, -1);
        (void)init_pair(PAIR_TITLE, COLOR_BLACK, COLOR_CYAN);
        (void)init_pair(PAIR_SPECIAL, COLOR_MAGENTA, -1);
        (void)init_pair(PAIR_ACCENT, COLOR_CYAN, -1);
}

size_t screen_rows(void) {
        return LINES > HEADER_LINES + 1 ? (size_t)LINES - HEADER_LINES - 1 : 0;
}

/* Text at the end of a line; returns the column where it begins. */
static int draw_right(int y, int end, attr_t attributes, const char *text) {
        size_t bytes, columns = untrusted_width(text, (size_t)(end > 0 ? end : 0), &bytes);
        int x = end - (int)columns;

        attron(attributes);
        (void)mvaddnstr(y, x, text, (int)bytes);
        attroff(attributes);
        return x;
}

/* Returns the column where it begins. */
static int draw_freshness(const struct screen *screen) {
        char text[64] = " fresh ", age[UNITS_SIZE];
        attr_t attributes = (attr_t)COLOR_PAIR(PAIR_GOOD) | A_BOLD;

        if (screen->info.freshness == SOCKTALLY_STALE) {
                (void)snprintf(text, sizeof(text), " stale for %s ",
                               units_duration(age, source_age(&screen->info) / 1000000000 * 1000000000));
                attributes = (attr_t)COLOR_PAIR(PAIR_BAD) | A_BOLD | (has_colors() ? 0 : A_REVERSE);
        }
        int x = draw_right(0, COLS, attributes, text);

        if (screen->is_paused)
                x = draw_right(0, x - 1, (attr_t)COLOR_PAIR(PAIR_WARNING) | A_BOLD | A_REVERSE, " paused ");
        return x;
}

/* Left out where it would reach the column end. */
static void draw_fact(int end, const char *before, const char *fact, const char *after) {
        size_t columns = 2 + strlen(before) + strlen(fact) + strlen(after);

        if (getcurx(stdscr) + (int)columns < end)
                (void)printw("  %s%s%s", before, fact, after);
}

static void draw_service(const struct screen *screen) {
        const struct socktally_info *info = &screen->info;
        time_t seconds = (time_t)(info->realtime_ns / 1000000000);
        char duration[UNITS_SIZE], when[32] = "-";
        int end = draw_freshness(screen);
        struct tm tm;

        attron(A_BOLD);
        (void)mvaddstr(0, 0, "socktally");
        attroff(A_BOLD);
        if (localtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
        draw_fact(end, "", when, "");
        draw_fact(end, "every ", units_duration(duration, info->interval_ns), "");
        if (source_lateness(info) > 0)
                draw_fact(end, "late by up to ", units_duration(duration, source_lateness(info)), "");
        draw_fact(end, "", source_view_name(info->view), " view");
        draw_fact(end, "cost ", units_duration(duration, info->cost_ns), "");
}

static void draw_rate(const struct screen *screen, const char *label, const char *name) {
        const struct field *field = field_find(name);
        attr_t attributes = screen->info.freshness == SOCKTALLY_FRESH ? A_BOLD : A_DIM;
        struct amount amount = { .is_known = false };
        char text[UNITS_SIZE] = CELL_UNKNOWN;

        if (screen->host->n > 0)
                amount = listing_amount(screen->host, &screen->host->entries[0], field, true);
        if (amount.is_known)
                (void)(screen->is_exact ? units_exact(text, amount.value)
                                        : units_readable(text, amount.value, field->unit));
        (void)printw("%s ", label);
        attron(attributes);
        (void)printw("%s%s", text, amount.is_known ? "/s" : "");
        attroff(attributes);
}

static void draw_host(const struct screen *screen) {
        static const struct {
                const char *label, *field;
        } rates[] = {
                { "TX", "tx" }, { "  RX", "rx" }, { "   TCP", "tcp_tx" }, { "", "tcp_rx" },
                { "   UDP", "udp_tx" }, { "", "udp_rx" }, { "   retransmits", "retransmits" },
        };

        (void)move(1, 0);
        if (screen->host->scope != SCOPE_ALL)
                (void)printw("%s  ", scope_name(screen->host->scope));
        for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
                draw_rate(screen, rates[i].label, rates[i].field);
        (void)clrtoeol();
}

static void draw_missed(const struct screen *screen) {
        const uint64_t n = missed_count(&screen->info, true);

        if (n == 0)
                return;
        attron((attr_t)COLOR_PAIR(PAIR_WARNING) | A_BOLD);
        (void)printw("   missed %llu calls: UDP and calls at least", (unsigned long long)n);
        attroff((attr_t)COLOR_PAIR(PAIR_WARNING) | A_BOLD);
}

static void draw_tables(const struct screen *screen) {
        char text[96];

        (void)move(2, 0);
        (void)printw("%s %zu", catalog_of(screen->listing->table)->title, screen->listing->n);
        if (*screen->part)
                (void)printw(" with '%s'", screen->part);
        (void)printw("   sockets %llu", (unsigned long long)screen->info.sockets_tracked);
        if (screen->info.sockets_overflowed || screen->info.rows_overflowed) {
                attron((attr_t)COLOR_PAIR(PAIR_WARNING) | A_BOLD);
                (void)printw("   overflow %llu calls, %llu rows",
                             (unsigned long long)screen->info.sockets_overflowed,
                             (unsigned long long)screen->info.rows_overflowed);
                attroff((attr_t)COLOR_PAIR(PAIR_WARNING) | A_BOLD);
        }
        draw_missed(screen);
        (void)snprintf(text, sizeof(text), " by %s%s%s", screen->order->field->name,
                       screen->order->is_rate && screen->order->field->kind == SHOWS_NUMBER ? "/s" : "",
                       screen->order->is_reverse ? ", reversed" : "");
        (void)draw_right(2, COLS, A_DIM, text);
}

/* Takes what is left of the line: the name of a row, or of a process that of its app. */
static bool is_elastic(const struct screen *screen, const struct field *field) {
        const struct catalog *catalog = catalog_of(screen->listing->table);

        if (catalog->table == SOCKTALLY_TABLE_PROCESSES)
                return field->text == TEXT_APP && field->kind == SHOWS_TEXT;
        return strcmp(field->name, catalog->own) == 0;
}

static int text_width(const struct field *field) {
        static const int widths[N_TEXTS] = {
                [TEXT_COMM] = 15, [TEXT_APP] = 20,     [TEXT_SERVICE] = 24, [TEXT_CONTAINER] = 20,
                [TEXT_POD] = 36, [TEXT_COMMAND] = 40,  [TEXT_APP_KIND] = 9, [TEXT_RUNTIME] = 10,
        };

        return widths[field->text];
}

/* Columns that a field takes, without the one after it. 0: whatever is left. */
static int field_width(const struct screen *screen, const struct shown *shown) {
        char title[CELL_SIZE];
        int width = (int)strlen(cell_title(title, shown)), least = 0;

        if (is_elastic(screen, shown->field))
                return 0;

        switch (shown->field->kind) {
        case SHOWS_PID:
                return 7;
        case SHOWS_USER:
                return 10;
        case SHOWS_TEXT:
                return text_width(shown->field);
        case SHOWS_PROCESSES:
                return 5;
        case SHOWS_NUMBER:
                least = screen->is_exact ? EXACT_WIDTH : NUMBER_WIDTH;
                break;
        }
        return width > least ? width : least;
}

/* Columns at the end of the line that leave too little for a name are not drawn, see draw_line(). */
static int elastic_width(const struct screen *screen) {
        const struct shown *shown = screen->choice->shown;
        int width = 0;

        for (size_t n = screen->choice->n; n > 0; n--) {
                int used = (int)n - 1;

                for (size_t i = 0; i < n; i++)
                        used += field_width(screen, &shown[i]);
                width = COLS - used;
                if (width >= NAME_MIN_WIDTH || is_elastic(screen, shown[n - 1].field))
                        break;
        }
        return width < NAME_MIN_WIDTH ? NAME_MIN_WIDTH : width > NAME_MAX_WIDTH ? NAME_MAX_WIDTH : width;
}

static void draw_cell(int y, int x, int width, bool is_right, attr_t attributes, const char *text) {
        size_t bytes, columns = untrusted_width(text, (size_t)width, &bytes);

        attron(attributes);
        (void)mvaddnstr(y, is_right ? x + width - (int)columns : x, text, (int)bytes);
        attroff(attributes);
}

static attr_t cell_attributes(const struct screen *screen, const struct line *line, const struct field *field,
                              const char *text) {
        bool is_own = strcmp(field->name, catalog_of(screen->listing->table)->own) == 0;

        if (screen->info.freshness == SOCKTALLY_STALE)
                return A_DIM;
        if (is_own && listing_is_special(line->listing, line->entry))
                return (attr_t)COLOR_PAIR(PAIR_SPECIAL);
        if (strcmp(text, "0") == 0 || strcmp(text, CELL_UNKNOWN) == 0 || line->entry->exited.value)
                return A_DIM;
        if (is_own)
                return line->is_below ? A_NORMAL : A_BOLD;
        if (field->kind == SHOWS_TEXT)
                return (attr_t)COLOR_PAIR(PAIR_ACCENT);
        return A_NORMAL;
}

/* A process below its app stands where the app's name would. */
static void line_text(char text[static CELL_SIZE], const struct screen *screen, const struct line *line,
                      const struct shown *shown) {
        const struct field *process = field_find("process");
        char name[CELL_SIZE];

        if (!line->is_below || strcmp(shown->field->name, catalog_of(screen->listing->table)->own) != 0) {
                (void)cell_text(text, line->listing, line->entry, shown, screen->users, screen->is_exact);
                return;
        }
        (void)cell_text(name, line->listing, line->entry, &(struct shown){ process, false }, screen->users, false);
        (void)snprintf(text, CELL_SIZE, "  %.200s (%llu)", name, (unsigned long long)line->entry->pid.value);
}

/* One line of the table: the titles when line is NULL. */
static void draw_line(const struct screen *screen, int y, const struct line *line) {
        char text[CELL_SIZE];
        int x = 0;

        for (size_t i = 0; i < screen->choice->n; i++) {
                const struct shown *shown = &screen->choice->shown[i];
                bool is_wide = is_elastic(screen, shown->field);
                int width = is_wide ? elastic_width(screen) : field_width(screen, shown);
                attr_t attributes = (attr_t)COLOR_PAIR(PAIR_TITLE) | (has_colors() ? 0 : A_REVERSE);

                if (x + width > COLS) {
                        if (!is_wide || COLS - x < 4)
                                continue;
                        width = COLS - x;
                }
                if (line) {
                        line_text(text, screen, line, shown);
                        attributes = cell_attributes(screen, line, shown->field, text);
                } else {
                        (void)cell_title(text, shown);
                        if (shown->field == screen->order->field &&
                            (shown->is_rate == screen->order->is_rate || shown->field->kind != SHOWS_NUMBER))
                                attributes |= A_BOLD | A_UNDERLINE;
                }
                draw_cell(y, x, width, cell_is_right(shown->field), attributes, text);
                x += width + 1;
        }
}

static void draw_titles(const struct screen *screen) {
        attr_t attributes = (attr_t)COLOR_PAIR(PAIR_TITLE) | (has_colors() ? 0 : A_REVERSE);

        attron(attributes);
        (void)mvhline(HEADER_LINES - 1, 0, ' ' | attributes, COLS);
        attroff(attributes);
        draw_line(screen, HEADER_LINES - 1, NULL);
}

static void draw_key(const char *key, const char *meaning) {
        attr_t attributes = (attr_t)COLOR_PAIR(PAIR_TITLE) | (has_colors() ? 0 : A_REVERSE);

        if (getcurx(stdscr) + (int)strlen(key) + (int)strlen(meaning) + 3 > COLS)
                return;
        attron(attributes);
        (void)printw(" %s ", key);
        attroff(attributes);
        (void)printw("%s ", meaning);
}

static void draw_keys(const struct screen *screen) {
        (void)move(LINES - 1, 0);
        if (screen->typed) {
                (void)printw("Show only rows with: %s_   (Enter: done, Esc: all rows)", screen->typed);
                return;
        }
        if (screen->notice) {
                attron((attr_t)COLOR_PAIR(PAIR_WARNING));
                (void)addnstr(screen->notice, COLS - 1);
                attroff((attr_t)COLOR_PAIR(PAIR_WARNING));
                return;
        }
        draw_key("q", "Quit");
        draw_key("h", "Help");
        if (screen->next_table)
                draw_key("Tab", screen->next_table);
        draw_key("/", "Filter");
        draw_key("e", screen->is_tree ? "Fold" : "Tree");
        draw_key("c", "Columns");
        draw_key("< >", "Sort");
        draw_key("r", "Reverse");
        draw_key("p", screen->is_paused ? "Resume" : "Pause");
        draw_key("b", screen->is_exact ? "Readable" : "Exact");
}

static void draw_help(void) {
        static const char *const lines[] = {
                "q, Ctrl-C      quit",
                "Tab, 1 to 5    processes, apps, services, containers, users",
                "e              apps with their processes below, and back",
                "/              only rows with a text; Esc shows all again",
                "p, space       pause and go on",
                "t u d          sort by traffic, TX (up), RX (down)",
                "i n a s        sort by PID, name, app, service",
                "< >            sort by the column on the left, right",
                "r              reverse the order",
                "c              traffic, protocols, scopes, activity",
                "b              exact or readable numbers",
                "arrows, PgUp, PgDn, Home, End   scroll",
                "",
                "TX and RX are payload bytes at the socket; K is 1024.",
                "- is unknown: nobody counts it at the moment.",
        };
        const int n = (int)(sizeof(lines) / sizeof(lines[0])), height = n + 2, width = 58;
        int y = LINES > height ? (LINES - height) / 2 : 0, x = COLS > width ? (COLS - width) / 2 : 0;
        WINDOW *window = newwin(LINES > height ? height : LINES, COLS > width ? width : COLS, y, x);

        if (!window)
                return;
        (void)wattron(window, A_BOLD);
        (void)box(window, 0, 0);
        (void)mvwaddstr(window, 0, 2, " Keys ");
        (void)wattroff(window, A_BOLD);
        for (int i = 0; i < n && i < getmaxy(window) - 2; i++)
                (void)mvwaddnstr(window, i + 1, 2, lines[i], getmaxx(window) - 4);
        (void)wnoutrefresh(window);
        (void)delwin(window);
}

void screen_draw(const struct screen *screen) {
        size_t rows = screen_rows(), n = screen->lines->n < screen->limit ? screen->lines->n : screen->limit;

        (void)erase();
        draw_host(screen);
        draw_service(screen);
        draw_tables(screen);
        draw_titles(screen);
        for (size_t i = 0; i < rows && screen->first + i < n; i++)
                draw_line(screen, HEADER_LINES + (int)i, &screen->lines->lines[screen->first + i]);
        if (n == 0) {
                attron(A_DIM);
                (void)mvaddnstr(HEADER_LINES, 0, screen->is_filtered ? "No row has that." : "Nothing was counted yet.",
                                 COLS);
                attroff(A_DIM);
        }
        draw_keys(screen);
        (void)move(LINES - 1, COLS - 1);
        (void)wnoutrefresh(stdscr);
        if (screen->has_help)
                draw_help();
        (void)doupdate();
}
