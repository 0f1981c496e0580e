/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_HANDSHAKE_H
#define SOCKTALLY_HANDSHAKE_H
/*
 * What reader and daemon say to each other on /run/socktally/readers (AF_UNIX, SOCK_SEQPACKET). One packet is one
 * message. The reader speaks first: a hello. The daemon decides by the peer's credentials and answers once with a
 * grant, which carries the segment's descriptor (SCM_RIGHTS) unless error is set. After that the connection tells each
 * side whether the other lives, and carries:
 *   daemon to reader: SEGMENT with a descriptor, when a new segment replaces the granted one;
 *                     PUBLISHED after each publication, if the reader subscribed (dropped when the reader lags);
 *   reader to daemon: SUBSCRIBE.
 * Anything else, or a longer silence than HANDSHAKE_TIMEOUT_USEC before the hello, ends the connection.
 */
#include <assert.h>
#include <stdint.h>

#define HANDSHAKE_PATH "/run/socktally/readers"
#define HANDSHAKE_MAGIC UINT64_C(0x594c544b434f5301) /* "\1SOCKTLY" on the wire */
#define HANDSHAKE_TIMEOUT_USEC UINT64_C(5000000)

enum handshake_type {
        HANDSHAKE_HELLO = 1,
        HANDSHAKE_GRANT = 2,
        HANDSHAKE_SEGMENT = 3,
        HANDSHAKE_PUBLISHED = 4,
        HANDSHAKE_SUBSCRIBE = 5
};

/* Every message has this form; little endian. A longer one is accepted and its tail ignored. */
struct handshake_message {
        uint64_t magic;
        uint32_t type;       /* enum handshake_type */
        uint32_t view;       /* HELLO: wanted, SOCKTALLY_VIEW_BEST for the widest; GRANT, SEGMENT: what it is */
        uint16_t major_min;  /* HELLO: layout versions the reader speaks */
        uint16_t major_max;
        uint16_t major;      /* GRANT, SEGMENT: the one chosen */
        uint16_t zero;
        int32_t error;       /* GRANT: 0 or a positive errno: EACCES, EPROTONOSUPPORT, EAGAIN, EUSERS */
        uint32_t reserved[5];
};

static_assert(sizeof(struct handshake_message) == 48, "the handshake's size is part of the protocol");

#endif
