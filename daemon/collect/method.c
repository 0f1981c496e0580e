/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting begins and ends. To try a method, all programs that it uses are loaded and its hooks are attached. If the
 * kernel or its policy refuses one that the method cannot do without, everything is undone and the method has failed.
 * If it refuses another one, counting goes on without that, and the reason says what is unknown because of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "daemon/collect/collector-private.h"

/* Inode of the initial PID namespace (PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h). */
#define INITIAL_PIDNS_INODE 0xEFFFFFFCU
/* What no walk has met has 0 for the pass in which it was. Counting begins here, so that 0 is longer ago than
 * GRACE_PASSES at once. */
#define FIRST_PASS 16

static void configure(struct collect *collect) {
        struct socktally_bpf *skeleton = collect->skeleton;
        struct stat namespace;

        skeleton->rodata->cfg_max_sockets = collect->config.max_sockets;
        skeleton->bss->pass_number = FIRST_PASS;
        /* libbpf gives the inner map up when the object is loaded. */
        collect->cores.flags = bpf_map__map_flags(bpf_map__inner_map(skeleton->maps.cores));
        if (stat("/proc/self/ns/pid", &namespace) == 0 && namespace.st_ino != INITIAL_PIDNS_INODE) {
                skeleton->rodata->cfg_pidns_inode = namespace.st_ino;
                skeleton->rodata->cfg_scan_is_whole = false;
        }
        bpf_map__set_max_entries(skeleton->maps.processes, collect->config.max_processes);
        if (collect->lacks_marks) {
                skeleton->rodata->cfg_has_marks = false;
                bpf_map__set_autocreate(skeleton->maps.task_marks, false);
        }
}

/* A hook was refused. 0: counting goes on without, and the reasons say so. */
static int do_without(struct collect *collect, const struct hook *hook, int error, char *reason, size_t size) {
        const char *replacement = collect_replacement_of(hook->set);
        const char *why = error == -ENODEV ? "no control group v2 tree is mounted" : strerror(-error);
        uint32_t lost; /* modules; all: each goes on in another way */

        if (!replacement || (hook->set == SET_TRACEPOINT && !collect->may_lack_calls))
                return collect_say(reason, size, error, "the kernel refused", hook->program);
        collect_say_more(reason, size, "the kernel refused %s (%s): %s", hook->program, why, replacement);
        lost = hook->set == SET_TRACEPOINT ? MODULE(MODULE_UDP) : collect_modules_of(hook->set);
        for (size_t i = 0; i < N_MODULES && lost != EVERY_MODULE; i++)
                if (lost & MODULE(i))
                        snprintf(collect->missing[i], COLLECT_REASON_SIZE, "the kernel refused %s: %s", hook->program,
                                 why);
        return 0;
}

/* Attaches each hook of the sets whose program is loaded. Goes on without those that are refused, where that can be. */
static int attach_first(struct collect *collect, unsigned sets, char *reason, size_t size) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        int r;

        for (size_t i = 0; i < n; i++) {
                if (!(sets & SET(hooks[i].set)) || collect->programs[i] < 0)
                        continue;
                r = collect_attach_hook(collect, &hooks[i], i);
                if (r < 0)
                        r = do_without(collect, &hooks[i], r, reason, size);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++) /* without one that is a condition the others of its set go, too */
                if (hooks[i].is_condition && sets & SET(hooks[i].set) && collect->programs[i] >= 0 &&
                    collect->links[i] < 0)
                        collect_detach_sets(collect, SET(hooks[i].set));
        for (size_t i = 0; i < n; i++)
                if (collect->links[i] >= 0)
                        collect->attached |= SET(hooks[i].set);
        collect->generation++;
        return 0;
}

static int load(struct collect *collect, unsigned sets, uint64_t refused, char *reason, size_t size) {
        int r;

        r = collect_open_object(sets, refused, &collect->skeleton, reason, size);
        if (r < 0)
                return r;
        configure(collect);
        r = socktally_bpf__load(collect->skeleton);
        if (r == 0)
                r = collect_keep_programs(collect, collect->skeleton);
        if (r < 0)
                return collect_say(reason, size, r, "the kernel refused the programs", "");
        return 0;
}

/* Tries whether the kernel makes the tables, without any program; if not, whether it does without the marks of copies,
 * which sets lacks_marks. Leaves nothing behind. */
static int load_tables(struct collect *collect) {
        int r;

        r = load(collect, 0, 0, NULL, 0);
        collect_detach(collect);
        if (r == 0)
                return 0;
        collect->lacks_marks = true;
        r = load(collect, 0, 0, NULL, 0);
        collect_detach(collect);
        collect->lacks_marks = r == 0;
        return r;
}

