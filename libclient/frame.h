/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_FRAME_H
#define SOCKTALLY_FRAME_H
/*
 * The frame around the rows of layout.h: a static part that describes the segment (written once, before the magic),
 * words that change, and slots that each hold one whole publication. Little endian, no pointers; every offset is in
 * bytes, from the start of the segment unless a comment says from where. Append only.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the shared segment is little endian; a big-endian machine needs conversions that nobody has written"
#endif

#define LAYOUT_MAGIC UINT64_C(0x31594c544b434f53) /* "SOCKTLY1" in memory */
#define LAYOUT_BYTE_ORDER UINT32_C(0x01020304)
#define LAYOUT_MAJOR 2
#define LAYOUT_MINOR 0
#define LAYOUT_KNOWN_INCOMPATIBLE UINT64_C(0) /* a reader refuses a segment with any other bit */
#define LAYOUT_N_SLOTS 3                      /* the writer's choice; readers take 2 to LAYOUT_MAX_SLOTS */
#define LAYOUT_MAX_SLOTS 16
#define LAYOUT_MAX_TABLES 16
#define LAYOUT_MAX_COLUMNS 1024
#define LAYOUT_MAX_ROWS (UINT32_C(1) << 24)
#define LAYOUT_MAX_ROW_SIZE 65536
#define LAYOUT_MAX_KEYS 4 /* columns that an index goes by */
#define LAYOUT_LINE 128 /* no two words that change independently are nearer than this */

enum { LAYOUT_STATE_LIVE, LAYOUT_STATE_SUPERSEDED, LAYOUT_STATE_CLOSED };

struct layout_header {
        uint64_t magic; /* stored last */
        uint32_t byte_order;
        uint16_t major, minor;
        uint64_t incompatible, compatible; /* feature bits */
        uint64_t size;                     /* of the segment */
        uint32_t header_size, table_size, column_size, dynamic_size;
        uint32_t slot_size; /* of the slot's head */
        uint32_t facts_size, facts_offset, contents_offset; /* offsets from the slot */
        uint32_t index_entry_size;
        uint32_t n_slots, n_tables, n_columns;
        uint64_t tables_offset, columns_offset, dynamic_offset, slots_offset, slot_stride;
        uint64_t owner_offset; /* of the word that the kernel marks when the writer dies */
        uint64_t incarnation;
        uint64_t schema_hash;
        uint64_t created_ns; /* CLOCK_BOOTTIME */
        uint8_t boot_id[16];
        uint32_t view; /* enum socktally_view */
        uint32_t writer_pid;
        uint64_t writer_start; /* clock ticks since boot, field 22 of /proc/PID/stat: with boot_id and pid unique */
        char version[32];
        uint64_t reserved[4];
};

/* A view that may not see a table does not have it. */
struct layout_table {
        char name[32];
        uint32_t id; /* LAYOUT_TABLE_x */
        uint32_t row_size, capacity;
        uint32_t first_column, n_columns;
        uint32_t index_size; /* entries, a power of two; 0: no index */
        uint32_t zero[2];
        uint64_t rows_offset, index_offset; /* from the slot */
        uint32_t keys[LAYOUT_MAX_KEYS];     /* field ids of the columns that the index goes by; 0: no more */
        uint64_t reserved[4];
};

struct layout_column {
        uint32_t field_id; /* permanent; 1 to 64: a metric, whose bit in known is field_id - 1 */
        uint32_t type;     /* enum socktally_column_type */
        uint32_t offset;   /* in the row */
        uint32_t bytes;    /* 4 or 8; for text the room, NUL included */
        char name[32], unit[16], help[112];
        uint64_t reserved[2];
};

struct layout_dynamic {
        uint64_t published; /* number of the newest whole publication, 0: none yet; in slot published % n_slots */
        uint8_t pad0[LAYOUT_LINE - 8];
        uint32_t wake; /* futex: one more at each publication and each change of state */
        uint8_t pad1[LAYOUT_LINE - 4];
        uint32_t state;
        uint8_t pad2[LAYOUT_LINE - 4];
        uint32_t owner; /* robust futex: the writer's thread ID, FUTEX_WAITERS, and from the kernel FUTEX_OWNER_DIED */
        uint8_t pad3[LAYOUT_LINE - 4];
};

/* What a publication has of one table. */
struct layout_content {
        uint64_t known; /* a bit for each metric of the table that is being counted */
        uint32_t count; /* rows in use */
        uint32_t reserved0;
        uint64_t reserved[2];
};

/* Head of a slot. Publication k makes seq 2k + 1 while it is written and 2k + 2 when it is whole. */
struct layout_slot {
        uint64_t seq;
        uint8_t pad0[LAYOUT_LINE - 8];
        uint64_t facts[16];                                /* struct layout_facts */
        struct layout_content contents[LAYOUT_MAX_TABLES]; /* by table id */
};

/* Open addressing, linear probing from index_place(key); row is the row's number plus one, 0 ends the search. */
struct layout_index_entry {
        uint32_t key; /* index_key() of the row */
        uint32_t row;
};

static_assert(sizeof(struct layout_header) == 256 && offsetof(struct layout_header, tables_offset) == 88 &&
                      offsetof(struct layout_header, version) == 192, "format");
static_assert(sizeof(struct layout_table) == 128 && offsetof(struct layout_table, keys) == 80, "format");
static_assert(sizeof(struct layout_column) == 192 && offsetof(struct layout_column, help) == 64, "format");
static_assert(sizeof(struct layout_dynamic) == 512 && offsetof(struct layout_dynamic, owner) == 384, "format");
static_assert(sizeof(struct layout_slot) == 768 && offsetof(struct layout_slot, contents) == 256, "format");
static_assert(sizeof(struct layout_content) == 32 && sizeof(struct layout_index_entry) == 8, "format");

#endif
