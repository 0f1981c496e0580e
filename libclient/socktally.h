/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_H
#define SOCKTALLY_H
/*
 * libsocktally: read what Socktally publishes about the network traffic of processes and services.
 *
 * A reader holds a private copy of the newest publication (the *snapshot*). socktally_refresh() takes the next one;
 * between two refreshes every row, column and lookup shows one consistent moment. Refreshing and looking up make no
 * system call. Nothing here starts a thread, installs a signal handler, calls back or allocates per refresh.
 *
 * A reader belongs to one thread at a time; different readers are independent. Functions return 0 or a positive,
 * documented outcome, or a negative errno value. Pointers handed out point into the snapshot and stay valid until the
 * next call of socktally_refresh(), socktally_wait() or socktally_close() on that reader.
 */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SOCKTALLY_PUBLIC_API __attribute__((visibility("default")))
struct socktally; /* a reader */
enum socktally_view {
        SOCKTALLY_VIEW_BEST = 0,   /* the widest view the daemon grants to this user */
        SOCKTALLY_VIEW_PUBLIC = 1, /* host and system services */
        SOCKTALLY_VIEW_USER = 2,   /* public and the caller's own processes */
        SOCKTALLY_VIEW_FULL = 3    /* everything: root and group socktally */
};

enum socktally_table {
        SOCKTALLY_TABLE_HOST = 0, /* one row: the sum of everything */
        SOCKTALLY_TABLE_SERVICES = 1,
        SOCKTALLY_TABLE_PROCESSES = 2,
        SOCKTALLY_TABLE_APPS = 3, SOCKTALLY_TABLE_CONTAINERS = 4, SOCKTALLY_TABLE_USERS = 5
};

/* What a row stands for: column "kind". */
enum socktally_row_kind {
        SOCKTALLY_ROW_PROCESS = 0,  /* a process that lives or has just exited */
        SOCKTALLY_ROW_KERNEL = 1,   /* sockets of the kernel itself */
        SOCKTALLY_ROW_OVERFLOW = 2, /* what did not fit into a table */
        SOCKTALLY_ROW_EXITED = 3,   /* sum of the processes whose own rows are gone */
        SOCKTALLY_ROW_SERVICE = 4,  /* a systemd unit */
        SOCKTALLY_ROW_NO_UNIT = 5,  /* processes outside every unit */
        SOCKTALLY_ROW_HOST = 6,
        SOCKTALLY_ROW_ENDED = 7,    /* sum of units, apps, ... that ended, and whose rows others needed */
        SOCKTALLY_ROW_APP = 8,      /* an application */
        SOCKTALLY_ROW_CONTAINER = 9, SOCKTALLY_ROW_USER = 10,
        SOCKTALLY_ROW_NO_APP = 11,  /* processes outside every app, every container; whose user is unknown */
        SOCKTALLY_ROW_NO_CONTAINER = 12, SOCKTALLY_ROW_NO_USER = 13
};

/* Three answers that are never mixed up. */
enum socktally_answer {
        SOCKTALLY_VALUE = 0,
        SOCKTALLY_NOT_TRACKED = 1,  /* unknown: nobody counts this at the moment */
        SOCKTALLY_NOT_PERMITTED = 2 /* known, but not in the view this reader was granted */
};

/* STALE: the daemon is gone or stuck, the snapshot is the last good one. */
enum socktally_freshness { SOCKTALLY_FRESH = 0, SOCKTALLY_STALE = 1 };

enum socktally_column_type { SOCKTALLY_COUNTER = 0, SOCKTALLY_GAUGE = 1, SOCKTALLY_TEXT = 2, SOCKTALLY_ID = 3 };

struct socktally_options {
        size_t size;             /* sizeof(struct socktally_options); must be set */
        enum socktally_view view;
        const char *socket_path; /* NULL: /run/socktally/readers */
        const char *file_path;   /* not NULL: map this segment file and do not talk to the daemon */
};

