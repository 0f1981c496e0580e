/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_COMPLETION_H
#define SOCKTALLY_COMPLETION_H
/*
 * What a shell may offer next, for bash, zsh and fish alike: one word per line, a tab and an explanation. The words of
 * the unfinished line are the arguments, the last is the one to be completed. ":files" and ":directories" stand for
 * what the shell itself knows.
 */
#include "tools/options.h"

enum exit_status completion_run(const struct options *options);

#endif
