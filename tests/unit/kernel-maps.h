/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TESTS_KERNEL_MAPS_H
#define SOCKTALLY_TESTS_KERNEL_MAPS_H
/*
 * The kernel's maps in this process's memory, in the place of libbpf's calls: tables by key, with one value or one for
 * each CPU, and maps that hold another map. Descriptors are files in memory, so they are copied, mapped and closed as
 * those of the kernel are. Each call can be made to fail.
 */
#include <stdbool.h>
#include <stdint.h>

struct bpf_map;

#define KERNEL_CPUS 2

extern struct kernel {
        unsigned fail_at; /* the call that fails, 1 for the next one; 0: none, or it has failed */
        int error;        /* with which it fails */
        bool is_single;   /* calls for many entries are refused */
        void (*on_exchange)(int outer); /* before this map gets another one to hold; nothing fails in it */
} kernel;

/* An object of the kernel that is no map; kind: as in fdinfo, "prog" or "link". */
int kernel_object_new(const char *kind);
/* Makes a map as an object of programs describes it; bpf_map__fd() tells the descriptor until the reset. */
int kernel_make(const struct bpf_map *map);
/* The map that this one holds, by the kernel's number; and that of a descriptor. */
uint32_t kernel_inner(int outer);
uint32_t kernel_number(int fd);
/* Counts down; true: the call must fail, with errno set. For calls that a test defines itself. */
bool kernel_fails(void);
/* Forgets all objects, and closes the descriptors that bpf_map__fd() tells. */
void kernel_reset(void);

#endif
