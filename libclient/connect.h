/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_CONNECT_H
#define SOCKTALLY_CONNECT_H
/*
 * The connection to the daemon (handshake.h). Nothing blocks but stly_connection_await().
 */
#include <stdbool.h>
#include <stdint.h>

#include "libclient/socktally.h"

/* How long a reader waits for a daemon that does not answer before it tries the files. */
#define CONNECTION_PATIENCE_NS UINT64_C(2000000000)

enum connection_state {
        CONNECTION_NONE,
        CONNECTION_ASKED,  /* the hello is sent, the grant is to come */
        CONNECTION_GRANTED /* from here on it tells that the daemon lives, and brings successors */
};

struct connection {
        enum connection_state state;
        int fd;               /* owned; meaningless in CONNECTION_NONE */
        uint64_t deadline_ns; /* ASKED: for the grant. GRANTED: for a successor that is due; 0: none is */
        bool is_trusted;                /* stly_trust_peer() */
        bool is_subscribed, is_watched; /* for socktally_fd() */
};

/* Outcomes of stly_connection_receive(). */
enum connection_event { CONNECTION_NOTHING, CONNECTION_SEGMENT, CONNECTION_PUBLISHED };

/* Connects and sends the hello. -ENOENT, -ECONNREFUSED: no daemon; -EAGAIN: too many are in the queue before us. */
int stly_connection_begin(struct connection *connection, const char *path, enum socktally_view view, uint64_t now);
void stly_connection_close(struct connection *connection);
/* Reads one message, if there is one. CONNECTION_SEGMENT gives a descriptor that the caller owns. -ECONNRESET: the
 * daemon is gone; -EPROTO: it does not keep to the protocol; anything else: why it refused. */
int stly_connection_receive(struct connection *connection, int *ret_fd);
/* Waits for the grant until the deadline: 0 and a descriptor, or as above, or -ETIMEDOUT. */
int stly_connection_await(struct connection *connection, int *ret_fd);
/* Asks for a message at each publication. */
int stly_connection_subscribe(struct connection *connection);

#endif
