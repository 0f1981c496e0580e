/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "daemon/collect/operations.h"

const struct collect_operations collect_operations = {
        .start = collect_start,
        .adopt = collect_adopt,
        .stop = collect_stop,
        .is_counting = collect_is_counting,
        .reason = collect_reason,
        .set_load_mode = collect_set_load_mode,
        .set_max_processes = collect_set_max_processes,
        .set_module = collect_set_module,
        .change_fd = collect_change_fd,
        .end_change = collect_end_change,
        .read = collect_read,
        .want_pass = collect_want_pass,
        .saved = collect_saved,
        .statistics = collect_statistics,
        .report = collect_report,
        .memory = collect_memory,
        .generation = collect_generation,
        .keep = collect_keep,
};
