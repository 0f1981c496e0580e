/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files are of the system or of a package. Those in users' homes are not read: the daemon cannot see them. A file that
 * is longer than FILE_MAX, or no regular one, is as good as none, so that looking a name up takes no time to speak of.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/identity/app.h"
#include "daemon/identity/desktop.h"
#include "daemon/text.h"

#define FILE_MAX 262144 /* the longest in Debian, with all its translations, has 60,000 bytes */

const char *const desktop_directories[] = {
        "/usr/local/share/applications",
        "/usr/share/applications",
        "/var/lib/flatpak/exports/share/applications",
        "/var/lib/snapd/desktop/applications",
        NULL,
};

static FILE *open_file(const char *directory, const char *id) {
        char path[PATH_MAX];
        struct stat st;
        FILE *file;
        int fd;

        if (snprintf(path, sizeof path, "%s/%s.desktop", directory, id) >= (int) sizeof path)
                return NULL;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return NULL;
        file = fstat(fd, &st) >= 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX ? fdopen(fd, "r") : NULL;
        if (!file)
                close(fd);
        return file;
}

/* The value of Name= in the first group. It is there or in no group; without one the id is the name. */
static void read_name(FILE *file, const char *id, char *ret_name, size_t size) {
        bool is_entry = false;
        char line[1024];

        (void) text_clean(ret_name, size, id, strlen(id));
        while (fgets(line, sizeof line, file))
                if (line[0] == '[') {
                        if (is_entry)
                                return;
                        is_entry = strncmp(line, "[Desktop Entry]", 15) == 0;
                } else if (is_entry && strncmp(line, "Name=", 5) == 0 && line[5] != '\n') {
                        (void) text_clean(ret_name, size, line + 5, strcspn(line + 5, "\r\n"));
                        return;
                }
}

int desktop_name(const char *const directories[], const char *id, char *ret_name, size_t size) {
        FILE *file;

        if (!id[0] || id[0] == '.' || strchr(id, '/'))
                return -EINVAL;
        for (size_t i = 0; directories[i]; i++) {
                file = open_file(directories[i], id);
                if (!file)
                        continue;
                read_name(file, id, ret_name, size);
                fclose(file);
                return 0;
        }
        return -ENOENT;
}

/* Snap's files are called after the package and the program, firefox_firefox.desktop. */
static void snap_file(const char *id, char *ret_name, size_t size) {
        const char *dot = strchr(id, '.');

        if (dot)
                snprintf(ret_name, size, "%.*s_%s", (int) (dot - id), id, dot + 1);
        else
                snprintf(ret_name, size, "%s_%s", id, id);
}

bool desktop_file(const struct app *app, char *ret_file, size_t size) {
        switch (app->kind) {
        case APP_SNAP:
                snap_file(app->id, ret_file, size);
                return true;
        case APP_DESKTOP:
        case APP_FLATPAK:
        case APP_TERMINAL:
                snprintf(ret_file, size, "%s", app->id);
                return true;
        case APP_KERNEL:
        case APP_PROCESS:
        case APP_UNIT:
        case APP_USER_UNIT:
        case APP_SESSION:
        case APP_TRANSIENT:
        case APP_CONTAINER:
        case APP_MACHINE:
        case APP_CGROUP:
        case APP_GROUP:
        case N_APP_KINDS:
                return false;
        }
        return false;
}

bool desktop_ask(void *directories, const struct question *question, char ret_name[static QUESTION_NAME_SIZE]) {
        return question->kind == QUESTION_APP &&
               desktop_name(directories, question->id, ret_name, QUESTION_NAME_SIZE) >= 0;
}
