/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes one shared segment. The memory is a file on tmpfs (or any directory) or a sealed memfd, allocated and
 * populated before anybody learns its size, so that neither side ever meets a hole. A publication is filled into a slot
 * that is not published (protocol.h), so readers always have the one before whole, whatever happens to this process.
 *
 * When the thread that called segment_new() dies before segment_free(), the kernel marks the owner word (death.h), and
 * readers know. It must therefore be the daemon's main thread. Never take file locks on a segment: readers can hold
 * them. Never put an address into one: everybody reads it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/publish/death.h"
#include "daemon/publish/segment.h"
#include "libclient/boot.h"
#include "libclient/copy.h"
#include "libclient/frame.h"
#include "libclient/futex.h"
#include "libclient/index.h"
#include "libclient/protocol.h"
#include "libclient/schema.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define PAGE 4096 /* of the format, not of the machine: the segment's parts start at multiples of it */
#define NAME_SIZE 64

struct segment {
        unsigned char *base;
        size_t size;
        int fd;       /* kept open for writing only until the mapping stands; then read-only, for handing out */
        int directory_fd; /* -1: memfd */
        char name[NAME_SIZE], temporary_name[NAME_SIZE + 8];
        bool is_named;
        ino_t inode;
        struct death_notice notice;

        struct layout_header *header;
        struct layout_table *tables[LAYOUT_N_TABLES]; /* in the segment; NULL: this view does not have it */
        struct layout_dynamic *dynamic;
        uint64_t sequence;      /* of the newest publication, or where numbering goes on */
        unsigned char *filling; /* where the caller writes now: in the slot, or private memory (copy.h) */
        unsigned char *staging;
};

static uint64_t align_to(uint64_t value, uint64_t step) {
        return (value + step - 1) / step * step;
}

/* Where everything goes, before there is memory for it. */
static void plan_tables(struct layout_header *header, struct layout_table *tables,
                        const struct segment_config *config) {
        uint64_t offset = sizeof(struct layout_slot);

        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                const struct schema_table *schema = stly_schema_table(id);
                struct layout_table *table = &tables[header->n_tables];

                if (config->capacity[id] == 0)
                        continue;
                *table = (struct layout_table){
                        .id = id,
                        .row_size = schema->row_size,
                        .capacity = config->capacity[id],
                        .first_column = header->n_columns,
                        .n_columns = schema->n_columns,
                };
                strncpy(table->name, schema->name, sizeof(table->name) - 1);
                memcpy(table->keys, schema->keys, sizeof(table->keys));
                if (schema->keys[0]) {
                        table->index_size = index_size_for(table->capacity);
                        table->index_offset = offset;
                        offset = align_to(offset + table->index_size * sizeof(struct layout_index_entry), LAYOUT_LINE);
                }
                table->rows_offset = offset;
                offset = align_to(offset + (uint64_t) table->capacity * table->row_size, LAYOUT_LINE);
                header->n_tables++;
                header->n_columns += schema->n_columns;
        }
        header->slot_stride = align_to(offset, PAGE);
}

static void plan_header(struct layout_header *header, struct layout_table *tables,
                        const struct segment_config *config) {
        *header = (struct layout_header){
                .byte_order = LAYOUT_BYTE_ORDER,
                .major = LAYOUT_MAJOR,
                .minor = LAYOUT_MINOR,
                .header_size = sizeof(struct layout_header),
                .table_size = sizeof(struct layout_table),
                .column_size = sizeof(struct layout_column),
                .dynamic_size = sizeof(struct layout_dynamic),
                .slot_size = sizeof(struct layout_slot),
                .facts_size = sizeof(struct layout_facts),
                .facts_offset = offsetof(struct layout_slot, facts),
                .contents_offset = offsetof(struct layout_slot, contents),
                .index_entry_size = sizeof(struct layout_index_entry),
                .n_slots = LAYOUT_N_SLOTS,
                .incarnation = config->incarnation,
                .view = config->view,
        };
        plan_tables(header, tables, config);
        header->tables_offset = sizeof(struct layout_header);
        header->columns_offset = header->tables_offset + header->n_tables * sizeof(struct layout_table);
        header->dynamic_offset =
                align_to(header->columns_offset + header->n_columns * sizeof(struct layout_column), PAGE);
        header->slots_offset = align_to(header->dynamic_offset + sizeof(struct layout_dynamic), PAGE);
        header->size = header->slots_offset + header->n_slots * header->slot_stride;
        header->owner_offset = header->dynamic_offset + offsetof(struct layout_dynamic, owner);
}