struct socktally_info {
        size_t size;               /* sizeof(struct socktally_info); must be set */
        uint64_t sequence;         /* number of the publication in the snapshot, grows by one each; 0: none yet */
        uint64_t time_ns;          /* CLOCK_BOOTTIME when it was sampled, nanoseconds */
        uint64_t realtime_ns;      /* CLOCK_REALTIME of the same moment */
        uint64_t interval_ns;      /* how far apart publications are at the moment */
        uint64_t incarnation;      /* another one per start of the daemon; a table that grows keeps it */
        enum socktally_view view;  /* what was granted */
        enum socktally_freshness freshness;
        uint32_t daemon_pid;       /* to print; never to trust */
        uint32_t layout_major, layout_minor;
        const char *daemon_version;
        uint64_t sockets_tracked;    /* sockets that have a ledger now */
        uint64_t sockets_overflowed; /* calls charged to the overflow row for want of a ledger */
        uint64_t rows_overflowed;    /* times that no process row could be made */
        uint64_t cost_ns;            /* CPU time of the daemon for the interval before, nanoseconds */
        uint64_t missed_tx_calls, missed_rx_calls; /* calls that no row has, as the kernel skipped them: in all, */
        uint64_t interval_missed_tx_calls, interval_missed_rx_calls; /* and in the interval before; 0: it is exact */
        uint32_t missed_is_exact;    /* 0: at most so many were missed */
        uint64_t complete_ns;        /* what happened until then is in this publication, see below */
};

/* A column of a table, found by name once and used for every row until the reader says CHANGED. The strings live until
 * the CHANGED after that. */
struct socktally_column {
        const char *name, *unit, *help;
        enum socktally_column_type type;
        uint32_t field_id; /* permanent */
        uint32_t offset;   /* in the row, bytes */
        uint32_t bytes;    /* 4 or 8 for numbers; room including the NUL for text */
        uint32_t table;    /* enum socktally_table */
};

/* A row in the snapshot. Plain data: copy it as you like, use it until the next refresh. */
struct socktally_row {
        const struct socktally *reader;
        uint32_t table;
        uint32_t index;
        const void *data;
};

enum socktally_refresh_result {
        SOCKTALLY_UNCHANGED = 0,
        SOCKTALLY_NEW = 1,    /* a new snapshot; counters continue */
        SOCKTALLY_CHANGED = 2 /* a new snapshot from a new segment: look columns up again */
};

/* Opens a reader. options may be NULL. Tries the readers' socket first, which may start the daemon, then the files
 * beside it. Waits until the daemon is ready or has failed: at most 30 seconds, or 2 where there is a file of a daemon
 * that lives. -ENOENT, -ECONNREFUSED: no daemon; -ECONNRESET: it failed to start, or ended; -ETIMEDOUT: it is silent;
 * -EAGAIN: it is not ready; -EACCES: the view asked for is not permitted, or the file is not to be trusted; -EUSERS: it
 * has too many readers; -EPROTO: not a valid segment; -EPROTONOSUPPORT: the daemon speaks no layout that this library
 * knows. */
SOCKTALLY_PUBLIC_API int socktally_open(struct socktally **ret_reader, const struct socktally_options *options);
/* Opens a reader on a segment's descriptor, as OpenSegment on D-Bus hands out. Takes the descriptor over, also on
 * error. */
SOCKTALLY_PUBLIC_API int socktally_open_fd(struct socktally **ret_reader, int fd);
/* Frees the reader; NULL is fine. Always returns NULL. */
SOCKTALLY_PUBLIC_API struct socktally *socktally_close(struct socktally *reader);

/* Takes the newest publication, if there is one that the reader has not seen. Returns enum socktally_refresh_result
 * or negative errno; on error the last snapshot stays. That the daemon is gone is no error: the reader keeps its
 * snapshot, is stale (socktally_get_info()), and looks for a successor at each refresh, without blocking and ever
 * less often. */
SOCKTALLY_PUBLIC_API int socktally_refresh(struct socktally *reader);
/* Waits for the next publication and takes it. timeout_usec: UINT64_MAX waits for ever. Returns as socktally_refresh();
 * SOCKTALLY_UNCHANGED when the time was over. -EINTR when a signal came. */
SOCKTALLY_PUBLIC_API int socktally_wait(struct socktally *reader, uint64_t timeout_usec);
/* A descriptor that polls readable when there is something for socktally_refresh() to do: a publication, or a time
 * to look for the daemon again. The same for the reader's whole life; the reader keeps ownership. Negative errno
 * when there are no descriptors left. Once this was called, a refresh makes a few system calls. */
