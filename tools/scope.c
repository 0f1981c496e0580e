/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tools/scope.h"

#define BIT(metric) (UINT64_C(1) << SOCKTALLY_METRIC_##metric)

static const struct {
        uint64_t all, private, internet;
} scoped[] = {
#define X(name) { BIT(name), BIT(name##_private), BIT(name##_internet) },
        SOCKTALLY_SCOPED(X)
#undef X
};

static const char names[][9] = { [SCOPE_ALL] = "all", [SCOPE_REMOTE] = "remote", [SCOPE_INTERNET] = "internet" };

bool scope_find(const char *name, enum scope *ret_scope) {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i], name) == 0) {
                        *ret_scope = (enum scope)i;
                        return true;
                }
        return false;
}

const char *scope_name(enum scope scope) {
        return names[scope];
}

uint64_t scope_metrics(enum scope scope, uint64_t metrics) {
        uint64_t result = metrics;

        for (size_t i = 0; scope != SCOPE_ALL && i < sizeof(scoped) / sizeof(scoped[0]); i++) {
                if (!(metrics & scoped[i].all))
                        continue;
                result &= ~scoped[i].all;
                result |= scoped[i].internet | (scope == SCOPE_REMOTE ? scoped[i].private : 0);
        }
        return result;
}
