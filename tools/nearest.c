/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The distance of Damerau and Levenshtein without transposed edits inside each other, on names of a few letters. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tools/nearest.h"
#include "tools/options.h"
#include "tools/untrusted.h"

#define MAX_LENGTH 32
#define MAX_STEPS 2

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

static int lower(const char *text, size_t i) {
        return tolower((unsigned char)text[i]);
}

/* MAX_LENGTH: too long to be compared. */
static unsigned distance(const char *a, const char *b) {
        unsigned steps[MAX_LENGTH + 1][MAX_LENGTH + 1];
        size_t n = strlen(a), m = strlen(b);

        if (n > MAX_LENGTH || m > MAX_LENGTH)
                return MAX_LENGTH;
        for (size_t i = 0; i <= n; i++)
                for (size_t k = 0; k <= m; k++) {
                        if (i == 0 || k == 0) {
                                steps[i][k] = (unsigned)(i + k);
                                continue;
                        }
                        steps[i][k] = steps[i - 1][k - 1] + (lower(a, i - 1) != lower(b, k - 1));
                        steps[i][k] = least(steps[i][k], 1 + least(steps[i - 1][k], steps[i][k - 1]));
                        if (i > 1 && k > 1 && lower(a, i - 1) == lower(b, k - 2) && lower(a, i - 2) == lower(b, k - 1))
                                steps[i][k] = least(steps[i][k], 1 + steps[i - 2][k - 2]);
                }
        return steps[n][m];
}

const char *nearest_find(const char *text, const char *const names[], size_t n) {
        unsigned best = MAX_STEPS + 1;
        const char *found = NULL;

        for (size_t i = 0; i < n; i++) {
                unsigned steps = distance(text, names[i]);

                /* Two steps lead from any short word to any other. */
                if (steps < best && steps < strlen(names[i])) {
                        best = steps;
                        found = names[i];
                }
        }
        return found;
}

enum exit_status nearest_refuse(const char *command, const char *kind, const char *text, const char *const names[],
                                size_t n) {
        const char *found = nearest_find(text, names, n);
        char allowed[1024] = "", shown[128];
        size_t used = 0;

        for (size_t i = 0; i < n && used < sizeof(allowed); i++)
                used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%s", i ? ", " : "", names[i]);
        (void)untrusted_printable(shown, sizeof(shown), text);
        if (found)
                return options_refuse("%s: there is no %s '%s'; did you mean '%s'? allowed are %s", command, kind,
                                      shown, found, allowed);
        return options_refuse("%s: there is no %s '%s'; allowed are %s", command, kind, shown, allowed);
}