/* When this process started, field 22 of its stat; 0 without /proc, and then readers take every new segment for a
 * restart. */
static uint64_t writer_start(void) {
        uint64_t ticks = 0;
        char text[1024];
        const char *p;
        ssize_t n;
        int fd;

        fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        text[n < 0 ? 0 : n] = 0;
        /* The command name, field 2, is in parentheses and may hold anything. */
        p = strrchr(text, ')');
        for (int field = 2; p && field < 22; field++)
                p = strchr(p + 1, ' ');
        if (p)
                ticks = strtoull(p, NULL, 10);
        return ticks;
}

static void identify_writer(struct layout_header *header) {
        header->created_ns = clock_ns(CLOCK_BOOTTIME);
        header->writer_pid = (uint32_t) getpid();
        header->writer_start = writer_start();
        (void) stly_boot_id(header->boot_id);
        strncpy(header->version, PACKAGE_VERSION, sizeof(header->version) - 1);
}

static int make_file(struct segment *segment, const struct segment_config *config) {
        struct stat st;

        segment->directory_fd = open(config->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (segment->directory_fd < 0)
                return -errno;
        if (snprintf(segment->name, sizeof(segment->name), "%s", config->name) >= (int) sizeof(segment->name))
                return -ENAMETOOLONG;
        snprintf(segment->temporary_name, sizeof(segment->temporary_name), ".%s.new", config->name);

        /* A predecessor that died before its first publication leaves this name; nobody maps it. */
        (void) unlinkat(segment->directory_fd, segment->temporary_name, 0);
        segment->fd = openat(segment->directory_fd, segment->temporary_name,
                             O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (segment->fd < 0 || fstat(segment->fd, &st) < 0)
                return -errno;
        segment->inode = st.st_ino;
        return 0;
}

static int make_memfd(struct segment *segment, const struct segment_config *config) {
        char name[NAME_SIZE];

        snprintf(name, sizeof(name), "socktally-%s", config->name);
        segment->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
        if (segment->fd < 0 && errno == EINVAL)
                segment->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        return segment->fd < 0 ? -errno : 0;
}

/* With FUTURE_WRITE alone a receiver could allocate memory in the memfd, or add seals. With all four nobody can change
 * anything but through the mapping that is here already, and no reader can ever meet SIGBUS. */
static int seal(int fd) {
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
                return -errno;
        return 0;
}

/* Trades the descriptor open for writing for one that can only read. */
static int reopen_read_only(struct segment *segment) {
        char path[64];
        int fd;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 && segment->directory_fd >= 0) /* no /proc here */
                fd = openat(segment->directory_fd, segment->temporary_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        close(segment->fd);
        segment->fd = fd;
        return 0;
}

static int make_memory(struct segment *segment, const struct segment_config *config,
                       const struct layout_header *header) {
        size_t size = header->size;
        int r;

        r = config->directory ? make_file(segment, config) : make_memfd(segment, config);
        if (r < 0)
                return r;
        r = posix_fallocate(segment->fd, 0, (off_t) size); /* ENOSPC now, instead of SIGBUS later */
        if (r > 0)
                return -r;
        if (config->gid != (gid_t) -1 && fchown(segment->fd, (uid_t) -1, config->gid) < 0)
                return -errno;
        if (fchmod(segment->fd, config->directory ? config->mode : 0444) < 0)
                return -errno;

        segment->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, segment->fd, 0);
        if (segment->base == MAP_FAILED) {
                segment->base = NULL;
                return -errno;
        }
        segment->size = size;
        r = death_notice_init(&segment->notice, segment->fd, header->owner_offset);
        if (r >= 0 && !config->directory)
                r = seal(segment->fd);
        return r < 0 ? r : reopen_read_only(segment);
}

static void describe_columns(struct segment *segment) {
        struct layout_column *column = (void *) (segment->base + segment->header->columns_offset);
        uint64_t hash = SCHEMA_HASH_START;

        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                struct schema_column from;

                if (!segment->tables[id])
                        continue;
                hash = stly_schema_hash_table(hash, segment->tables[id]);
                for (uint32_t i = 0; stly_schema_column(stly_schema_table(id), i, &from); i++, column++) {
                        *column = (struct layout_column){ .field_id = from.field_id,
                                                          .type = from.type,
                                                          .offset = from.offset,
                                                          .bytes = from.bytes };
                        strncpy(column->name, from.name, sizeof(column->name) - 1);
                        strncpy(column->unit, from.unit, sizeof(column->unit) - 1);
                        strncpy(column->help, from.help, sizeof(column->help) - 1);
                        hash = stly_schema_hash_column(hash, column);
                }
        }
        segment->header->schema_hash = hash;
}

