/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules' names, and lists of them as a configuration file has them. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/module.h"

static const char *const names[N_MODULES] = {
#define X(number, name) #name,
        SOCKTALLY_MODULES(X)
#undef X
};

const char *module_name(size_t number) {
        return names[number];
}

size_t module_find(const char *name, size_t length) {
        size_t i;

        for (i = 0; i < N_MODULES && (strlen(names[i]) != length || memcmp(names[i], name, length) != 0); i++)
                continue;
        return i;
}

int modules_parse(const char *text, uint32_t *ret_modules) {
        uint32_t modules = 0;

        text += strspn(text, " \t");
        if (text[0] == '\0')
                return -EINVAL;
        if (strcmp(text, "none") == 0) {
                *ret_modules = 0;
                return 0;
        }
        while (text[0]) {
                size_t n = strcspn(text, " \t"), number = module_find(text, n);

                if (number == N_MODULES)
                        return -EINVAL;
                modules |= MODULE(number);
                text += n;
                text += strspn(text, " \t");
        }
        *ret_modules = modules;
        return 0;
}

void modules_format(uint32_t modules, char *text, size_t size) {
        size_t n = 0;

        snprintf(text, size, "none");
        for (size_t i = 0; i < N_MODULES && n < size; i++)
                if (modules & MODULE(i))
                        n += (size_t) snprintf(text + n, size - n, "%s%s", n ? " " : "", names[i]);
}
