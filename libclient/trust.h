/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_TRUST_H
#define SOCKTALLY_TRUST_H
/*
 * Who could change or shorten a segment under our hands? Contents are validated whoever wrote them, but against a file
 * that gets shorter there is no defence (SIGBUS), so only files that nobody but root, the daemon's user or we ourselves
 * can write are mapped, and memfds only when they are sealed against it.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* 0, or -EPROTO or -EACCES with the reason (ATTACH_REASON_SIZE bytes, or NULL). */
int stly_trust_file(int fd, bool is_any_owner, uint64_t *ret_size, dev_t *ret_device, ino_t *ret_inode, char *reason);

#endif
