/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "daemon/text.h"
#include "names/document.h"

#define DEPTH_MAX 32

static struct json_object *parse(const char *text) {
        struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
        struct json_object *object;
        size_t n = strlen(text);

        if (!tokener)
                return NULL;
        object = n <= INT32_MAX ? json_tokener_parse_ex(tokener, text, (int) n) : NULL;
        json_tokener_free(tokener);
        return object;
}

/* NULL: it is no object, or has no such member. */
static struct json_object *member(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        return json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, key, &value) ? value :
                                                                                                                NULL;
}

static const char *member_text(struct json_object *object, const char *key) {
        struct json_object *value = member(object, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool take(const char *name, char ret_name[static QUESTION_NAME_SIZE]) {
        return name && text_clean(ret_name, QUESTION_NAME_SIZE, name, strlen(name)) > 0;
}

/* What runtimes of Kubernetes write beside a container. The sandbox of a pod has no name of its own. */
static bool take_pod(struct json_object *labels, char ret_name[static QUESTION_NAME_SIZE]) {
        static const struct {
                const char *space, *pod, *container;
        } keys[] = {
                { "io.kubernetes.pod.namespace", "io.kubernetes.pod.name", "io.kubernetes.container.name" },
                { "io.kubernetes.cri.sandbox-namespace", "io.kubernetes.cri.sandbox-name",
                  "io.kubernetes.cri.container-name" },
        };
        char name[3 * QUESTION_NAME_SIZE];

        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
                const char *space = member_text(labels, keys[i].space), *pod = member_text(labels, keys[i].pod),
                           *container = member_text(labels, keys[i].container);

                if (!space || !pod)
                        continue;
                snprintf(name, sizeof name, "%s/%s/%s", space, pod, container ? container : "POD");
                return take(name, ret_name);
        }
        return false;
}

bool document_docker(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        struct json_object *object = parse(text);
        const char *name = member_text(object, "Name");
        bool is_found = take_pod(member(member(object, "Config"), "Labels"), ret_name) ||
                        take(name && name[0] == '/' ? name + 1 : name, ret_name);

        json_object_put(object);
        return is_found;
}

bool document_podman(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        struct json_object *list = parse(text);
        bool is_found = false;

        for (size_t i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
                struct json_object *container = json_object_array_get_idx(list, i), *names = member(container, "names");
                const char *this_id = member_text(container, "id");

                if (!this_id || strcmp(this_id, id) != 0)
                        continue;
                if (json_object_is_type(names, json_type_array) && json_object_array_length(names) > 0)
                        is_found = take(json_object_get_string(json_object_array_get_idx(names, 0)), ret_name);
                break;
        }
        json_object_put(list);
        return is_found;
}

bool document_bundle(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        struct json_object *object = parse(text), *annotations = member(object, "annotations");
        bool is_found = take_pod(annotations, ret_name) || take(member_text(annotations, "nerdctl/name"), ret_name);

        json_object_put(object);
        return is_found;
}

/* The value behind a key at the beginning of a line, before a line that begins with '[' and is not the first group. */
static bool take_line(const char *text, const char *key, char ret_name[static QUESTION_NAME_SIZE]) {
        size_t n = strlen(key);

        while (*text && *text != '[') {
                size_t length = strcspn(text, "\r\n");

                if (length > n && strncmp(text, key, n) == 0) {
                        text += n + strspn(text + n, " \t");
                        return text_clean(ret_name, QUESTION_NAME_SIZE, text, strcspn(text, "\r\n")) > 0;
                }
                text += length;
                text += strspn(text, "\r\n");
        }
        return false;
}

bool document_proxmox_container(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        return take_line(text, "hostname:", ret_name);
}

bool document_proxmox_machine(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        return take_line(text, "name:", ret_name);
}

bool document_desktop(const char *text, const char *id, char ret_name[static QUESTION_NAME_SIZE]) {
        const char *group = strncmp(text, "[Desktop Entry]", 15) == 0 ? text : strstr(text, "\n[Desktop Entry]");

        return group && take_line(strchr(group, ']') + 1 + strspn(strchr(group, ']') + 1, "\r\n"), "Name=", ret_name);
}