SOCKTALLY_PUBLIC_API int socktally_fd(struct socktally *reader);

/* Facts about the snapshot and where it came from. */
SOCKTALLY_PUBLIC_API int socktally_get_info(const struct socktally *reader, struct socktally_info *info);

/* Number of rows of the table in the snapshot; 0 for a table that this view does not have. */
SOCKTALLY_PUBLIC_API size_t socktally_count(const struct socktally *reader, enum socktally_table table);
/* Row number index. -ENOENT past the end; SOCKTALLY_NOT_PERMITTED when the view lacks the table. */
SOCKTALLY_PUBLIC_API int socktally_row(const struct socktally *reader, enum socktally_table table, size_t index,
                                       struct socktally_row *ret_row);
/* The process with this PID (initial PID namespace), in constant time. start_time: nanoseconds since boot as in column
 * start_time, or 0 for whichever process has the PID now. Returns SOCKTALLY_VALUE, SOCKTALLY_NOT_TRACKED or
 * SOCKTALLY_NOT_PERMITTED. */
SOCKTALLY_PUBLIC_API int socktally_find_process(const struct socktally *reader, uint32_t pid, uint64_t start_time,
                                                struct socktally_row *ret_row);
/* The row with this text in column service, app or container: uid is UINT32_MAX for one of the system, else whose
 * manager runs it, or whose it is. */
SOCKTALLY_PUBLIC_API int socktally_find_service(const struct socktally *reader, const char *unit, uint32_t uid,
                                                struct socktally_row *ret_row);
SOCKTALLY_PUBLIC_API int socktally_find_app(const struct socktally *reader, const char *app, uint32_t uid,
                                            struct socktally_row *ret_row);
SOCKTALLY_PUBLIC_API int socktally_find_container(const struct socktally *reader, const char *container, uint32_t uid,
                                                  struct socktally_row *ret_row);
SOCKTALLY_PUBLIC_API int socktally_find_user(const struct socktally *reader, uint32_t uid,
                                             struct socktally_row *ret_row);

/* Columns by number or name; -ENOENT when the table has none such. */
SOCKTALLY_PUBLIC_API size_t socktally_column_count(const struct socktally *reader, enum socktally_table table);
SOCKTALLY_PUBLIC_API int socktally_column_at(const struct socktally *reader, enum socktally_table table, size_t index,
                                             struct socktally_column *ret_column);
SOCKTALLY_PUBLIC_API int socktally_column(const struct socktally *reader, enum socktally_table table, const char *name,
                                          struct socktally_column *ret_column);
/* A number. Returns enum socktally_answer; ret_value is set for SOCKTALLY_VALUE only. -EINVAL: text column, or a column
 * of another table. */
SOCKTALLY_PUBLIC_API int socktally_value(const struct socktally_row *row, const struct socktally_column *column,
                                         uint64_t *ret_value);
/* A text: NUL terminated, valid UTF-8 without control characters, untrusted. Returns enum socktally_answer;
 * SOCKTALLY_NOT_TRACKED for an empty one. */
SOCKTALLY_PUBLIC_API int socktally_text(const struct socktally_row *row, const struct socktally_column *column,
                                        const char **ret_text);
/* Growth per second of a counter between the snapshot before and this one. SOCKTALLY_NOT_TRACKED when there is no
 * earlier snapshot, the row is new in a view that has no history, or the counter is unknown in either of them. A row
 * that was not there before counts from 0 when the snapshot before is from the same incarnation. Never negative. */
SOCKTALLY_PUBLIC_API int socktally_rate(const struct socktally_row *row, const struct socktally_column *column,
                                        double *ret_per_second);
/* Copies all rows of a table, row_size apart, at memcpy speed. Returns the number of rows, or -ENOBUFS when the buffer
 * is too small; ret_row_size may be NULL. */
SOCKTALLY_PUBLIC_API long socktally_copy_rows(const struct socktally *reader, enum socktally_table table, void *buffer,
                                              size_t size, size_t *ret_row_size);

/* Version of the library, "0.1.0". */
SOCKTALLY_PUBLIC_API const char *socktally_version(void);

#ifdef __cplusplus
}
#endif
#endif
