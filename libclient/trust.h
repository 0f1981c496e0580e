/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_TRUST_H
#define SOCKTALLY_TRUST_H
/*
 * Who could shorten a segment while it is mapped? Contents are validated whoever wrote them, but a load from a file
 * that has become shorter is SIGBUS. So a file is mapped only if one of these is true:
 *   - It is a memfd that is sealed against changes of its size.
 *   - Nobody can write it but its owner, who is root, the daemon's user, or the user of this process.
 *   - Nobody can write it but its owner, and one of these three has sent the descriptor, and so trusts the owner.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* flags: of attach.h. 0, or -EPROTO or -EACCES with the reason (ATTACH_REASON_SIZE bytes, or NULL). */
int stly_trust_file(int fd, unsigned int flags, uint64_t *ret_size, dev_t *ret_device, ino_t *ret_inode, char *reason);
/* May the process that listens at the other end of this connection send descriptors of any owner's files? */
bool stly_trust_peer(int fd);

#endif
