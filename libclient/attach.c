/* SPDX-License-Identifier: MIT */
/*
 * Maps a segment and decides whether it may be used. The order matters: first the file (who could change or shorten
 * it), then a private copy of header and descriptors, then checks on the copy alone. Arithmetic is in 64 bits on values
 * that were bounded before, so nothing wraps.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/attach.h"
#include "libclient/boot.h"
#include "libclient/schema.h"
#include "libclient/trust.h"

#define MAX_SIZE (UINT64_C(1) << 36)

__attribute__((format(printf, 3, 4))) static int refuse(char *reason, int error, const char *format, ...) {
        va_list arguments;

        if (reason) {
                va_start(arguments, format);
                (void) vsnprintf(reason, ATTACH_REASON_SIZE, format, arguments);
                va_end(arguments);
        }
        return error;
}

/* Is [offset, offset + count * size) inside limit, and aligned? All factors were bounded to 32 bits before. */
static bool is_inside(uint64_t offset, uint64_t count, uint64_t size, uint64_t limit) {
        return offset % 8 == 0 && offset <= limit && count * size <= limit - offset;
}

static int map(struct attachment *attachment, int fd, unsigned int flags, char *reason) {
        uint64_t size;
        void *base;
        int r;

        r = stly_trust_file(fd, flags, &size, &attachment->device, &attachment->inode, reason);
        if (r < 0)
                return r;
        if (size < sizeof(struct layout_header) || size > MAX_SIZE || size > SIZE_MAX)
                return refuse(reason, -EPROTO, "a file of %llu bytes is no segment", (unsigned long long) size);
        base = mmap(NULL, (size_t) size, PROT_READ, MAP_SHARED, fd, 0);
        if (base == MAP_FAILED)
                return refuse(reason, -errno, "cannot map it: %s", strerror(errno));
        attachment->base = base;
        attachment->size = (size_t) size;
        return 0;
}

static int check_version(const struct layout_header *header, char *reason) {
        if (header->magic != LAYOUT_MAGIC)
                return refuse(reason, -EPROTO, "the magic is missing: no segment, or one that was never completed");
        if (header->byte_order != LAYOUT_BYTE_ORDER)
                return refuse(reason, -EPROTO, "byte order mark %08x is not ours", header->byte_order);
        if (header->major != LAYOUT_MAJOR)
                return refuse(reason, -EPROTONOSUPPORT, "layout %u.%u, this library reads %u.x", header->major,
                              header->minor, LAYOUT_MAJOR);
        if (header->incompatible & ~LAYOUT_KNOWN_INCOMPATIBLE)
                return refuse(reason, -EPROTONOSUPPORT, "feature bits %llx are unknown to this library",
                              (unsigned long long) (header->incompatible & ~LAYOUT_KNOWN_INCOMPATIBLE));
        return 0;
}

/* A later minor version may append to structures, but never shorten one. */
static bool has_short_structure(const struct layout_header *header) {
        const struct {
                uint64_t said, least;
        } sizes[] = {
                { header->header_size, sizeof(struct layout_header) },
                { header->table_size, sizeof(struct layout_table) },
                { header->column_size, sizeof(struct layout_column) },
                { header->dynamic_size, sizeof(struct layout_dynamic) },
                { header->slot_size, sizeof(struct layout_slot) },
                { header->facts_size, sizeof(struct layout_facts) },
        };

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
                if (sizes[i].said < sizes[i].least)
                        return true;
        return header->index_entry_size != sizeof(struct layout_index_entry);
}

static bool is_descriptor_size(uint64_t size) {
        return size % 8 == 0 && size <= LAYOUT_MAX_ROW_SIZE;
}

static bool is_between(uint64_t value, uint64_t least, uint64_t most) {
        return value >= least && value <= most;
}

static int check_header(const struct layout_header *header, uint64_t size, char *reason) {
        if (header->size > size || header->size < sizeof(*header))
                return refuse(reason, -EPROTO, "the header says %llu bytes, the file has %llu",
                              (unsigned long long) header->size, (unsigned long long) size);
        if (has_short_structure(header))
                return refuse(reason, -EPROTO, "a structure is smaller than in layout %u.0", LAYOUT_MAJOR);
        if (!is_descriptor_size(header->table_size) || !is_descriptor_size(header->column_size))
                return refuse(reason, -EPROTO, "descriptors of %u and %u bytes", header->table_size,
                              header->column_size);
        if (!is_between(header->n_slots, 2, LAYOUT_MAX_SLOTS) || !is_between(header->n_tables, 1, LAYOUT_MAX_TABLES) ||
            header->n_columns > LAYOUT_MAX_COLUMNS)
                return refuse(reason, -EPROTO, "%u slots, %u tables, %u columns are out of range", header->n_slots,
                              header->n_tables, header->n_columns);
        return 0;
}

