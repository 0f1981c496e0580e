/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_EXIT_STATUS_H
#define SOCKTALLY_EXIT_STATUS_H
/* What the command's exit code tells a script; socktally(1) documents it. */

enum exit_status {
        STATUS_DONE = 0,
        STATUS_FAILED = 1,
        STATUS_USAGE = 2,
        STATUS_NO_DAEMON = 3,
        STATUS_NOT_PERMITTED = 4
};

#endif
