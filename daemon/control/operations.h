/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_OPERATIONS_H
#define SOCKTALLYD_CONTROL_OPERATIONS_H
/* The daemon as the control line sees it: a struct of operations, so that the bus face knows nothing of collectors and
 * segments, and tests can give it a daemon of paper. No operation blocks. On error nothing has changed, and the error
 * says what was wrong and what is allowed, in one line for a person. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum control_type { CONTROL_NO_VALUE, CONTROL_NUMBER, CONTROL_TEXT, CONTROL_BOOLEAN };

struct control_setting {
        const char *property; /* on the bus; NULL: it is not a property of the manager */
        const char *argument; /* of the method that sets it, whose name is Set and the property's */
        enum control_type type; /* CONTROL_NO_VALUE: it cannot be a property */
};

struct control_value {
        uint64_t number;  /* 0 or 1 for CONTROL_BOOLEAN */
        const char *text; /* for CONTROL_TEXT alone, else NULL; belongs to whoever made the value */
};

/* The names of errors on the bus: org.socktally1.Error.NAME */
enum control_failure {
        CONTROL_INVALID_ARGUMENT, /* InvalidArgument: out of range, unknown name, wrong unit */
        CONTROL_NOT_SUPPORTED,    /* NotSupported: this kernel or its policy refuses it */
        CONTROL_NO_SUCH_MODULE,   /* NoSuchModule */
        CONTROL_NOT_PERMITTED,    /* NotPermitted: the caller may not */
        CONTROL_NO_MEMORY,        /* NoMemory */
        CONTROL_FAILED            /* Failed: everything else */
};

struct control_error {
        enum control_failure failure;
        char message[256];
};

struct control_facts {
        const char *version, *kernel; /* kernel: as uname -r */
        uint64_t sequence, incarnation;
        uint64_t started_usec;        /* CLOCK_REALTIME */
        uint64_t cost_ns;             /* CPU time of the last interval */
        uint64_t kernel_memory;       /* bytes that maps take */
        uint64_t sockets_tracked, sockets_overflowed, rows_overflowed;
        uint64_t missed_tx_calls, missed_rx_calls; /* by the kernel, since counting began */
        uint32_t readers;
        uint64_t interval_usec;       /* in force now: the interval or the idle interval */
        gid_t full_group;             /* whose members may have the view "full"; 0 is root's own group */
};

/* No sum with a clock overflows. */
#define CONTROL_LIFETIME_MAX_USEC (UINT64_C(365) * 24 * 3600 * 1000000)

struct control_module {
        const char *name;      /* tcp, udp */
        bool is_enabled;
        const char *state;     /* "running", "off", "failed" */
        const char *reason;    /* one line, may be empty */
        const char *method;    /* the attach method in force, "" when off */
        uint64_t expires_usec; /* CLOCK_REALTIME when it is switched off; 0: never */
        uint64_t events, misses, ns_per_event; /* the first and the last: 0 while the kernel's statistics are off */
};

struct control_table {
        const char *name; /* processes, services */
        uint32_t capacity, used, peak;
        uint64_t overflowed;
        uint32_t capacity_min, capacity_max;
};

struct control_settings_row {
        const char *key;
        char value[64]; /* in force, as a configuration file would have it */
        const char *source; /* "default", "FILE:LINE", "command line" or "run time"; UTF-8; good until a change */
};

struct control_operations {
        /* memory: kernel_memory, which takes system calls; facts: all but that. */
        void (*facts)(void *daemon, struct control_facts *ret_facts);
        void (*memory)(void *daemon, struct control_facts *facts);
        /* Settings, by their number in the daemon's table. */
        size_t n_settings;
        int (*setting)(void *daemon, size_t number, struct control_setting *ret_setting);
        int (*settings_row)(void *daemon, size_t number, struct control_settings_row *ret_row);
        int (*get)(void *daemon, size_t setting, struct control_value *ret_value);
        /* May be NULL. Judges a value as set() would, before anybody is asked for a password. */
        int (*check)(void *daemon, size_t setting, const struct control_value *value, struct control_error *ret_error);
        int (*set)(void *daemon, size_t setting, const struct control_value *value, struct control_error *ret_error);
        size_t n_modules;
        /* module_statistics: events, misses and ns_per_event, which take system calls; module: all but those. */
        int (*module)(void *daemon, size_t number, struct control_module *ret_module);
        void (*module_statistics)(void *daemon, size_t number, struct control_module *module);
        /* lifetime_usec 0: for good. Enabling again sets the lifetime anew. */
        int (*module_enable)(void *daemon, size_t number, uint64_t lifetime_usec, struct control_error *ret_error);
        int (*module_disable)(void *daemon, size_t number, struct control_error *ret_error);
        size_t n_tables;
        int (*table)(void *daemon, size_t number, struct control_table *ret_table);
        int (*table_set_capacity)(void *daemon, size_t number, uint32_t capacity, struct control_error *ret_error);
        /* view: "public" or "full"; who calls has decided that it may be had. The descriptor stays the daemon's. */
        int (*open_segment)(void *daemon, const char *view, int *ret_fd, struct control_error *ret_error);
        /* Folds and publishes now: all that happened before the call is in the publication. */
        int (*sync)(void *daemon, uint64_t *ret_sequence, struct control_error *ret_error);
        /* Reads the files again; what was changed at run time and not saved is taken back. If a file cannot be read,
         * nothing changes. A line that is wrong, or a change that fails, is told; the rest is applied all the same. */
        int (*reload)(void *daemon, struct control_error *ret_error);
        /* What was changed at run time becomes a drop-in. */
        int (*save)(void *daemon, struct control_error *ret_error);
        /* changed is called from the loop after each publication and each change of what can be seen here, whoever made
         * it: a caller, an end of a lifetime, a signal. NULL: no longer. */
        void (*watch)(void *daemon, void (*changed)(void *userdata), void *userdata);
        /* Both may be NULL: the level of the log is fixed. Levels are those of syslog.h, LOG_EMERG to LOG_DEBUG. */
        int (*log_level)(void *daemon);
        int (*set_log_level)(void *daemon, int level, struct control_error *ret_error);
};

const struct control_operations *control_operations(void); /* of a struct control */

#endif
