/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_CONTROL_DROPIN_H
#define SOCKTALLYD_CONTROL_DROPIN_H
/*
 * A file in DIRECTORY/socktally.conf.d that is there whole, in its old or in its new form, whenever power fails. The
 * directories are made if they are missing. 0 or -errno; what was there before is then unchanged.
 */
int dropin_write(const char *directory, const char *name, const char *text);
/* No such file is no error. */
int dropin_remove(const char *directory, const char *name);

#endif
