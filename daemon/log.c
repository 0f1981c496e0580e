/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's voice. One call is one line and one write, so lines never mix with those of another process on the same
 * terminal. Only the top level of the daemon speaks; everything below returns what there is to say. There is no state
 * here: lines are rare, so asking each time where stderr goes costs nothing that matters, and the level is in the mask
 * that libc keeps for syslog(3).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"

static const char *const levels[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

const char *log_level_name(int level) {
        return levels[level];
}

int log_level_parse(const char *text, int *ret_level) {
        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
                if (strcmp(text, levels[i]) == 0 || (text[0] == '0' + i && text[1] == '\0')) {
                        *ret_level = i;
                        return 0;
                }
        return -EINVAL;
}

void log_set_level(int level) {
        (void) setlogmask(LOG_UPTO(level));
}

/* systemd names the stream it gave a service in $JOURNAL_STREAM; a child with another stderr inherits the variable, so
 * compare, see systemd.exec(5). */
static bool is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        char here[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        snprintf(here, sizeof here, "%ju:%ju", (uintmax_t) st.st_dev, (uintmax_t) st.st_ino);
        return strcmp(stream, here) == 0;
}

void log_line(int priority, const char *format, ...) {
        char line[1024];
        size_t n = 0;
        va_list ap;
        int r;

        if (!(setlogmask(0) & LOG_MASK(priority)))
                return;
        if (is_journal())
                n = (size_t) snprintf(line, sizeof line, "<%d>", priority);
        else
                n = (size_t) snprintf(line, sizeof line, "socktallyd: ");
        va_start(ap, format);
        r = vsnprintf(line + n, sizeof line - n - 1, format, ap);
        va_end(ap);
        if (r < 0)
                return;
        n = strlen(line);
        for (size_t i = 0; i < n; i++)
                if (line[i] == '\n')
                        line[i] = ' ';
        line[n++] = '\n';
        if (write(STDERR_FILENO, line, n) < 0)
                return; /* nobody listens, and there is nobody to tell */
}
