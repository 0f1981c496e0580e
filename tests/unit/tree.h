/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_TREE_H
#define SOCKTALLY_TESTS_TREE_H
/* A directory of the test's own, with what is put into it; removed as a whole. */

struct tree {
        char path[64];
        char *joined[16]; /* the last paths that were made of it */
        unsigned n_joined;
};

/* A cmocka setup and teardown; *state is the tree. */
int tree_setup(void **state);
int tree_teardown(void **state);

/* The path of a name in the tree; good for a dozen further calls. */
const char *tree_path(struct tree *tree, const char *name);
/* Makes a directory and those above it. Returns its path. */
const char *tree_directory(struct tree *tree, const char *name);
/* Makes a file and the directories above it. Returns its path. */
const char *tree_file(struct tree *tree, const char *name, const char *text);

#endif
