/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each runtime names the cgroup of a container in a way of its own; the rows below are these ways. A row says what is
 * before and behind the id, what the id looks like, and where a bare id would mean nothing, in which cgroup it must be.
 * The path is read from the outside in and the last match counts, so of a container in a container the inner one is
 * found. Examples: docker-<64 digits>.scope, lxc.payload.web, /kubepods/burstable/pod<uid>/<64 digits>.
 */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "daemon/identity/component.h"
#include "daemon/identity/container.h"
#include "daemon/identity/identity.h"

#define ID_DIGITS 64
#define BUILD_LETTERS 25

enum id_form {
        ID_HEX,      /* ID_DIGITS hexadecimal digits */
        ID_NAME,     /* any text */
        ID_ESCAPED,  /* a name with systemd's \xNN */
        ID_NUMBER,
        ID_NUMBERED, /* a number, '-', and a name */
        ID_TASK,     /* of Nomad: an allocation's UUID, '.', and a name */
        ID_BUILD,    /* of BuildKit: BUILD_LETTERS lower case letters and digits */
};

enum {
        IS_MACHINE = 1 << 0,
        IS_PAYLOAD = 1 << 1,
        IS_KUBERNETES = 1 << 2,
};

static const struct rule {
        const char *runtime, *prefix, *suffix, *parent; /* parent: NULL or the name of the cgroup it is in */
        enum id_form form;
        unsigned flags;
} rules[] = {
        { "docker", "docker-", ".scope", NULL, ID_HEX, 0 },
        { "docker", "", "", "docker", ID_HEX, 0 },
        { "docker", "", "", "buildx", ID_HEX, 0 },
        { "podman", "libpod-conmon-", ".scope", NULL, ID_HEX, 0 },
        { "podman", "libpod-payload-", "", NULL, ID_HEX, IS_PAYLOAD },
        { "podman", "libpod-", ".scope", NULL, ID_HEX, 0 },
        { "podman", "libpod-conmon-", "", NULL, ID_HEX, 0 },
        { "podman", "libpod-", "", NULL, ID_HEX, 0 },
        { "containerd", "nerdctl-", ".scope", NULL, ID_HEX, 0 },
        { "containerd", "cri-containerd-", ".scope", NULL, ID_HEX, IS_KUBERNETES },
        { "containerd", "", "", "default", ID_HEX, 0 },
        { "cri-o", "crio-conmon-", ".scope", NULL, ID_HEX, IS_KUBERNETES },
        { "cri-o", "crio-", ".scope", NULL, ID_HEX, IS_KUBERNETES },
        { "cri-o", "crio-conmon-", "", NULL, ID_HEX, IS_KUBERNETES },
        { "cri-o", "crio-", "", NULL, ID_HEX, IS_KUBERNETES },
        { "kata", "", "", "kata_overhead", ID_HEX, 0 },
        { "kata", "kata_overhead-", ".scope", NULL, ID_HEX, 0 },
        { "kata", "kata_", "", NULL, ID_HEX, 0 },
        { "buildkit", "", "", "buildkit", ID_NAME, 0 },
        { "buildkit", "", "", "docker", ID_BUILD, 0 },
        { "garden", "", "", "garden", ID_NAME, 0 },
        { "nomad", "", ".scope", "nomad.slice", ID_TASK, 0 },
        { "nomad", "", ".scope", "share.slice", ID_TASK, 0 },
        { "nomad", "", ".scope", "reserve.slice", ID_TASK, 0 },
        { "lxc", "lxc.monitor.", "", NULL, ID_NAME, 0 },
        { "lxc", "lxc.payload.", "", NULL, ID_NAME, 0 },
        { "lxc", "", "", "lxc.payload", ID_NAME, 0 },
        { "lxc", "", "", "lxc.monitor", ID_NAME, 0 },
        { "lxc", "", "", "lxc", ID_NAME, 0 },
        { "qemu", "", ".scope", "qemu.slice", ID_NUMBER, IS_MACHINE },
        { "libvirt", "machine-qemu\\x2d", ".scope", NULL, ID_NUMBERED, IS_MACHINE },
        { "libvirt", "machine-qemu\\x2d", ".scope", NULL, ID_ESCAPED, IS_MACHINE }, /* before libvirt had numbers */
        { "libvirt", "machine-ch\\x2d", ".scope", NULL, ID_NUMBERED, IS_MACHINE },
        { "lxc", "machine-lxc\\x2d", ".scope", NULL, ID_NUMBERED, 0 },
        { "lxc", "machine-lxc\\x2d", ".scope", NULL, ID_ESCAPED, 0 },
        { "libvirt", "qemu-", ".libvirt-qemu", NULL, ID_NUMBERED, IS_MACHINE },
        { "lxc", "lxc-", ".libvirt-lxc", NULL, ID_NUMBERED, 0 },
        { "firecracker", "", "", "firecracker", ID_NAME, IS_MACHINE },
        { "vmspawn", "systemd-vmspawn@", ".service", NULL, ID_ESCAPED, IS_MACHINE },
        { "nspawn", "systemd-nspawn@", ".service", NULL, ID_ESCAPED, 0 },
        { "nspawn", "container@", ".service", "machine.slice", ID_ESCAPED, 0 }, /* NixOS */
        { "nspawn", "machine-", ".scope", NULL, ID_ESCAPED, 0 },
};

