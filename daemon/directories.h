/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_DIRECTORIES_H
#define SOCKTALLYD_DIRECTORIES_H
/* Where the files of administrator and packages are, of this installation: most important first, NULL at the end. */

extern const char *const configuration_directories[];

#endif
