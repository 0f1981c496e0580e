/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_PEER_H
#define SOCKTALLY_TESTS_PEER_H
/* A reader's end of the readers' socket, message by message. */
#include <stdint.h>

#include "libclient/handshake.h"

int peer_dial(const char *path);
/* A well-formed message of this type. */
void peer_say(int fd, uint32_t type, uint32_t view);
/* -EAGAIN: nothing there; 0: the connection ended; 1: a message, with its descriptor or -1. */
int peer_hear(int fd, struct handshake_message *message, int *attached);

#endif