/* Loads each program alone. Returns those that the kernel refuses, a bit for each hook. */
static uint64_t find_refused(struct collect *collect, unsigned sets, int *errors) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        uint64_t refused = 0;

        for (size_t i = 0; i < n; i++) {
                if (!(sets & SET(hooks[i].set)))
                        continue;
                errors[i] = load(collect, SET(hooks[i].set), ~(UINT64_C(1) << i), NULL, 0);
                if (errors[i] < 0 && errors[i] != -ENOENT)
                        refused |= UINT64_C(1) << i;
                collect_detach(collect);
        }
        return refused;
}

/* Loads the programs of some sets. If the kernel refuses them together, finds out which it refuses, and loads the
 * rest if counting can be done without those. */
static int load_allowed(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int errors[COLLECT_MAX_HOOKS] = { 0 }, r, all;
        char without[COLLECT_REASON_SIZE] = "";
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);
        uint64_t refused;

        all = load(collect, sets, 0, reason, size);
        if (all == 0 || all == -ENOENT || all == -ENOMEM)
                return all;
        collect_detach(collect);
        r = load_tables(collect);
        if (r < 0)
                return collect_say(reason, size, r, "the kernel refused the tables", "");
        refused = find_refused(collect, sets, errors);
        if (refused == 0 && !collect->lacks_marks)
                return all;
        if (collect->lacks_marks)
                collect_say_more(without, sizeof(without),
                         "the kernel refused storage in tasks: calls that it skips the programs for are not recovered");
        for (size_t i = 0; i < n; i++) {
                if (errors[i] == 0 || !(refused >> i & 1))
                        continue;
                r = do_without(collect, &hooks[i], errors[i], without, sizeof(without));
                if (r < 0) {
                        snprintf(reason, size, "%s", without);
                        return r;
                }
                for (size_t k = 0; k < n; k++) /* the others of the set are of no use */
                        if (hooks[i].is_condition && hooks[k].set == hooks[i].set)
                                refused |= UINT64_C(1) << k;
        }
        reason[0] = '\0';
        r = load(collect, sets, refused, reason, size);
        if (r == 0)
                collect_say_more(reason, size, "%s", without);
        return r;
}

/* Finds the sockets that were there before the hooks. What they moved until now is not counted. */
static int scan_first(struct collect *collect) {
        int r;

        r = collect_walk_files(collect, WALK_FIND);
        if (r == 0)
                r = collect_walk(collect, "fold_tcp");
        collect->skeleton->bss->is_scanned = true;
        collect_note_inodes(collect);
        return r;
}

int collect_attach(struct collect *collect, enum attach_method method, char *reason, size_t size) {
        int r;

        collect->method = method;
        if (collect_is_silenced(collect)) {
                snprintf(reason, size, "kernel.ftrace_enabled is 0, which silences trampolines");
                return -EOPNOTSUPP;
        }
        r = load_allowed(collect, collect_sets_of(method), reason, size);
        if (r == 0) {
                collect->table_fd = bpf_map__fd(collect->skeleton->maps.processes);
                r = collect->config.is_per_core ? cores_start(collect) : 0;
                if (r < 0)
                        (void) collect_say(reason, size, r, "the kernel refused a table per core", "");
        }
        if (r == 0)
                r = attach_first(collect, collect_wanted_sets(method, &collect->config), reason, size);
        if (r == 0 && collect->missing[MODULE_TCP][0] && collect->missing[MODULE_UDP][0])
                r = -EPERM;
        if (r == 0) {
                collect_apply(collect);
                r = scan_first(collect);
                if (r < 0)
                        (void) collect_say(reason, size, r, "cannot walk the open files", "");
        }
        if (r < 0)
                collect_detach(collect);
        return r;
}

void collect_detach(struct collect *collect) {
        collect_pass_end(collect);
        drop_end(&collect->drop);
        for (size_t i = 0; i < COLLECT_MAX_HOOKS; i++) {
                if (collect->links[i] >= 0)
                        close(collect->links[i]);
                if (collect->programs[i] >= 0)
                        close(collect->programs[i]);
                collect->links[i] = collect->programs[i] = -1;
        }
        collect->attached = 0;
        tables_close_former(collect);
        if (collect->owns_table)
                close(collect->table_fd);
        collect->owns_table = false;
        cores_close(&collect->cores);
        socktally_bpf__destroy(collect->skeleton);
        collect->skeleton = NULL;
}
