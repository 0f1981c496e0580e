/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_LOG_H
#define SOCKTALLYD_LOG_H

/* Writes one line to stderr, systemd's <N> in front when the journal is at the other end. priority: see syslog.h */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* From now on lines that are less important than this level are left out. Levels are those of syslog.h. LOG_DEBUG
 * leaves out nothing. */
void log_set_level(int level);
#define LOG_LEVELS "emerg, alert, crit, err, warning, notice, info or debug, or a number from 0 to 7"
const char *log_level_name(int level);
/* A name or its number. -EINVAL; unchanged on error. */
int log_level_parse(const char *text, int *ret_level);

#endif
