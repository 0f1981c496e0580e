/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "daemon/identity/identity.h"

void identity_from_path(const char *path, question_ask *ask, void *userdata, struct identity *ret_identity) {
        *ret_identity = IDENTITY_NULL;
        unit_from_path(path, &ret_identity->unit);
        container_from_path(path, &ret_identity->container);
        app_from_identity(path, ret_identity);
        question_fill(ret_identity, ask, userdata);
}

const char *identity_kind(const struct identity *identity) {
        static const char *const names[N_APP_KINDS] = {
                [APP_KERNEL] = "kernel",
                [APP_PROCESS] = "process",
                [APP_UNIT] = "unit",
                [APP_USER_UNIT] = "user-unit",
                [APP_SESSION] = "session",
                [APP_TRANSIENT] = "transient",
                [APP_DESKTOP] = "app",
                [APP_FLATPAK] = "flatpak",
                [APP_SNAP] = "snap",
                [APP_TERMINAL] = "terminal",
                [APP_CONTAINER] = "container",
                [APP_MACHINE] = "vm",
                [APP_CGROUP] = "cgroup",
                [APP_GROUP] = "group",
        };

        if (identity->app.kind != APP_CONTAINER)
                return names[identity->app.kind];
        if (identity->container.is_kubernetes)
                return "k8s";
        return strcmp(identity->container.runtime, CONTAINER_RUNTIME_UNKNOWN) == 0 ? names[APP_CONTAINER] :
                                                                                     identity->container.runtime;
}
