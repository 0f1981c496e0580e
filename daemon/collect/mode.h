/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_COLLECT_MODE_H
#define SOCKTALLYD_COLLECT_MODE_H
#include <stddef.h>

enum load_mode { LOAD_PASSIVE, LOAD_ENTRY, LOAD_RETURN, N_LOAD_MODES };
enum attach_method {
        ATTACH_AUTO,
        ATTACH_TRACEPOINT, /* tp_btf, kernel 6.3 and later */
        ATTACH_TRAMPOLINE, /* fentry and fexit */
        N_ATTACH_METHODS
};

const char *load_mode_name(enum load_mode mode);
int load_mode_parse(const char *name, enum load_mode *ret_mode); /* -EINVAL */
const char *attach_method_name(enum attach_method method);
int attach_method_parse(const char *name, enum attach_method *ret_method); /* -EINVAL */

#endif
