/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TEST_CONTROL_STAGE_H
#define SOCKTALLY_TEST_CONTROL_STAGE_H
#include "daemon/control/control.h"
#include "daemon/daemon.h"
#include "daemon/publish/publication.h"
#include "libclient/socktally.h"
#include "tests/unit/script-collect.h"
#include "tests/unit/tree.h"

#define MAIN_FILE "etc/socktally.conf"
#define RUNTIME_FILE "etc/socktally.conf.d/90-runtime.conf"

/* Each case has one; NULL where the daemon would not start, and control_start() skips the case. */
struct stage {
        struct tree *tree;
        struct script script;
        struct daemon *daemon;
        struct control *control; /* for the operations, and to look inside */
        const struct control_operations *ops;
        struct socktally *reader;
        struct control_error error;
        const char *directories[2];
        unsigned n_told;
        char directory[256], config[256]; /* options; the daemon keeps pointers to them */
};

int control_setup(void **state);
int control_teardown(void **state);
struct stage *control_start(void **state, const char *option);
int set_text(struct stage *stage, size_t setting, const char *text);
int set_number(struct stage *stage, size_t setting, uint64_t number);
uint64_t get_number(struct stage *stage, size_t setting);
const char *get_text(struct stage *stage, size_t setting);
void assert_error(struct stage *stage, int r, enum control_failure failure, const char *message);
struct control_settings_row row_of(struct stage *stage, const char *key);
void assert_row(struct stage *stage, const char *key, const char *value, const char *source);

/* What readers see: the stage's reader takes the newest publication. */
void refresh(struct stage *stage);
int read_bytes(struct stage *stage, enum socktally_table table, uint32_t number, uint64_t *ret_bytes);

#endif
