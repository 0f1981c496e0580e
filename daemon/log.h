/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_LOG_H
#define SOCKTALLYD_LOG_H

/* Writes one line to stderr, systemd's <N> in front when the journal is at the other end. priority: see syslog.h */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
