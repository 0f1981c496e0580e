/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Load mode and modules change while counting goes on. */
#include <errno.h>
#include <string.h>

#include "daemon/collect/collector-private.h"

/* In this order, so that no call is missed: attach the hooks that the new configuration needs, tell the programs by the
 * word of switches, detach the hooks that it does not need. */
static int reconfigure(struct collect *collect, const struct collect_config *config, char *reason, size_t size) {
        unsigned wanted = collect_wanted_sets(collect->method, config) & SETS_CALLS;
        int r;

        if (collect->missing[MODULE_UDP][0])
                wanted &= ~SET(SET_TRACEPOINT);
        r = collect_attach_sets(collect, wanted, reason, size);
        if (r < 0)
                return r;
        collect->config = *config;
        if (!(config->modules & MODULE(MODULE_UDP)) && collect->attached & SET(SET_UDP_COPIES))
                copies_end(collect);
        collect_apply(collect);
        collect_detach_sets(collect, collect->attached & SETS_CALLS & ~wanted);
        return 0;
}

int collect_set_load_mode(struct collect *collect, enum load_mode mode, char *ret_reason, size_t size) {
        struct collect_config config = collect->config;

        config.load_mode = mode;
        collect_want_pass(collect);
        if (collect->skeleton)
                return reconfigure(collect, &config, ret_reason, size);
        collect->config = config;
        return 0;
}

/* Sockets that were opened while the module was off have no ledger; they get one that starts from now. */
static int find_unknown_sockets(struct collect *collect, bool is_tcp) {
        struct socktally_bpf__bss *bss = collect->skeleton->bss;
        int r;

        /* The notes of births are void: a socket may have moved data while the module was off. */
        if (is_tcp)
                memset(bss->births, 0, sizeof(bss->births));
        bss->is_scanned = false;
        *(is_tcp ? &bss->is_forgetting_tcp : &bss->is_forgetting_others) = true;
        r = collect_walk_files(collect, WALK_FIND);
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        bss->is_forgetting_tcp = bss->is_forgetting_others = false;
        bss->is_scanned = true;
        collect_note_inodes(collect);
        return r;
}

/* All ledgers are folded before the switch. When the module goes off that charges what was moved until now; when it
 * comes on that drops what was moved while it was off (is_kind_off() in bpf/fold.bpf.h). */
int collect_set_module(struct collect *collect, size_t module, bool is_on, char *ret_reason, size_t size) {
        struct collect_config config = collect->config;
        int r;

        config.modules = is_on ? config.modules | MODULE(module) : config.modules & ~MODULE(module);
        if (config.modules == collect->config.modules)
                return 0;
        collect_want_pass(collect);
        if (!collect->skeleton) {
                collect->config = config;
                return 0;
        }
        r = collect_fold(collect);
        if (r == 0 && is_on && (module == MODULE_TCP || module == MODULE_UDP)) /* they have ledgers */
                r = find_unknown_sockets(collect, module == MODULE_TCP);
        if (r < 0)
                return collect_say(ret_reason, size, r, "cannot walk the sockets", "");
        return reconfigure(collect, &config, ret_reason, size);
}