static int check_places(const struct layout_header *header, char *reason) {
        uint64_t size = header->size;

        if (!is_inside(header->tables_offset, header->n_tables, header->table_size, size) ||
            !is_inside(header->columns_offset, header->n_columns, header->column_size, size))
                return refuse(reason, -EPROTO, "the descriptors reach past the end");
        if (!is_inside(header->dynamic_offset, 1, header->dynamic_size, size) || header->owner_offset % 4 ||
            header->owner_offset > size - 4)
                return refuse(reason, -EPROTO, "the changing words are past the end");
        if (header->slot_stride > size || header->slot_stride % 8 || header->slot_size > header->slot_stride ||
            !is_inside(header->slots_offset, header->n_slots, header->slot_stride, size))
                return refuse(reason, -EPROTO, "the slots reach past the end");
        if (!is_inside(header->facts_offset, 1, header->facts_size, header->slot_size) ||
            !is_inside(header->contents_offset, LAYOUT_MAX_TABLES, sizeof(struct layout_content), header->slot_size))
                return refuse(reason, -EPROTO, "the facts are outside the slot's head");
        return 0;
}

static int check_table(const struct layout_header *header, const struct layout_table *table, char *reason) {
        if (!memchr(table->name, 0, sizeof(table->name)) || table->name[0] == 0)
                return refuse(reason, -EPROTO, "a table's name does not end");
        if (table->id >= LAYOUT_MAX_TABLES)
                return refuse(reason, -EPROTO, "table %s has the impossible id %u", table->name, table->id);
        if (table->row_size % 8 || !is_between(table->row_size, 8, LAYOUT_MAX_ROW_SIZE) ||
            !is_between(table->capacity, 1, LAYOUT_MAX_ROWS))
                return refuse(reason, -EPROTO, "table %s: %u rows of %u bytes are out of range", table->name,
                              table->capacity, table->row_size);
        if (table->n_columns > header->n_columns || table->first_column > header->n_columns - table->n_columns)
                return refuse(reason, -EPROTO, "table %s: its columns are not there", table->name);
        if (table->rows_offset < header->slot_size ||
            !is_inside(table->rows_offset, table->capacity, table->row_size, header->slot_stride))
                return refuse(reason, -EPROTO, "table %s: its rows reach past the slot's end", table->name);
        if (table->index_size > 4 * LAYOUT_MAX_ROWS || (table->index_size & (table->index_size - 1)))
                return refuse(reason, -EPROTO, "table %s: an index of %u entries", table->name, table->index_size);
        if (table->index_size > 0 && (table->index_offset < header->slot_size ||
                                      !is_inside(table->index_offset, table->index_size,
                                                 sizeof(struct layout_index_entry), header->slot_stride)))
                return refuse(reason, -EPROTO, "table %s: its index reaches past the slot's end", table->name);
        return 0;
}

static int check_column(const struct layout_table *table, const struct layout_column *column, char *reason) {
        bool is_text = column->type == SOCKTALLY_TEXT;

        if (!memchr(column->name, 0, sizeof(column->name)) || !memchr(column->unit, 0, sizeof(column->unit)) ||
            !memchr(column->help, 0, sizeof(column->help)) || column->name[0] == 0)
                return refuse(reason, -EPROTO, "table %s: a column's name does not end", table->name);
        if (column->type > SOCKTALLY_ID)
                return refuse(reason, -EPROTO, "column %s.%s: unknown type %u", table->name, column->name,
                              column->type);
        if (is_text ? column->bytes == 0 : column->bytes != 4 && column->bytes != 8)
                return refuse(reason, -EPROTO, "column %s.%s: %u bytes", table->name, column->name, column->bytes);
        if (column->bytes > table->row_size || column->offset > table->row_size - column->bytes ||
            (!is_text && column->offset % column->bytes))
                return refuse(reason, -EPROTO, "column %s.%s is not inside the row", table->name, column->name);
        return 0;
}

