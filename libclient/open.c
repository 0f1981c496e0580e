/* SPDX-License-Identifier: MIT */
/*
 * Making a reader.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "libclient/reader.h"

#define DEFAULT_DIRECTORY "/run/socktally"
#define SOCKET_NAME "readers"

/* As secure_getenv(), which not every C library has: programs that gained privileges take no orders from the
 * environment. */
static const char *runtime_directory(void) {
        const char *directory = getauxval(AT_SECURE) ? NULL : getenv("SOCKTALLY_RUNTIME_DIRECTORY");

        return directory && *directory ? directory : DEFAULT_DIRECTORY;
}

static char *default_socket_path(void) {
        const char *directory = runtime_directory();
        size_t size = strlen(directory) + sizeof("/" SOCKET_NAME);
        char *path = malloc(size);

        if (path)
                snprintf(path, size, "%s/" SOCKET_NAME, directory);
        return path;
}

static struct socktally *allocate(enum source source) {
        struct socktally *reader = calloc(1, sizeof(*reader));

        if (!reader)
                return NULL;
        reader->source = source;
        reader->connection.fd = reader->notify_fd = reader->timer_fd = -1;
        return reader;
}

/* The caller may have been built with an older or a newer header: what it does not know is 0, what we do not know
 * must be. */
static int read_options(struct socktally_options *ret_options, const struct socktally_options *options) {
        const unsigned char *tail = (const unsigned char *) options;

        *ret_options = (struct socktally_options){ .size = sizeof(*ret_options) };
        if (!options)
                return 0;
        if (options->size < sizeof(options->size))
                return -EINVAL;
        for (size_t i = sizeof(*ret_options); i < options->size; i++)
                if (tail[i])
                        return -E2BIG;
        memcpy(ret_options, options, options->size < sizeof(*ret_options) ? options->size : sizeof(*ret_options));
        return (unsigned int) ret_options->view > SOCKTALLY_VIEW_FULL ? -EINVAL : 0;
}

int socktally_open(struct socktally **ret_reader, const struct socktally_options *options) {
        struct socktally_options o;
        struct socktally *reader;
        int r;

        if (!ret_reader)
                return -EINVAL;
        r = read_options(&o, options);
        if (r < 0)
                return r;
        reader = allocate(o.file_path ? SOURCE_FILE : SOURCE_DAEMON);
        if (!reader)
                return -ENOMEM;
        reader->view = o.view;
        if (o.file_path)
                reader->file_path = strdup(o.file_path);
        else
                reader->socket_path = o.socket_path ? strdup(o.socket_path) : default_socket_path();
        r = reader->file_path || reader->socket_path ? stly_resume_first(reader) : -ENOMEM;
        if (r < 0) {
                socktally_close(reader);
                return r;
        }
        *ret_reader = reader;
        return 0;
}

int socktally_open_fd(struct socktally **ret_reader, int fd) {
        struct socktally *reader;
        int r;

        if (fd < 0)
                return -EBADF;
        reader = ret_reader ? allocate(SOURCE_FD) : NULL;
        if (!reader) {
                close(fd);
                return ret_reader ? -ENOMEM : -EINVAL;
        }
        r = stly_reader_attach(reader, fd, ATTACH_DEAD | ATTACH_SENT);
        if (r < 0) {
                socktally_close(reader);
                return r;
        }
        *ret_reader = reader;
        return 0;
}
