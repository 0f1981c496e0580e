/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows below are all places that are looked at, in this order. What belongs to the machine is looked for in the
 * machine's places, and what belongs to a user in that user's home alone: a user can make a cgroup that is called like
 * anybody's container, and must not get the name of somebody else's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names/document.h"
#include "names/file.h"
#include "names/places.h"

#define ID_DIGITS 64
#define SYSTEM_MAX (4 * 1024 * 1024) /* about 5,000 containers in a list of Podman's */
#define HOME_MAX (256 * 1024)        /* json-c takes up to 270 bytes for each byte of a text that was made for that */
#define BUNDLES "run/containerd/io.containerd.runtime.v2.task/"
#define K3S_BUNDLES "run/k3s/containerd/io.containerd.runtime.v2.task/"
#define STORAGE "var/lib/containers/storage/"
#define RUN_STORAGE "run/containers/storage/"
#define HOME_STORAGE ".local/share/containers/storage/"

enum id_form {
        ID_HEX,    /* ID_DIGITS hexadecimal digits */
        ID_NUMBER,
        ID_FILE,   /* the name of a file */
};

struct place {
        const char *runtime;         /* "": the question is about an application */
        const char *before, *behind; /* the id in the path; NULL behind it: the path has no id */
        document_name *name;
        enum id_form form;
};

static const struct place in_system[] = {
        { "docker", "var/lib/docker/containers/", "/config.v2.json", document_docker, ID_HEX },
        { "podman", STORAGE "overlay-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", STORAGE "overlay-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "podman", STORAGE "vfs-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", STORAGE "vfs-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "podman", STORAGE "btrfs-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", STORAGE "btrfs-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "podman", RUN_STORAGE "overlay-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "containerd", BUNDLES "k8s.io/", "/config.json", document_bundle, ID_HEX },
        { "containerd", K3S_BUNDLES "k8s.io/", "/config.json", document_bundle, ID_HEX },
        { "containerd", BUNDLES "default/", "/config.json", document_bundle, ID_HEX },
        { "cri-o", RUN_STORAGE "overlay-containers/", "/userdata/config.json", document_bundle, ID_HEX },
        { "lxc", "etc/pve/lxc/", ".conf", document_proxmox_container, ID_NUMBER },
        { "qemu", "etc/pve/qemu-server/", ".conf", document_proxmox_machine, ID_NUMBER },
};

static const struct place in_home[] = {
        { "docker", ".local/share/docker/containers/", "/config.v2.json", document_docker, ID_HEX },
        { "podman", HOME_STORAGE "overlay-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", HOME_STORAGE "overlay-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "podman", HOME_STORAGE "vfs-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", HOME_STORAGE "vfs-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "podman", HOME_STORAGE "btrfs-containers/containers.json", NULL, document_podman, ID_HEX },
        { "podman", HOME_STORAGE "btrfs-containers/volatile-containers.json", NULL, document_podman, ID_HEX },
        { "", ".local/share/applications/", ".desktop", document_desktop, ID_FILE },
        { "", ".local/share/flatpak/exports/share/applications/", ".desktop", document_desktop, ID_FILE },
};

#define N_ROWS(table) (sizeof table / sizeof table[0])

static bool is_made_of(const char *id, int (*is_allowed)(int)) {
        for (; *id; id++)
                if (!is_allowed((unsigned char) *id))
                        return false;
        return true;
}

static bool is_id(enum id_form form, const char *id) {
        switch (form) {
        case ID_HEX:
                return strlen(id) == ID_DIGITS && is_made_of(id, isxdigit);
        case ID_NUMBER:
                return id[0] && is_made_of(id, isdigit);
        case ID_FILE:
                return id[0] && id[0] != '.' && !strchr(id, '/');
        }
        return false;
}

/* A runtime whose cgroup does not give it away: any that has such an id can be it. */
static bool is_unknown(const struct place *place, const struct question *question) {
        return place->form == ID_HEX && strcmp(question->runtime, CONTAINER_RUNTIME_UNKNOWN) == 0;
}

static bool is_asked(const struct place *place, const struct question *question) {
        bool is_same = (question->kind == QUESTION_APP) == (place->form == ID_FILE) &&
                       strcmp(place->runtime, question->runtime) == 0;

        return (is_same || is_unknown(place, question)) && is_id(place->form, question->id);
}

/* Where the paths of a table begin. */
struct directory {
        const char *path;
        int fd;
        enum file_place place;
        uid_t owner;
        size_t max; /* bytes of a file */
};

static bool ask(const struct place *place, const struct directory *directory, const char *id,
                char ret_name[static QUESTION_NAME_SIZE]) {
        char path[512], *text;
        bool is_found;

        if (snprintf(path, sizeof path, "%s%s%s", place->before, place->behind ? id : "",
                     place->behind ? place->behind : "") >= (int) sizeof path ||
            file_read(directory->fd, path, directory->place, directory->owner, directory->max, &text) < 0)
                return false;
        is_found = place->name(text, id, ret_name);
        free(text);
        return is_found;
}

static bool ask_all(const struct place table[], size_t n, struct directory directory,
                    const struct question *question, char ret_name[static QUESTION_NAME_SIZE]) {
        bool is_found = false;

        directory.fd = directory.path ? file_open_directory(directory.path, directory.owner) : -1;
        if (directory.fd < 0)
                return false;
        for (size_t i = 0; i < n && !is_found; i++)
                is_found = is_asked(&table[i], question) && ask(&table[i], &directory, question->id, ret_name);
        close(directory.fd);
        return is_found;
}

bool places_look_up(const struct places *places, const struct question *question,
                    char ret_name[static QUESTION_NAME_SIZE]) {
        struct directory root = { .path = places->root, .place = FILE_OF_SYSTEM, .owner = places->root_owner,
                                  .max = SYSTEM_MAX },
                         home = { .place = FILE_OF_USER, .owner = question->owner, .max = HOME_MAX };

        if (question->owner == QUESTION_SYSTEM)
                return ask_all(in_system, N_ROWS(in_system), root, question, ret_name);
        home.path = places->find_home(question->owner);
        return ask_all(in_home, N_ROWS(in_home), home, question, ret_name);
}
