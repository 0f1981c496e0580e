/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_RAW_BUS_H
#define SOCKTALLY_TESTS_RAW_BUS_H
/* A bus client that marshals by hand, and badly: what no library would send. */
#include <stdint.h>

/* A connection that said Hello. -1: refused. */
int raw_connect(const char *path);
/* Sends a call to the daemon with something strange in it. -1: the bus has had enough of this connection. */
int raw_send(int fd, const char *destination, uint64_t *random);

#endif
