/* SPDX-License-Identifier: MIT */
#ifndef SOCKTALLY_BOOT_H
#define SOCKTALLY_BOOT_H
/*
 * Which boot of the machine this is: 16 bytes that the kernel draws at each start.
 */
#include <stdint.h>

int stly_boot_id(uint8_t ret_boot_id[16]);

#endif