/* What is behind a number and '-', which is escaped inside a unit's name. */
static bool take_number(struct component *c) {
        size_t n = 0;

        while (n < c->length && c->text[n] >= '0' && c->text[n] <= '9')
                n++;
        if (n == 0)
                return false;
        c->text += n;
        c->length -= n;
        return component_take_prefix(c, "\\x2d") || component_take_prefix(c, "-");
}

static bool take_task(struct component *c) {
        struct component name;

        if (!component_split(c, '.', &name) || !component_is_uuid(*c) || name.length == 0)
                return false;
        *c = name;
        return true;
}

static bool is_lower_case(struct component c) {
        for (size_t i = 0; i < c.length; i++)
                if (isupper((unsigned char) c.text[i]))
                        return false;
        return true;
}

static bool is_id(enum id_form form, struct component *c) {
        switch (form) {
        case ID_HEX:
                return component_is_hex(*c, ID_DIGITS);
        case ID_NAME:
        case ID_ESCAPED:
                return c->length > 0;
        case ID_NUMBER:
                return component_is_number(*c);
        case ID_NUMBERED:
                return take_number(c);
        case ID_TASK:
                return take_task(c);
        case ID_BUILD:
                return c->length == BUILD_LETTERS && component_is_alnum(*c) && is_lower_case(*c);
        }
        return false;
}

static bool is_match(const struct rule *rule, struct component parent, struct component *c) {
        if (rule->parent && !component_equals(parent, rule->parent))
                return false;
        if (*rule->prefix && !component_take_prefix(c, rule->prefix))
                return false;
        if (*rule->suffix && !component_take_suffix(c, rule->suffix))
                return false;
        return is_id(rule->form, c);
}

static void set(struct container *container, struct component runtime, struct component id, unsigned flags) {
        component_copy(runtime, container->runtime, sizeof container->runtime);
        component_unescape(id, container->id, sizeof container->id);
        container->is_machine = flags & IS_MACHINE;
        container->is_payload = flags & IS_PAYLOAD;
        container->is_kubernetes = flags & IS_KUBERNETES || (container->is_kubernetes && container->pod[0]);
}

/* The name is a stranger's: it must not be taken for one of the other kinds of things. */
static bool is_runtime(struct component c) {
        static const char *const kinds[] = { "app",  "cgroup",   "container", "flatpak", "host",      "k8s",
                                             "kernel", "process", "service",   "session", "snap",      "terminal",
                                             "transient", "unit", "user-unit", "vm" };

        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
                if (component_equals(c, kinds[i]))
                        return false;
        for (size_t i = 0; i < c.length; i++)
                if (!isalnum((unsigned char) c.text[i]) && !memchr("_.-", c.text[i], 3))
                        return false;
        return c.length > 0 && is_lower_case(c);
}

/* SLICE:docker:<id>, with the id of a step of a build. */
static bool match_build(struct component c, struct container *container) {
        struct component id, runtime;

        if (!component_split_last(&c, ':', &id) || !component_split_last(&c, ':', &runtime) ||
            !component_equals(runtime, "docker") || !is_id(ID_BUILD, &id))
                return false;
        set(container, component_of("buildkit"), id, 0);
        return true;
}

/* A runtime that is not in the table still gives itself away by an id: RUNTIME-<id>.scope, SLICE:RUNTIME:<id>, or the
 * bare id. */
