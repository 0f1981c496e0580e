/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_SEGMENT_VIEW_H
#define SOCKTALLY_SEGMENT_VIEW_H
/* socktally segment dump, socktally segment verify: a segment's file for a developer's eyes. */
#include "tools/options.h"

enum exit_status segment_view_dump(const struct options *options);
enum exit_status segment_view_verify(const struct options *options);

#endif
