/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a load mode or a module observes is one word of switches that the programs read with each call, so it changes
 * between two calls and no program is loaded.
 */
#include "daemon/collect/collector-private.h"

_Static_assert(EVERY_MODULE < SWITCH_TCP_CALLS, "modules have the lower half");

enum load_mode collect_mode(const struct collect *collect) {
        return collect->missing[MODULE_UDP][0] ? LOAD_PASSIVE : collect->config.load_mode;
}

void collect_apply(struct collect *collect) {
        const struct collect_config *config = &collect->config;
        bool sees_calls = config->modules & SWITCH_TCP && collect_mode(collect) != LOAD_PASSIVE;
        uint64_t switches = config->modules;

        if (sees_calls)
                switches |= SWITCH_TCP_CALLS;
        if (config->load_mode == LOAD_RETURN)
                switches |= SWITCH_ERRORS;
        if (!sees_calls || !(config->modules & SWITCH_UDP))
                switches |= SWITCH_PARTIAL;
        if (config->is_per_core)
                switches |= SWITCH_PER_CORE;
        if (!(collect->attached & (SET(SET_SOCK_RELEASE) | SET(SET_INET_RELEASE))))
                switches |= SWITCH_UNSEEN_RELEASE;
        if (!(collect->attached & SET(SET_FILES)))
                switches |= SWITCH_DIRECT;
        if (collect->copies)
                switches |= collect->copies | (uint64_t) collect->skeleton->bss->copies_epoch << SWITCH_EPOCH_SHIFT;
        if (switches & (SWITCH_PARTIAL | SWITCH_COPIES))
                switches |= SWITCH_NEEDS_CHECK;
        __atomic_store_n(&collect->skeleton->data->switches, switches, __ATOMIC_SEQ_CST);
        collect->generation++;
}
