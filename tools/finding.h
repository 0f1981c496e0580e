/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_FINDING_H
#define SOCKTALLY_FINDING_H
/* What the doctor found: one line each, with what to do where something can be done. */
#include <stddef.h>

enum finding_level {
        FINDING_OK,   /* as it should be */
        FINDING_INFO, /* good to know: not as everywhere, or not to be found out, and nothing is wrong because of it */
        FINDING_WARNING,
        FINDING_PROBLEM,
        N_FINDING_LEVELS
};

struct finding {
        enum finding_level level;
        char what[48];    /* was looked at: "kernel", "view full" */
        char text[512];   /* was found; clean for a terminal */
        char advice[256]; /* empty: there is nothing to do */
};

struct findings {
        struct finding *list;
        size_t n, n_of_level[N_FINDING_LEVELS];
};

/* advice: NULL or a text of the program's own. Ends the command when there is no memory. */
void finding_add(struct findings *findings, enum finding_level level, const char *what, const char *advice,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));
const char *finding_level_name(enum finding_level level);
void findings_done(struct findings *findings);

#endif
