/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tools/catalog.h"

static const struct catalog tables[] = {
        { SOCKTALLY_TABLE_PROCESSES, SOCKTALLY_ROW_PROCESS, "processes", "Processes", "process", "pid,user,process",
          "app,service,command", NULL },
        { SOCKTALLY_TABLE_APPS, SOCKTALLY_ROW_APP, "apps", "Apps", "app", "app,kind,user,processes", "", "Apps" },
        { SOCKTALLY_TABLE_SERVICES, SOCKTALLY_ROW_SERVICE, "services", "Services", "service",
          "service,user,processes", "", "Services" },
        { SOCKTALLY_TABLE_CONTAINERS, SOCKTALLY_ROW_CONTAINER, "containers", "Containers", "container",
          "container,runtime,user,processes", "pod", NULL },
        { SOCKTALLY_TABLE_USERS, SOCKTALLY_ROW_USER, "users", "Users", "user", "user,processes", "", NULL },
};
#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

const struct catalog *catalog_at(size_t index) {
        return index < N_TABLES ? &tables[index] : NULL;
}

const struct catalog *catalog_of(enum socktally_table table) {
        for (size_t i = 0; i < N_TABLES; i++)
                if (tables[i].table == table)
                        return &tables[i];
        return NULL;
}

const struct catalog *catalog_find(const char *name) {
        for (size_t i = 0; i < N_TABLES; i++)
                if (strcmp(tables[i].name, name) == 0)
                        return &tables[i];
        return NULL;
}
