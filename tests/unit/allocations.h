/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_TEST_ALLOCATIONS_H
#define SOCKTALLY_TEST_ALLOCATIONS_H
/* A program that has allocations.c counts each block of memory that it, or a library, asks for. */
#include <stdbool.h>

/* Not where sanitizers or another C library stand in for the allocator: then nothing is counted. */
bool allocations_are_counted(void);
unsigned long allocations(void);

#endif
