/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The C library's functions that take memory, counted. A program's own take the place of the library's everywhere. */
#include <stdlib.h>

#include "tests/unit/allocations.h"

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define PUBLIC __attribute__((visibility("default"))) /* or the libraries go on with theirs */

static unsigned long n_allocations;

static void count(void) {
        __atomic_fetch_add(&n_allocations, 1, __ATOMIC_RELAXED);
}

PUBLIC void *malloc(size_t size) {
        count();
        return __libc_malloc(size);
}

PUBLIC void *calloc(size_t n, size_t size) {
        count();
        return __libc_calloc(n, size);
}

PUBLIC void *realloc(void *old, size_t size) {
        count();
        return __libc_realloc(old, size);
}

PUBLIC void *aligned_alloc(size_t alignment, size_t size) {
        count();
        return __libc_memalign(alignment, size);
}

bool allocations_are_counted(void) {
        return true;
}

unsigned long allocations(void) {
        return __atomic_load_n(&n_allocations, __ATOMIC_RELAXED);
}

#else

bool allocations_are_counted(void) {
        return false;
}

unsigned long allocations(void) {
        return 0;
}

#endif