/* Copies the descriptors out, at their compiled sizes, so that they can be checked and kept. */
static int copy_descriptors(struct attachment *attachment) {
        const struct layout_header *header = &attachment->header;
        struct layout_column *columns;
        struct layout_table *tables;

        attachment->descriptors = calloc(1, header->n_tables * sizeof(*tables) + header->n_columns * sizeof(*columns));
        attachment->columns = calloc(header->n_columns + 1, sizeof(*attachment->columns));
        if (!attachment->descriptors || !attachment->columns)
                return -ENOMEM;
        tables = (void *) attachment->descriptors;
        columns = (void *) (tables + header->n_tables);
        for (uint32_t i = 0; i < header->n_tables; i++)
                memcpy(&tables[i], attachment->base + header->tables_offset + (size_t) i * header->table_size,
                       sizeof(*tables));
        for (uint32_t i = 0; i < header->n_columns; i++)
                memcpy(&columns[i], attachment->base + header->columns_offset + (size_t) i * header->column_size,
                       sizeof(*columns));
        return 0;
}

static void note_field(struct attached_table *table, const struct layout_column *column) {
        struct attached_field field = { column->offset, column->bytes };

        if (column->type == SOCKTALLY_TEXT)
                return;
        switch (column->field_id) {
        case FIELD_PID: table->pid = field; break;
        case FIELD_START_TIME: table->start_time = field; break;
        case FIELD_EXITED: table->exited = field; break;
        case FIELD_KIND: table->kind = field; break;
        case FIELD_UID: table->uid = field; break;
        case FIELD_CGROUP_ID: table->cgroup_id = field; break;
        }
}

static size_t align_line(size_t size) {
        return (size + 63) & ~(size_t) 63;
}

/* Notes where a checked table has its columns, rows and index. Unknown tables are left alone: the writer is newer. */
static void note_table(struct attachment *attachment, const struct layout_table *descriptor,
                        const struct layout_column *columns, const struct index_column *keys, int n_keys) {
        struct attached_table *table;

        if (descriptor->id >= LAYOUT_N_TABLES)
                return;
        table = &attachment->tables[descriptor->id];
        *table = (struct attached_table){
                .descriptor = descriptor,
                .columns = attachment->columns + descriptor->first_column,
                .n_columns = descriptor->n_columns,
                .capacity = descriptor->capacity,
                .row_size = descriptor->row_size,
                .index_size = descriptor->index_size,
                .n_keys = (uint32_t) n_keys,
                .rows_offset = (size_t) descriptor->rows_offset,
        };
        memcpy(table->keys, keys, sizeof(table->keys));
        if (table->index_size > 0) /* else the offset means nothing and was not checked */
                table->index_offset = (size_t) descriptor->index_offset;
        for (uint32_t i = 0; i < descriptor->n_columns; i++) {
                const struct layout_column *column = &columns[descriptor->first_column + i];

                attachment->columns[descriptor->first_column + i] = (struct socktally_column){
                        .name = column->name,
                        .unit = column->unit,
                        .help = column->help,
                        .type = (enum socktally_column_type) column->type,
                        .field_id = column->field_id,
                        .offset = column->offset,
                        .bytes = column->bytes,
                        .table = descriptor->id,
                };
                note_field(table, column);
        }
        table->snapshot_index_offset = attachment->snapshot_size;
        attachment->snapshot_size += align_line((size_t) table->index_size * sizeof(struct layout_index_entry));
        table->snapshot_rows_offset = attachment->snapshot_size;
        attachment->snapshot_size += align_line((size_t) table->capacity * table->row_size);
}