static void describe(struct segment *segment, const struct layout_header *header, const struct layout_table *tables) {
        struct layout_table *table = (void *) (segment->base + header->tables_offset);

        segment->header = (void *) segment->base;
        *segment->header = *header;
        for (uint32_t i = 0; i < header->n_tables; i++) {
                table[i] = tables[i];
                segment->tables[tables[i].id] = &table[i];
        }
        segment->dynamic = (void *) (segment->base + header->dynamic_offset);
        describe_columns(segment);
}

static bool is_config_sane(const struct segment_config *config) {
        bool has_table = false;

        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                if (config->capacity[id] > LAYOUT_MAX_ROWS)
                        return false;
                has_table = has_table || config->capacity[id] > 0;
        }
        return has_table && config->name && *config->name && !strchr(config->name, '/');
}

int segment_new(struct segment **ret_segment, const struct segment_config *config) {
        struct layout_table tables[LAYOUT_N_TABLES] = {};
        struct layout_header header;
        struct segment *segment;
        int r;

        if (!is_config_sane(config))
                return -EINVAL;
        plan_header(&header, tables, config);
        identify_writer(&header);
        segment = calloc(1, sizeof(*segment));
        if (!segment)
                return -ENOMEM;
        segment->fd = segment->directory_fd = -1;

        r = make_memory(segment, config, &header);
        if (r >= 0)
                describe(segment, &header, tables);
        if (r >= 0 && COPY_IS_ATOMIC) {
                segment->staging = calloc(1, header.slot_stride);
                r = segment->staging ? 0 : -ENOMEM;
        }
        if (r < 0) {
                segment_free(segment, false);
                return r;
        }
        *ret_segment = segment;
        return 0;
}

static void wake_readers(struct segment *segment) {
        (void) __atomic_fetch_add(&segment->dynamic->wake, 1, __ATOMIC_RELEASE); /* pairs with socktally_wait() */
        futex_wake_all(&segment->dynamic->wake);
}

