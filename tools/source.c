/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One place knows how errors of the library become exit codes and advice. The runtime directory goes to the library
 * through its environment variable, so that the socket and the files are looked for in the same place.
 */
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/catalog.h"
#include "tools/source.h"

#define HOW_TO_START "start it with 'systemctl start socktally', or run 'socktallyd' as root"
#define HOW_TO_SEE "see 'systemctl status socktally' and 'socktally doctor'"
#define HOW_TO_GET_FULL "ask as root or become a member of group socktally"
#define PATIENCE_USEC UINT64_C(2000000)

static const char *directory(const struct options *options) {
        const char *from_environment = secure_getenv("SOCKTALLY_RUNTIME_DIRECTORY");

        if (options->runtime_directory)
                return options->runtime_directory;
        return from_environment ? from_environment : "/run/socktally";
}

static enum exit_status explain(int error, const struct options *options) {
        switch (error) {
        case ENOENT:
        case ECONNREFUSED:
        case ENOTDIR:
        case ESTALE:
                warnx("no daemon answers in %s; " HOW_TO_START, directory(options));
                return STATUS_NO_DAEMON;
        case ECONNRESET:
                warnx("the daemon in %s failed to start, or has just ended; " HOW_TO_SEE, directory(options));
                return STATUS_NO_DAEMON;
        case EAGAIN:
        case ETIMEDOUT:
                warnx("the daemon in %s is not ready after 30 s; " HOW_TO_SEE, directory(options));
                return STATUS_NO_DAEMON;
        case EUSERS:
                warnx("too many readers are connected to the daemon in %s; close some of them", directory(options));
                return STATUS_FAILED;
        case EACCES:
        case EPERM:
                if (options->view == SOCKTALLY_VIEW_FULL)
                        warnx("the full view is not permitted to this user; " HOW_TO_GET_FULL ", or use --view public");
                else
                        warnx("%s may not be read by this user; " HOW_TO_GET_FULL, directory(options));
                return STATUS_NOT_PERMITTED;
        case EPROTO:
                warnx("what is published in %s is not a valid segment; see 'socktally segment verify %s/public'",
                      directory(options), directory(options));
                return STATUS_FAILED;
        case EPROTONOSUPPORT:
                warnx("the daemon speaks no version of the segment that this command knows; install both from one "
                      "release");
                return STATUS_FAILED;
        default:
                warnx("cannot read from %s: %s", directory(options), strerror(error));
                return STATUS_FAILED;
        }
}

struct socktally_info source_info(const struct socktally *reader) {
        struct socktally_info info = { .size = sizeof(info) };

        (void)socktally_get_info(reader, &info);
        return info;
}

const char *source_view_name(enum socktally_view view) {
        switch (view) {
        case SOCKTALLY_VIEW_BEST:
                return "best";
        case SOCKTALLY_VIEW_PUBLIC:
                return "public";
        case SOCKTALLY_VIEW_USER:
                return "user";
        case SOCKTALLY_VIEW_FULL:
                return "full";
        }
        return "unknown";
}

uint64_t source_age(const struct socktally_info *info) {
        struct timespec now;
        uint64_t ns;

        (void)clock_gettime(CLOCK_BOOTTIME, &now);
        ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        return ns > info->time_ns ? ns - info->time_ns : 0;
}

uint64_t source_lateness(const struct socktally_info *info) {
        return info->time_ns > info->complete_ns ? info->time_ns - info->complete_ns : 0;
}

/* The library does not go to the file of a daemon that died, but it tells since when nothing was published. */
static int open_leftover(struct socktally **ret_reader, const struct options *options) {
        static const struct {
                enum socktally_view view;
                const char *name;
        } files[] = { { SOCKTALLY_VIEW_FULL, "full" }, { SOCKTALLY_VIEW_PUBLIC, "public" } };
        char path[PATH_MAX];

        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                const struct socktally_options how = { .size = sizeof(how), .file_path = path };

                if (options->view != SOCKTALLY_VIEW_BEST && options->view != files[i].view)
                        continue;
                if (snprintf(path, sizeof(path), "%s/%s", directory(options), files[i].name) >= (int)sizeof(path))
                        return -ENAMETOOLONG;
                if (socktally_open(ret_reader, &how) >= 0)
                        return 0;
        }
        return -ENOENT;
}

