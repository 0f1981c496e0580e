/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/exit-status.h"
#include "tools/finding.h"
#include "tools/untrusted.h"

void finding_add(struct findings *findings, enum finding_level level, const char *what, const char *advice,
                 const char *format, ...) {
        struct finding *list = reallocarray(findings->list, findings->n + 1, sizeof(*list)), *finding;
        char text[sizeof(finding->text)];
        va_list arguments;

        if (!list)
                err(STATUS_FAILED, "cannot keep what was found");
        findings->list = list;
        finding = &list[findings->n++];
        findings->n_of_level[level]++;
        finding->level = level;
        va_start(arguments, format);
        (void)vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void)untrusted_printable(finding->text, sizeof(finding->text), text);
        (void)untrusted_printable(finding->what, sizeof(finding->what), what);
        (void)snprintf(finding->advice, sizeof(finding->advice), "%s", advice ? advice : "");
}

const char *finding_level_name(enum finding_level level) {
        static const char *const names[N_FINDING_LEVELS] = {
                [FINDING_OK] = "ok",
                [FINDING_INFO] = "info",
                [FINDING_WARNING] = "warning",
                [FINDING_PROBLEM] = "problem",
        };

        return names[level];
}

void findings_done(struct findings *findings) {
        free(findings->list);
        *findings = (struct findings){ NULL, 0, { 0 } };
}
