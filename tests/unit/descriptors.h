/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_DESCRIPTORS_H
#define TESTS_UNIT_DESCRIPTORS_H
/* For tests that something leaks no descriptor. After cmocka.h. */
#include <dirent.h>

/* How many are open now, and two or three more. */
static inline unsigned count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

#endif
