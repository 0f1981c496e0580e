/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load modes and attach methods by name. */
#include <errno.h>
#include <string.h>

#include "daemon/collect/mode.h"

static const char *const load_mode_names[N_LOAD_MODES] = {
        [LOAD_PASSIVE] = "passive",
        [LOAD_ENTRY] = "entry",
        [LOAD_RETURN] = "return",
};

static const char *const attach_method_names[N_ATTACH_METHODS] = {
        [ATTACH_AUTO] = "auto",
        [ATTACH_TRACEPOINT] = "tracepoint",
        [ATTACH_TRAMPOLINE] = "trampoline",
};

const char *load_mode_name(enum load_mode mode) {
        return mode < N_LOAD_MODES ? load_mode_names[mode] : "?";
}

const char *attach_method_name(enum attach_method method) {
        return method < N_ATTACH_METHODS ? attach_method_names[method] : "?";
}

static int find_name(const char *const *names, size_t n, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -EINVAL;
}

int load_mode_parse(const char *name, enum load_mode *ret_mode) {
        int r = find_name(load_mode_names, N_LOAD_MODES, name);

        if (r < 0)
                return r;
        *ret_mode = r;
        return 0;
}

int attach_method_parse(const char *name, enum attach_method *ret_method) {
        int r = find_name(attach_method_names, N_ATTACH_METHODS, name);

        if (r < 0)
                return r;
        *ret_method = r;
        return 0;
}
