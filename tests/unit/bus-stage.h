/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TEST_BUS_STAGE_H
#define SOCKTALLY_TEST_BUS_STAGE_H
/*
 * A bus of the test's own with a daemon of paper behind the real bus face, and a polkit that says what the script says.
 * Each is a process; what they know and did is in shared memory. The system bus is never touched.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-bus.h>

#include "daemon/control/operations.h"
#include "daemon/control/settings.h"

#define STAGE_NAME "org.socktally1"
#define STAGE_PATH "/org/socktally1"
#define STAGE_MANAGER "org.socktally1.Manager"
#define STAGE_MODULE "org.socktally1.Module"
#define STAGE_TABLE "org.socktally1.Table"
#define STAGE_GROUP 4242
#define STAGE_NOBODY 65534
#define STAGE_SOMEBODY 1 /* the bus wants users to be known */

enum stage_polkit { POLKIT_YES, POLKIT_NO, POLKIT_CHALLENGE, POLKIT_ERROR, POLKIT_GARBAGE, POLKIT_SILENT };

/* Shared by all processes of the stage. */
struct stage_script {
        struct settings settings; /* by the daemon's own table */
        bool is_enabled[2], is_unmeasured; /* the kernel keeps no statistics of programs */
        uint64_t expires[2];
        uint32_t capacity[2];
        uint32_t readers;
        uint64_t incarnation, sequence;
        int log_level;
        int fail_next; /* 1 + enum control_failure: the next operation fails like that */
        char fail_text[256];
        uint32_t n_sets, n_syncs, n_reloads, n_saves;
        uint32_t n_costly; /* looks at what takes system calls */
        enum stage_polkit polkit;
        uint32_t n_checks, n_cancels, flags;
        char action[64], subject[64];
};

struct CMUnitTest;

struct stage {
        struct stage_script *script;
        sd_bus *bus; /* the test's own connection */
        char directory[64], address[96];
        pid_t broker, daemon, polkit;
};

/* The main of a test whose last n_root cases need root; without, they are left out, and that is said. */
int stage_run(const struct CMUnitTest *cases, size_t n, size_t n_root);
int stage_open(void **state);
/* With another daemon: what it returns is judged by stage_close(). */
int stage_open_with(void **state, int (*run)(const char *address, struct stage_script *script));
/* Fails when the daemon leaked or crashed. */
int stage_close(void **state);
void stage_start_polkit(struct stage *stage, enum stage_polkit polkit);
/* Tells the daemon that its script was edited. */
void stage_touch(struct stage *stage);
/* Waits until a counter of the script is so high. */
void stage_wait_message(sd_bus *bus); /* until one may have come */
void stage_wait(const volatile uint32_t *counter, uint32_t wanted);
/* The bus dies, and another comes at its place; returns when the daemon is on it. */
void stage_restart_broker(struct stage *stage);
sd_bus *stage_connect(struct stage *stage);

/* Runs as another user, in the group when asked; returns what act returned there, 0 to 100. */
typedef int (*stage_act)(struct stage *stage, sd_bus *bus);
int stage_as_nobody(struct stage *stage, bool is_in_group, stage_act act);
int stage_as(struct stage *stage, uid_t uid, stage_act act);
/* The same as nobody, not waited for: the process that does it. */
pid_t stage_fork_nobody(struct stage *stage, bool is_in_group, stage_act act);

/* Calls without result or with one that nobody wants; 0 or the negative errno, and the error's name. */
int stage_call(sd_bus *bus, const char *path, const char *interface, const char *method, char ret_error[128],
               const char *types, ...);

#endif
