/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_ATTACH_H
#define SOCKTALLY_ATTACH_H
/*
 * A segment that was mapped and found sound. Everything that is constant in it was copied into private memory first and
 * then checked, so nothing the writer does later can move a bound. What changes is reached through the pointers here,
 * and each word is read once.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libclient/frame.h"
#include "libclient/index.h"
#include "libclient/layout.h"
#include "libclient/socktally.h"

#define ATTACH_REASON_SIZE 192

/* A column that lookups use. bytes 0: the table has none such. */
struct attached_field {
        uint32_t offset, bytes;
};

struct attached_table {
        const struct layout_table *descriptor; /* in private memory */
        const struct socktally_column *columns;
        uint32_t n_columns;
        uint32_t capacity; /* 0: the view does not have this table */
        uint32_t row_size, index_size;
        size_t rows_offset, index_offset;                   /* in a slot */
        size_t snapshot_rows_offset, snapshot_index_offset; /* in a snapshot's memory */
        struct attached_field pid, start_time, exited, kind, uid, cgroup_id;
        struct index_column keys[LAYOUT_MAX_KEYS]; /* that the index goes by */
        uint32_t n_keys;
};

/* Shared by the reader and the snapshots taken from it; the mapping may end before the rest. */
struct attachment {
        unsigned int n_refs;
        const unsigned char *base; /* NULL once unmapped */
        size_t size;
        dev_t device;
        ino_t inode;
        struct layout_header header;
        unsigned char *descriptors; /* private copy of the table and column descriptors */
        struct socktally_column *columns;
        struct attached_table tables[LAYOUT_N_TABLES]; /* by id */
        size_t snapshot_size;
        bool is_same_boot;

        const struct layout_dynamic *dynamic; /* in the mapping, as what follows */
        const uint32_t *owner;
};

enum {
        ATTACH_ANY_OWNER = 1, /* any user may own or write the file; for the inspector */
        ATTACH_SENT = 2,      /* any user may own the file, as the process that sent the descriptor is trusted */
        ATTACH_DEAD = 4       /* for stly_reader_attach(): its writer may be gone */
};

/* Maps and checks. fd stays the caller's. -EPROTO: not a valid segment; -EPROTONOSUPPORT: another layout; -EACCES: a
 * user who is not trusted could change it (trust.h). reason, ATTACH_REASON_SIZE bytes or NULL, gets one line that says
 * what is wrong. */
int stly_attachment_new(struct attachment **ret_attachment, int fd, unsigned int flags, char *reason);
struct attachment *stly_attachment_ref(struct attachment *attachment);
struct attachment *stly_attachment_unref(struct attachment *attachment);
/* Ends the mapping; descriptors stay until the last reference goes. */
void stly_attachment_unmap(struct attachment *attachment);

/* Start of the slot that publication number is in. Any number is safe. */
const struct layout_slot *stly_attachment_slot(const struct attachment *attachment, uint64_t number);

/* True if both come from the same writer process, whose totals go on from one segment to the next. */
bool stly_attachment_is_same_writer(const struct attachment *a, const struct attachment *b);

#endif