/* Takes the name away, if it is still ours: a successor may have it. */
static void remove_name(const struct segment *segment) {
        const char *name = segment->is_named ? segment->name : segment->temporary_name;
        struct stat st;

        if (segment->directory_fd >= 0 && fstatat(segment->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 &&
            st.st_ino == segment->inode)
                (void) unlinkat(segment->directory_fd, name, 0);
}

struct segment *segment_free(struct segment *segment, bool is_superseded) {
        if (!segment)
                return NULL;
        if (segment->dynamic) {
                __atomic_store_n(&segment->dynamic->state,
                                 is_superseded ? LAYOUT_STATE_SUPERSEDED : LAYOUT_STATE_CLOSED, __ATOMIC_RELEASE);
                wake_readers(segment);
        }
        remove_name(segment);
        death_notice_done(&segment->notice); /* after the state, which says why the word is 0 */
        if (segment->base)
                (void) munmap(segment->base, segment->size);
        if (segment->fd >= 0)
                close(segment->fd);
        if (segment->directory_fd >= 0)
                close(segment->directory_fd);
        free(segment->staging);
        free(segment);
        return NULL;
}

static unsigned char *slot_of(const struct segment *segment, uint64_t number) {
        return segment->base + segment->header->slots_offset +
               segment->header->slot_stride * protocol_slot(number, segment->header->n_slots);
}

void segment_begin(struct segment *segment, struct segment_fill *ret_fill) {
        uint64_t number = segment->sequence + 1;
        unsigned char *slot = slot_of(segment, number);

        *ret_fill = (struct segment_fill){};
        protocol_write_begin(&((struct layout_slot *) slot)->seq, number);
        segment->filling = COPY_IS_ATOMIC ? segment->staging : slot;
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (segment->tables[id]) {
                        ret_fill->rows[id] = segment->filling + segment->tables[id]->rows_offset;
                        ret_fill->capacity[id] = segment->tables[id]->capacity;
                }
        ret_fill->facts = (void *) ((struct layout_slot *) segment->filling)->facts;
        *ret_fill->facts = (struct layout_facts){};
}

static void build_index(struct segment *segment, const struct layout_table *table, uint32_t n_rows) {
        const struct layout_column *columns = (void *) (segment->base + segment->header->columns_offset);
        struct layout_index_entry *index = (void *) (segment->filling + table->index_offset);
        const unsigned char *row = segment->filling + table->rows_offset;
        struct index_column keys[LAYOUT_MAX_KEYS];
        int n_keys = stly_schema_index(table, columns + table->first_column, keys);
        uint32_t key;

        if (n_keys <= 0)
                return;
        memset(index, 0, table->index_size * sizeof(*index));
        for (uint32_t i = 0; i < n_rows; i++, row += table->row_size)
                if (index_key(row, keys, (uint32_t) n_keys, &key))
                        index_insert(index, table->index_size, key, i);
}

/* After the first publication: stores the magic, then gives the file its name. So whoever opens the file by its name
 * finds it complete. */
static int make_visible(struct segment *segment) {
        if (segment->header->magic != LAYOUT_MAGIC) /* once: readers copy the header */
                __atomic_store_n(&segment->header->magic, LAYOUT_MAGIC, __ATOMIC_RELEASE);
        if (segment->is_named || segment->directory_fd < 0)
                return 0;
        if (renameat(segment->directory_fd, segment->temporary_name, segment->directory_fd, segment->name) < 0)
                return -errno;
        segment->is_named = true;
        return 0;
}

int segment_publish(struct segment *segment, struct segment_fill *fill) {
        uint64_t number = segment->sequence + 1;
        struct layout_slot *slot = (void *) slot_of(segment, number);
        struct layout_slot *head = (void *) segment->filling;
        int r;

        if (!head)
                return -EINVAL;
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++)
                if (fill->count[id] > (segment->tables[id] ? segment->tables[id]->capacity : 0))
                        return -ENOBUFS;
        fill->facts->sequence = number;
        memset(head->contents, 0, sizeof(head->contents));
        for (uint32_t id = 0; id < LAYOUT_N_TABLES; id++) {
                if (!segment->tables[id])
                        continue;
                head->contents[id] = (struct layout_content){
                        .known = fill->known[id] & stly_schema_table(id)->metrics,
                        .count = fill->count[id],
                };
                build_index(segment, segment->tables[id], fill->count[id]);
        }
        if (COPY_IS_ATOMIC)
                copy_to_slot(slot->facts, head->facts,
                             segment->header->slot_stride - offsetof(struct layout_slot, facts));

        protocol_write_end(&slot->seq, number);
        protocol_publish(&segment->dynamic->published, number);
        segment->sequence = number;
        segment->filling = NULL;
        r = make_visible(segment);
        wake_readers(segment);
        return r;
}

uint64_t segment_sequence(const struct segment *segment) {
        return segment->sequence;
}

void segment_set_sequence(struct segment *segment, uint64_t sequence) {
        segment->sequence = sequence;
}

int segment_fd(const struct segment *segment) {
        return segment->fd;
}
