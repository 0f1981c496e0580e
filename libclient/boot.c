/* SPDX-License-Identifier: MIT */
/*
 * Reads the kernel's boot id. A segment carries it, so that a file left over from an earlier boot is known as such.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "libclient/boot.h"

int stly_boot_id(uint8_t ret_boot_id[16]) {
        char text[64];
        const char *p = text;
        unsigned int byte;
        ssize_t n;
        int fd;

        fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (n < 0)
                return -EIO;
        text[n] = 0;
        for (int i = 0; i < 16; i++, p += 2) {
                p += *p == '-';
                if (sscanf(p, "%2x", &byte) != 1)
                        return -EIO;
                ret_boot_id[i] = (uint8_t) byte;
        }
        return 0;
}
