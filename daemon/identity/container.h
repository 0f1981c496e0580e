/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_IDENTITY_CONTAINER_H
#define SOCKTALLYD_IDENTITY_CONTAINER_H
/* From a cgroup's path to the container or virtual machine that it belongs to. Pure text, no system call. */
#include <stdbool.h>

#define CONTAINER_ID_SIZE 256     /* a file's name has at most 255 bytes */
#define CONTAINER_RUNTIME_SIZE 33
#define CONTAINER_RUNTIME_UNKNOWN "unknown"
#define CONTAINER_POD_SIZE 65
#define CONTAINER_SHORT_ID 12     /* digits of an id that people are used to */

struct container {
        char id[CONTAINER_ID_SIZE];           /* 64 hexadecimal digits, or a name; empty: no container */
        char name[CONTAINER_ID_SIZE];         /* what people call it, if somebody told, see question.h; else empty */
        char runtime[CONTAINER_RUNTIME_SIZE]; /* which program made it, "docker" */
        char pod[CONTAINER_POD_SIZE];         /* of Kubernetes, its uid; of Podman, its id; empty: none */
        bool is_kubernetes;
        bool is_machine;                      /* a virtual machine */
        bool is_payload;                      /* its unit is its name: a quadlet */
};

struct identity;

/* path as in /proc/PID/cgroup. The innermost container counts. A program that looks after a container (conmon,
 * lxc.monitor) belongs to it. */
void container_from_path(const char *path, struct container *ret_container);
/* The same as a source of names. */
void container_look_up(void *state, const char *path, struct identity *identity);
/* The name to show while nobody has told a better one: the id, of a long one the first CONTAINER_SHORT_ID digits. */
void container_name(const struct container *container, char name[static CONTAINER_ID_SIZE]);

#endif