static int read_tables(struct attachment *attachment, char *reason) {
        const struct layout_header *header = &attachment->header;
        const struct layout_table *tables = (const void *) attachment->descriptors;
        const struct layout_column *columns = (const void *) (tables + header->n_tables);
        struct index_column keys[LAYOUT_MAX_KEYS] = { 0 };
        uint64_t hash = SCHEMA_HASH_START;
        uint32_t n_claimed = 0;
        int r, n_keys;

        for (uint32_t i = 0; i < header->n_tables; i++) {
                r = check_table(header, &tables[i], reason);
                if (r < 0)
                        return r;
                /* Each column belongs to one table, in order; so the hash covers all of them once. */
                if (tables[i].first_column != n_claimed)
                        return refuse(reason, -EPROTO, "table %s: its columns are not its own", tables[i].name);
                n_claimed += tables[i].n_columns;
                hash = stly_schema_hash_table(hash, &tables[i]);
                for (uint32_t j = 0; j < tables[i].n_columns; j++) {
                        const struct layout_column *column = &columns[tables[i].first_column + j];

                        r = check_column(&tables[i], column, reason);
                        if (r < 0)
                                return r;
                        hash = stly_schema_hash_column(hash, column);
                }
                for (uint32_t j = 0; j < i; j++)
                        if (tables[j].id == tables[i].id)
                                return refuse(reason, -EPROTO, "two tables have the id %u", tables[i].id);
                n_keys = stly_schema_index(&tables[i], columns + tables[i].first_column, keys);
                if (n_keys < 0)
                        return refuse(reason, -EPROTO, "table %s: its index goes by no column", tables[i].name);
                note_table(attachment, &tables[i], columns, keys, n_keys);
        }
        if (hash != header->schema_hash)
                return refuse(reason, -EPROTO, "the schema's hash is wrong");
        return 0;
}

/* A file may outlive a reboot where it is not on tmpfs; then its writer is gone without a mark. */
static bool is_this_boot(const struct layout_header *header) {
        uint8_t now[16], nothing[16] = { 0 };

        return stly_boot_id(now) < 0 || memcmp(header->boot_id, nothing, 16) == 0 ||
               memcmp(header->boot_id, now, 16) == 0;
}

static int read_segment(struct attachment *attachment, char *reason) {
        struct layout_header *header = &attachment->header;
        uint64_t magic;
        int r;

        /* Pairs with the writer's last store before the segment gets its name. */
        magic = __atomic_load_n((const uint64_t *) attachment->base, __ATOMIC_ACQUIRE);
        memcpy(header, attachment->base, sizeof(*header));
        header->magic = magic;
        header->version[sizeof(header->version) - 1] = 0;
        r = check_version(header, reason);
        if (r >= 0)
                r = check_header(header, attachment->size, reason);
        if (r >= 0)
                r = check_places(header, reason);
        if (r >= 0)
                r = copy_descriptors(attachment);
        if (r >= 0)
                r = read_tables(attachment, reason);
        if (r < 0)
                return r;
        attachment->dynamic = (const void *) (attachment->base + header->dynamic_offset);
        attachment->owner = (const void *) (attachment->base + header->owner_offset);
        attachment->is_same_boot = is_this_boot(header);
        return 0;
}

int stly_attachment_new(struct attachment **ret_attachment, int fd, unsigned int flags, char *reason) {
        struct attachment *attachment = calloc(1, sizeof(*attachment));
        int r;

        if (!attachment)
                return -ENOMEM;
        attachment->n_refs = 1;
        r = map(attachment, fd, flags, reason);
        if (r >= 0)
                r = read_segment(attachment, reason);
        if (r < 0) {
                stly_attachment_unref(attachment);
                return r;
        }
        *ret_attachment = attachment;
        return 0;
}

struct attachment *stly_attachment_ref(struct attachment *attachment) {
        attachment->n_refs++;
        return attachment;
}

void stly_attachment_unmap(struct attachment *attachment) {
        if (attachment->base)
                (void) munmap((void *) attachment->base, attachment->size);
        attachment->base = NULL;
        attachment->dynamic = NULL;
        attachment->owner = NULL;
}

struct attachment *stly_attachment_unref(struct attachment *attachment) {
        if (!attachment || --attachment->n_refs > 0)
                return NULL;
        stly_attachment_unmap(attachment);
        free(attachment->columns);
        free(attachment->descriptors);
        free(attachment);
        return NULL;
}

const struct layout_slot *stly_attachment_slot(const struct attachment *attachment, uint64_t number) {
        const struct layout_header *header = &attachment->header;

        return (const void *) (attachment->base + header->slots_offset +
                               header->slot_stride * (number % header->n_slots));
}

bool stly_attachment_is_same_writer(const struct attachment *a, const struct attachment *b) {
        const struct layout_header *x = &a->header, *y = &b->header;

        bool is_same_process = x->writer_pid == y->writer_pid && x->writer_start != 0 &&
                               x->writer_start == y->writer_start;

        return is_same_process && memcmp(x->boot_id, y->boot_id, sizeof(x->boot_id)) == 0 &&
               x->schema_hash == y->schema_hash;
}