static bool is_absence(int error) {
        return error == ENOENT || error == ECONNREFUSED || error == ENOTDIR || error == ESTALE;
}

static void use_directory(const struct options *options) {
        if (options->runtime_directory && setenv("SOCKTALLY_RUNTIME_DIRECTORY", options->runtime_directory, 1) < 0)
                err(STATUS_FAILED, "cannot use --runtime-directory %s", options->runtime_directory);
}

int source_try(struct socktally **ret_reader, const struct options *options, enum socktally_view view) {
        const struct socktally_options how = { .size = sizeof(how), .view = view };
        int r;

        use_directory(options);
        r = socktally_open(ret_reader, &how);
        return r < 0 ? r : 0;
}

enum exit_status source_open(struct socktally **ret_reader, const struct options *options) {
        struct socktally_options how = { .size = sizeof(how), .view = options->view };
        struct socktally *reader = NULL;
        int r;

        use_directory(options);
        r = socktally_open(&reader, &how);
        if (r < 0 && (!is_absence(-r) || open_leftover(&reader, options) < 0))
                return explain(-r, options);
        if (source_info(reader).sequence == 0) {
                r = socktally_wait(reader, PATIENCE_USEC);
                if (r < 0 || source_info(reader).sequence == 0) {
                        (void)socktally_close(reader);
                        warnx("the daemon in %s has not published anything yet; try again in a moment",
                              directory(options));
                        return STATUS_NO_DAEMON;
                }
        }
        *ret_reader = reader;
        return STATUS_DONE;
}

enum exit_status source_require_fresh(const struct socktally *reader) {
        struct socktally_info info = source_info(reader);
        time_t seconds = (time_t)(info.realtime_ns / 1000000000);
        char when[64] = "an unknown time", age[UNITS_SIZE];
        struct tm tm;

        if (info.freshness == SOCKTALLY_FRESH)
                return STATUS_DONE;
        if (localtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
        warnx("stale: the daemon has published nothing since %s (%s ago); " HOW_TO_START, when,
              units_duration(age, source_age(&info)));
        return STATUS_NO_DAEMON;
}

bool source_has_table(const struct socktally *reader, enum socktally_table table) {
        return socktally_column_count(reader, table) > 0;
}

enum exit_status source_require_table(const struct socktally *reader, enum socktally_table table) {
        if (source_has_table(reader, table))
                return STATUS_DONE;
        warnx("the %s view has no %s; " HOW_TO_GET_FULL ", or see 'socktally services'",
              source_view_name(source_info(reader).view),
              catalog_of(table)->name);
        return STATUS_NOT_PERMITTED;
}

enum exit_status source_next(struct socktally *reader, uint64_t interval_usec) {
        uint64_t timeout_usec = source_info(reader).interval_ns / 1000 * 3 + PATIENCE_USEC;
        struct timespec pause = { (time_t)(interval_usec / 1000000), (long)(interval_usec % 1000000) * 1000 };
        int r = SOCKTALLY_UNCHANGED;

        if (interval_usec > 0) {
                while (nanosleep(&pause, &pause) < 0 && errno == EINTR)
                        continue;
                r = socktally_refresh(reader);
        }
        while (r == SOCKTALLY_UNCHANGED || r == -EINTR) {
                r = socktally_wait(reader, timeout_usec);
                if (r == SOCKTALLY_UNCHANGED)
                        break;
        }
        if (r > 0)
                return STATUS_DONE;
        if (source_info(reader).freshness == SOCKTALLY_STALE)
                return STATUS_NO_DAEMON;
        if (r == 0)
                warnx("the daemon lives but published nothing for %llu s", (unsigned long long)timeout_usec / 1000000);
        else
                warnx("cannot read the next publication: %s", strerror(-r));
        return STATUS_FAILED;
}
