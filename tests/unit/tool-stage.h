/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TEST_TOOL_STAGE_H
#define SOCKTALLY_TEST_TOOL_STAGE_H
/* The socktally command on the stage of bus-stage.h: its system bus is the stage's. */
#include "tests/unit/bus-stage.h"

/* What a run of the command left. */
struct said {
        int status; /* exit code; 128 + n after signal n */
        char out[65536], err[8192];
};

/* Runs socktally with these arguments, up to NULL. uid: as this user, or (uid_t) -1. Its runtime directory is the
 * stage's directory. */
void tool_stage_run(struct stage *stage, struct said *ret_said, uid_t uid, const char *const *arguments);
/* Whether another user can run the command: where the build directory is nobody's business, the case is skipped. */
bool tool_stage_is_open(struct stage *stage);
/* Fails with what was said unless text is in it. */
void tool_stage_expect(const char *said, const char *text);

#define SAY(stage, said, ...) tool_stage_run(stage, said, (uid_t) -1, (const char *const[]) { __VA_ARGS__, NULL })
#define SAY_AS_NOBODY(stage, said, ...) \
        tool_stage_run(stage, said, STAGE_NOBODY, (const char *const[]) { __VA_ARGS__, NULL })

#endif
