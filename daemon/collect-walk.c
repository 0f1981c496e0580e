/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The collector's walks over open files and sockets (bpf/scan.bpf.h). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

static int link_of(const struct collect *collect, const char *program) {
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (strcmp(hooks[i].program, program) == 0)
                        return collect->links[i];
        return -1;
}

int collect_walk(const struct collect *collect, const char *program) {
        int link = link_of(collect, program), fd, r;
        char buffer[64];
        ssize_t n;

        if (link < 0)
                return 0;
        fd = bpf_iter_create(link);
        if (fd < 0)
                return -errno;
        /* The programs print nothing: a read returns when all is walked, or after a million objects with EAGAIN. */
        do
                n = read(fd, buffer, sizeof(buffer));
        while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
        r = n < 0 ? -errno : 0;
        close(fd);
        return r;
}