static bool match_unknown(struct component c, struct container *container) {
        struct component id = c, before, runtime = component_of("");

        component_take_suffix(&id, ".scope");
        if (id.length < ID_DIGITS)
                return false;
        before = (struct component) { id.text, id.length - ID_DIGITS };
        id.text += before.length;
        id.length = ID_DIGITS;
        if (!component_is_hex(id, ID_DIGITS))
                return false;
        if (before.length > 0) {
                struct component slice = { before.text, before.length - 1 };

                if (!memchr("-:_", before.text[before.length - 1], 3))
                        return false;
                runtime = slice;
                (void) component_split_last(&slice, ':', &runtime);
        }
        component_take_prefix(&runtime, "cri-");
        set(container, is_runtime(runtime) ? runtime : component_of(CONTAINER_RUNTIME_UNKNOWN), id, 0);
        return true;
}

/* What is behind word, which begins the component or a part of it behind '-'. */
static bool take_behind(struct component *c, const char *word) {
        for (size_t i = 0; i < c->length; i++) {
                struct component rest = { c->text + i, c->length - i };

                if ((i == 0 || c->text[i - 1] == '-') && component_take_prefix(&rest, word)) {
                        *c = rest;
                        return true;
                }
        }
        return false;
}

/* pod<uid>, alone or at the end of a slice's name, where '-' is written as '_'. A slice can have a container's name
 * behind it: kubepods-pod<uid>.slice:cri-containerd:<id>. libpod_pod_<id> is Podman's. */
static void match_pod(struct component c, struct container *container) {
        struct component behind;
        bool is_podman;

        (void) component_split(&c, ':', &behind);
        (void) component_take_suffix(&c, ".slice");
        is_podman = take_behind(&c, "libpod_pod_");
        if (!is_podman && !take_behind(&c, "pod"))
                return;
        if (is_podman ? !component_is_hex(c, ID_DIGITS) : !component_is_uuid(c) && !component_is_hex(c, 32))
                return;
        component_copy(c, container->pod, sizeof container->pod);
        for (char *p = container->pod; *p; p++)
                if (*p == '_')
                        *p = '-';
        container->is_kubernetes = !is_podman;
        if (is_podman)
                component_copy(component_of("podman"), container->runtime, sizeof container->runtime);
}

/* Whether the unit that a payload is in is known, and the payload called after it, as a quadlet is. A scope is a login
 * or the window of a terminal, with one container or ten; of a unit inside a container only the outer unit is known. */
static bool is_named_by_unit(struct component parent, const struct container *around) {
        return !around->id[0] && component_has_suffix(parent, ".service");
}

/* Where Podman makes cgroups without systemd, the containers of a pod are in one that has the bare id of the pod. */
static void match_parent(struct component parent, struct container *container) {
        if (!component_is_hex(parent, ID_DIGITS) || strcmp(container->runtime, CONTAINER_RUNTIME_UNKNOWN) != 0)
                return;
        component_copy(parent, container->pod, sizeof container->pod);
        container->is_kubernetes = false;
}

static void match(struct component parent, struct component c, struct container *container) {
        for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
                struct component id = c;

                if (is_match(&rules[i], parent, &id)) {
                        unsigned flags = rules[i].flags;

                        if (!is_named_by_unit(parent, container))
                                flags &= ~(unsigned) IS_PAYLOAD;
                        if (strcmp(rules[i].runtime, "podman") == 0)
                                match_parent(parent, container);
                        set(container, component_of(rules[i].runtime), id, flags);
                        return;
                }
        }
        (void) (match_build(c, container) || match_unknown(c, container));
}

void container_from_path(const char *path, struct container *ret_container) {
        struct component parent = component_of(""), c;

        memset(ret_container, 0, sizeof *ret_container);
        while (component_next(&path, &c)) {
                match_pod(c, ret_container);
                match(parent, c, ret_container);
                parent = c;
        }
}

void container_look_up(void *state, const char *path, struct identity *identity) {
        container_from_path(path, &identity->container);
}

void container_name(const struct container *container, char name[static CONTAINER_ID_SIZE]) {
        memcpy(name, container->id, CONTAINER_ID_SIZE);
        if (component_is_hex(component_of(name), ID_DIGITS))
                name[CONTAINER_SHORT_ID] = '\0';
}
