/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_TRUST_H
#define SOCKTALLY_TRUST_H
/*
 * Who could change or shorten a segment under our hands? Contents are validated whoever wrote them, but against a file
 * that gets shorter there is no defence (SIGBUS). So a file found by name is only mapped when nobody but root, the
 * daemon's user or we ourselves can write it, and a memfd only when it is sealed against that. A descriptor that one of
 * these has sent may be of a file of somebody's who is not known here, whom they trust.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* flags: of attach.h. 0, or -EPROTO or -EACCES with the reason (ATTACH_REASON_SIZE bytes, or NULL). */
int stly_trust_file(int fd, unsigned int flags, uint64_t *ret_size, dev_t *ret_device, ino_t *ret_inode, char *reason);
/* May the process that listens at the other end of this connection send descriptors of any owner's files? */
bool stly_trust_peer(int fd);

#endif
