/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "daemon/totals/overflow.h"

enum { SOCKETS, PROCESSES, GROUPS, N_TABLES = GROUPS + N_GROUPINGS };

static uint64_t count(const struct totals_result *result, const struct ledger_health *health, unsigned table) {
        switch (table) {
        case SOCKETS:
                return health->sockets_overflowed;
        case PROCESSES:
                return health->rows_overflowed + result->rows_overflowed;
        default:
                return result->groups[table - GROUPS].n_overflowed;
        }
}

bool overflow_say(const struct totals_result *result, const struct ledger_health *health, struct overflow_news *news,
                  char *ret_line, size_t size) {
        static const struct {
                const char *name, *key;
        } tables[N_TABLES] = {
                [SOCKETS] = { "tracked sockets", "Sockets" },
                [PROCESSES] = { "processes", "Processes" },
                [GROUPS + BY_SERVICE] = { "services", "ServiceRows" },
                [GROUPS + BY_APP] = { "apps", "AppRows" },
                [GROUPS + BY_CONTAINER] = { "containers", "ContainerRows" },
                [GROUPS + BY_USER] = { "users", "UserRows" },
        };

        for (unsigned i = 0; i < N_TABLES; i++) {
                if (news->said >> i & 1 || count(result, health, i) == 0)
                        continue;
                news->said |= UINT32_C(1) << i;
                snprintf(ret_line, size,
                         "The table of %s is full; what does not fit is counted in its overflow row, %s= makes it "
                         "larger", tables[i].name, tables[i].key);
                return true;
        }
        return false;
}
