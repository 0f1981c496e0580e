/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fails the test at the first thing that cannot be made. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/tree.h"

int tree_setup(void **state) {
        struct tree *tree = calloc(1, sizeof *tree);

        assert_non_null(tree);
        strcpy(tree->path, "/dev/shm/socktally-test.XXXXXX"); /* in memory: some tests make thousands of things */
        if (!mkdtemp(tree->path)) {
                strcpy(tree->path, "/tmp/socktally-test.XXXXXX");
                assert_non_null(mkdtemp(tree->path));
        }
        *state = tree;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
        return remove(path);
}

int tree_teardown(void **state) {
        struct tree *tree = *state;

        nftw(tree->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        for (unsigned i = 0; i < 16; i++)
                free(tree->joined[i]);
        free(tree);
        return 0;
}

const char *tree_path(struct tree *tree, const char *name) {
        char **path = &tree->joined[tree->n_joined++ % 16];

        free(*path);
        assert_true(asprintf(path, "%s/%s", tree->path, name) > 0);
        return *path;
}

static void make_parents(const char *path, const char *from) {
        char copy[256];

        snprintf(copy, sizeof copy, "%s", path);
        for (char *slash = copy + (from - path); (slash = strchr(slash + 1, '/'));) {
                *slash = '\0';
                mkdir(copy, 0755);
                *slash = '/';
        }
}

const char *tree_directory(struct tree *tree, const char *name) {
        const char *path = tree_path(tree, name);

        make_parents(path, path + strlen(tree->path));
        mkdir(path, 0755);
        return path;
}

const char *tree_file(struct tree *tree, const char *name, const char *text) {
        const char *path = tree_path(tree, name);
        FILE *file;

        make_parents(path, path + strlen(tree->path));
        file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return path;
}
