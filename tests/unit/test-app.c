/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cgroups are called, by paths as systemd, desktops and container runtimes make them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/identity/desktop.h"
#include "daemon/identity/identity.h"
#include "tests/unit/tree.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_HEX "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define USER "/user.slice/user-1000.slice/user@1000.service"
#define UUID "01234567-89ab-cdef-0123-456789abcdef"
#define POD "01234567_89ab_cdef_0123_456789abcdef"

#define BEST_EFFORT "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD ".slice"
#define KIND_KUBELET "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" POD ".slice"

struct expectation {
        const char *path, *kind, *id, *name, *service, *container, *runtime, *pod;
};

static const char *const no_directories[] = { NULL };

static unsigned differs(const char *path, const char *what, const char *is, const char *wanted) {
        if (strcmp(is, wanted) == 0)
                return 0;
        print_error("%s: %s is '%s', not '%s'\n", path, what, is, wanted);
        return 1;
}

static void check_all(const struct expectation list[], size_t n) {
        unsigned n_wrong = 0;

        for (size_t i = 0; i < n; i++) {
                const struct expectation *e = &list[i];
                struct identity is;

                identity_from_path(e->path, desktop_ask, (void *) no_directories, &is);
                n_wrong += differs(e->path, "kind", identity_kind(&is), e->kind);
                n_wrong += differs(e->path, "id", is.app.id, e->id);
                n_wrong += differs(e->path, "name", is.app.name, e->name);
                n_wrong += differs(e->path, "service", is.unit.name, e->service);
                n_wrong += differs(e->path, "container", is.container.id, e->container);
                n_wrong += differs(e->path, "runtime", is.container.runtime, e->runtime);
                n_wrong += differs(e->path, "pod", is.container.pod, e->pod);
        }
        assert_int_equal(n_wrong, 0);
}

#define CHECK(list) check_all(list, sizeof list / sizeof list[0])

static void units_of_the_system_are_called_after_the_unit(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/nginx.service", "unit", "nginx.service", "nginx", "nginx.service", "", "", "" },
                { "/system.slice/system-getty.slice/getty@tty1.service",
                  "unit", "getty@tty1.service", "getty@tty1", "getty@tty1.service", "", "", "" },
                { "/system.slice/system-wg\\x2dquick.slice/wg-quick@wg0.service",
                  "unit", "wg-quick@wg0.service", "wg-quick@wg0", "wg-quick@wg0.service", "", "", "" },
                { "/system.slice/systemd-fsck@dev-disk-by\\x2duuid-1234.service",
                  "unit", "systemd-fsck@dev-disk-by\\x2duuid-1234.service", "systemd-fsck@dev-disk-by-uuid-1234",
                  "systemd-fsck@dev-disk-by\\x2duuid-1234.service", "", "", "" },
                { "/system.slice/system-waldo.slice/_cpu.service/x",
                  "unit", "cpu.service", "cpu", "cpu.service", "", "", "" },
                { "/system.slice/home-user.mount",
                  "unit", "home-user.mount", "/home/user", "home-user.mount", "", "", "" },
                { "/system.slice/-.mount", "unit", "-.mount", "/", "-.mount", "", "", "" },
                { "/system.slice/srv-my\\x2ddata.mount",
                  "unit", "srv-my\\x2ddata.mount", "/srv/my-data", "srv-my\\x2ddata.mount", "", "", "" },
                { "/system.slice/containerd.service/sub",
                  "unit", "containerd.service", "containerd", "containerd.service", "", "", "" },
                { "/init.scope", "unit", "init.scope", "systemd", "init.scope", "", "", "" },
                { "/system.slice/run-u123.service",
                  "transient", "run-u123.service", "run-u123.service", "run-u123.service", "", "", "" },
                { "/system.slice/run-r0123456789abcdef0123456789abcdef.scope",
                  "transient", "run-r0123456789abcdef0123456789abcdef.scope",
                  "run-r0123456789abcdef0123456789abcdef.scope", "run-r0123456789abcdef0123456789abcdef.scope", "",
                  "", "" },
                { "/system.slice/run-p4711-i4712.service",
                  "transient", "run-p4711-i4712.service", "run-p4711-i4712.service", "run-p4711-i4712.service", "",
                  "", "" },
                { "/system.slice/run-parts.service",
                  "unit", "run-parts.service", "run-parts", "run-parts.service", "", "", "" },
        };

        CHECK(list);
}

static void users_units_and_sessions_are_called_after_the_unit(void **state) {
        static const struct expectation list[] = {
                { "/user.slice/user-1000.slice/session-3.scope",
                  "session", "session-3.scope", "session-3", "session-3.scope", "", "", "" },
                { USER "/session.slice/pipewire.service",
                  "user-unit", "pipewire.service", "pipewire", "pipewire.service", "", "", "" },
                { USER "/init.scope", "user-unit", "init.scope", "systemd --user", "init.scope", "", "", "" },
                { USER "/app.slice/app-graphical.slice/run-u7.scope",
                  "transient", "run-u7.scope", "run-u7.scope", "run-u7.scope", "", "", "" },
                { USER "/app.slice/app-graphical.slice/tool.service",
                  "user-unit", "tool.service", "tool", "tool.service", "", "", "" },
                { USER "/app.slice/run-r0123456789abcdef0123456789abcdef.scope",
                  "transient", "run-r0123456789abcdef0123456789abcdef.scope",
                  "run-r0123456789abcdef0123456789abcdef.scope", "run-r0123456789abcdef0123456789abcdef.scope", "",
                  "", "" },
                { USER "/app.slice/app-borgmatic.slice/borgmatic@home.service",
                  "user-unit", "borgmatic@home.service", "borgmatic@home", "borgmatic@home.service", "", "", "" },
                { USER "/app.slice/app-gnome\\x2dsession\\x2dmanager.slice/gnome-session-manager@ubuntu.service",
                  "user-unit", "gnome-session-manager@ubuntu.service", "gnome-session-manager@ubuntu",
                  "gnome-session-manager@ubuntu.service", "", "", "" },
        };

        CHECK(list);
}

static void applications_of_desktops_are_found_in_the_units_name(void **state) {
        static const struct expectation list[] = {
                { USER "/app.slice/app-gnome-org.gnome.Evolution\\x2dalarm\\x2dnotify-2437.scope",
                  "app", "org.gnome.Evolution-alarm-notify", "org.gnome.Evolution-alarm-notify",
                  "app-gnome-org.gnome.Evolution\\x2dalarm\\x2dnotify-2437.scope", "", "", "" },
                { USER "/app.slice/app-glib-spice\\x2dvdagent-1839.scope",
                  "app", "spice-vdagent", "spice-vdagent", "app-glib-spice\\x2dvdagent-1839.scope", "", "", "" },
                { USER "/app.slice/app-KDE-org.kde.okular@12345.service",
                  "app", "org.kde.okular", "org.kde.okular", "app-KDE-org.kde.okular@12345.service", "", "", "" },
                { USER "/app.slice/app-org.kde.okular@0123456789abcdef0123456789abcdef.service",
                  "app", "org.kde.okular", "org.kde.okular",
                  "app-org.kde.okular@0123456789abcdef0123456789abcdef.service", "", "", "" },
                { USER "/app.slice/app-firefox.service",
                  "app", "firefox", "firefox", "app-firefox.service", "", "", "" },
                { USER "/app.slice/app-firefox-1234.scope",
                  "app", "firefox", "firefox", "app-firefox-1234.scope", "", "", "" },
                { USER "/app.slice/apps-org.kde.kate-123.scope",
                  "app", "org.kde.kate", "org.kde.kate", "apps-org.kde.kate-123.scope", "", "", "" },
                { USER "/app.slice/app-gnome-firefox.service",
                  "app", "firefox", "firefox", "app-gnome-firefox.service", "", "", "" },
                { USER "/app.slice/app-org.kde.kdeconnect\\x2dindicator@autostart.service",
                  "app", "org.kde.kdeconnect-indicator", "org.kde.kdeconnect-indicator",
                  "app-org.kde.kdeconnect\\x2dindicator@autostart.service", "", "", "" },
                { USER "/app.slice/app-geoclue\\x2ddemo\\x2dagent-autostart.service",
                  "app", "geoclue-demo-agent", "geoclue-demo-agent",
                  "app-geoclue\\x2ddemo\\x2dagent-autostart.service", "", "", "" },
                { USER "/app.slice/app-gnome-google\\x2dchrome-77.scope",
                  "app", "google-chrome", "google-chrome", "app-gnome-google\\x2dchrome-77.scope", "", "", "" },
                { USER "/app.slice/dbus-:1.2-org.kde.kdeconnect@0.service",
                  "app", "org.kde.kdeconnect", "org.kde.kdeconnect", "dbus-:1.2-org.kde.kdeconnect@0.service", "",
                  "", "" },
                { USER "/app.slice/app-my-app-1234.scope", "app", "app", "app", "app-my-app-1234.scope", "", "", "" },
                { USER "/app.slice/app-graphical.slice/app-Hyprland-kitty-88.scope",
                  "app", "kitty", "kitty", "app-Hyprland-kitty-88.scope", "", "", "" },
                { USER "/app.slice/app-dbus\\x2d:1.37\\x2dorg.a11y.atspi.Registry.slice/x.service",
                  "app", "org.a11y.atspi.Registry", "org.a11y.atspi.Registry", "x.service", "", "", "" },
                { USER "/background.slice/app-org.mozilla.firefox@0123456789abcdef0123456789abcdef.service",
                  "app", "org.mozilla.firefox", "org.mozilla.firefox",
                  "app-org.mozilla.firefox@0123456789abcdef0123456789abcdef.service", "", "", "" },
        };

        CHECK(list);
}

static void flatpak_snap_and_terminals_have_forms_of_their_own(void **state) {
        static const struct expectation list[] = {
                { USER "/app.slice/app-flatpak-org.mozilla.firefox-2518.scope",
                  "flatpak", "org.mozilla.firefox", "org.mozilla.firefox",
                  "app-flatpak-org.mozilla.firefox-2518.scope", "", "", "" },
                { USER "/app.slice/flatpak-org.mozilla.firefox-2518.scope",
                  "flatpak", "org.mozilla.firefox", "org.mozilla.firefox", "flatpak-org.mozilla.firefox-2518.scope",
                  "", "", "" },
                { USER "/app.slice/snap.firefox.firefox-" UUID ".scope",
                  "snap", "firefox", "firefox", "snap.firefox.firefox-" UUID ".scope", "", "", "" },
                { USER "/app.slice/snap." UUID ".firefox.firefox.scope",
                  "snap", "firefox", "firefox", "snap." UUID ".firefox.firefox.scope", "", "", "" },
                { USER "/app.slice/snap.libreoffice.writer-" UUID ".scope",
                  "snap", "libreoffice.writer", "libreoffice.writer", "snap.libreoffice.writer-" UUID ".scope", "",
                  "", "" },
                { USER "/app.slice/snap.firefox.hook.configure-" UUID ".scope",
                  "snap", "firefox.hook.configure", "firefox.hook.configure",
                  "snap.firefox.hook.configure-" UUID ".scope", "", "", "" },
                { USER "/app.slice/snap.name_instance.app-" UUID ".scope",
                  "snap", "name_instance.app", "name_instance.app", "snap.name_instance.app-" UUID ".scope", "", "",
                  "" },
                { "/system.slice/snap.lxd.daemon.service",
                  "snap", "lxd.daemon", "lxd.daemon", "snap.lxd.daemon.service", "", "", "" },
                { USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-" UUID ".scope",
                  "terminal", "org.gnome.Terminal", "org.gnome.Terminal", "vte-spawn-" UUID ".scope", "", "", "" },
                { USER "/app.slice/ptyxis-spawn-" UUID ".scope",
                  "terminal", "ptyxis", "ptyxis", "ptyxis-spawn-" UUID ".scope", "", "", "" },
                { USER "/app.slice/tmux-spawn-" UUID ".scope",
                  "terminal", "tmux", "tmux", "tmux-spawn-" UUID ".scope", "", "", "" },
                { USER "/app.slice/snap.firefox.firefox." UUID ".scope",
                  "snap", "firefox", "firefox", "snap.firefox.firefox." UUID ".scope", "", "", "" },
                { USER "/app.slice/snap.firefox_beta.firefox-" UUID ".scope",
                  "snap", "firefox_beta", "firefox_beta", "snap.firefox_beta.firefox-" UUID ".scope", "", "", "" },
                { USER "/app.slice/kitty-3808-0.scope",
                  "terminal", "kitty", "kitty", "kitty-3808-0.scope", "", "", "" },
                { USER "/app.slice/app-ghostty-surface-transient-12345.scope",
                  "terminal", "ghostty", "ghostty", "app-ghostty-surface-transient-12345.scope", "", "", "" },
                { USER "/app.slice/app-org.kde.konsole-433443.scope/tab(433500).scope",
                  "terminal", "org.kde.konsole", "org.kde.konsole", "app-org.kde.konsole-433443.scope", "", "", "" },
                { USER "/gnome-launched-jetbrains-goland.desktop-38417.scope",
                  "app", "jetbrains-goland", "jetbrains-goland", "gnome-launched-jetbrains-goland.desktop-38417.scope",
                  "", "", "" },
        };

        CHECK(list);
}

static void containers_are_found_by_the_runtimes_names(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/docker-" HEX ".scope",
                  "docker", "0123456789ab", "0123456789ab", "docker-" HEX ".scope", HEX, "docker", "" },
                { "/docker/" HEX, "docker", "0123456789ab", "0123456789ab", "", HEX, "docker", "" },
                { "/docker/" HEX "/system.slice/nginx.service",
                  "docker", "0123456789ab", "0123456789ab", "", HEX, "docker", "" },
                { USER "/user.slice/docker-" HEX ".scope",
                  "docker", "0123456789ab", "0123456789ab", "docker-" HEX ".scope", HEX, "docker", "" },
                { "/machine.slice/libpod-" HEX ".scope/container",
                  "podman", "0123456789ab", "0123456789ab", "libpod-" HEX ".scope", HEX, "podman", "" },
                { USER "/user.slice/libpod-" HEX ".scope/container",
                  "podman", "0123456789ab", "0123456789ab", "libpod-" HEX ".scope", HEX, "podman", "" },
                { "/machine.slice/machine-libpod_pod_" HEX ".slice/libpod-" HEX ".scope",
                  "podman", "0123456789ab", "0123456789ab", "libpod-" HEX ".scope", HEX, "podman", HEX },
                { USER "/user.slice/user-libpod_pod_" HEX ".slice/libpod-" HEX ".scope/container",
                  "podman", "0123456789ab", "0123456789ab", "libpod-" HEX ".scope", HEX, "podman", HEX },
                { "/libpod_parent/libpod-" HEX, "podman", "0123456789ab", "0123456789ab", "", HEX, "podman", "" },
                { "/libpod_parent/" OTHER_HEX "/libpod-" HEX,
                  "podman", "0123456789ab", "0123456789ab", "", HEX, "podman", OTHER_HEX },
                { "/docker/" OTHER_HEX "/libpod-" HEX,
                  "podman", "0123456789ab", "0123456789ab", "", HEX, "podman", "" },
                { "/machine.slice/libpod-conmon-" HEX ".scope",
                  "podman", "0123456789ab", "0123456789ab", "libpod-conmon-" HEX ".scope", HEX, "podman", "" },
                { "/system.slice/web.service/libpod-payload-" HEX,
                  "podman", "web.service", "web.service", "web.service", HEX, "podman", "" },
                { "/machine.slice/systemd-nspawn@vm.service/payload/system.slice/web.service/libpod-payload-" HEX,
                  "podman", "0123456789ab", "0123456789ab", "systemd-nspawn@vm.service", HEX, "podman", "" },
                { "/user.slice/user-1000.slice/session-3.scope/libpod-payload-" HEX,
                  "podman", "0123456789ab", "0123456789ab", "session-3.scope", HEX, "podman", "" },
                { USER "/app.slice/app-org.gnome.Terminal.slice/vte-spawn-" UUID ".scope/libpod-payload-" HEX,
                  "podman", "0123456789ab", "0123456789ab", "vte-spawn-" UUID ".scope", HEX, "podman", "" },
                { "/system.slice/nerdctl-" HEX ".scope",
                  "containerd", "0123456789ab", "0123456789ab", "nerdctl-" HEX ".scope", HEX, "containerd", "" },
                { "/default/" HEX, "containerd", "0123456789ab", "0123456789ab", "", HEX, "containerd", "" },
                { "/ecs/task/" HEX, "container", "0123456789ab", "0123456789ab", "", HEX, "unknown", "" },
                { "/system.slice/newrt-" HEX ".scope",
                  "newrt", "0123456789ab", "0123456789ab", "newrt-" HEX ".scope", HEX, "newrt", "" },
                { "/system.slice:newrt:" HEX, "newrt", "0123456789ab", "0123456789ab", "", HEX, "newrt", "" },
                { "/nomad.slice/" UUID ".redis.scope",
                  "nomad", "redis", "redis", UUID ".redis.scope", "redis", "nomad", "" },
                { "/lxc.payload.web/system.slice/ssh.service", "lxc", "web", "web", "", "web", "lxc", "" },
                { "/lxc.monitor.web", "lxc", "web", "web", "", "web", "lxc", "" },
                { "/lxc/web", "lxc", "web", "web", "", "web", "lxc", "" },
                { "/lxc/101/ns/init.scope", "lxc", "101", "101", "", "101", "lxc", "" },
                { "/machine.slice/systemd-nspawn@my\\x2dvm.service/payload",
                  "nspawn", "my-vm", "my-vm", "systemd-nspawn@my\\x2dvm.service", "my-vm", "nspawn", "" },
                { "/machine.slice/machine-deb\\x2d12.scope/payload/init.scope",
                  "nspawn", "deb-12", "deb-12", "machine-deb\\x2d12.scope", "deb-12", "nspawn", "" },
                { "/machine.slice/machine-lxc\\x2d969\\x2dname.scope",
                  "lxc", "name", "name", "machine-lxc\\x2d969\\x2dname.scope", "name", "lxc", "" },
                { "/machine.slice/machine-qemu\\x2d1\\x2dopnsense.scope/libvirt/emulator",
                  "vm", "opnsense", "opnsense", "machine-qemu\\x2d1\\x2dopnsense.scope", "opnsense", "libvirt", "" },
                { "/machine/qemu-3-db.libvirt-qemu/vcpu0", "vm", "db", "db", "", "db", "libvirt", "" },
                { "/qemu.slice/104.scope", "vm", "104", "104", "104.scope", "104", "qemu", "" },
                { "/machine.slice/systemd-nspawn@host.service/payload/system.slice/docker-" HEX ".scope",
                  "docker", "0123456789ab", "0123456789ab", "systemd-nspawn@host.service", HEX, "docker", "" },
                { "/system.slice/system.slice:docker:jvifp9a6b1lxa1kuw8bwfcovf",
                  "buildkit", "jvifp9a6b1lxa1kuw8bwfcovf", "jvifp9a6b1lxa1kuw8bwfcovf", "",
                  "jvifp9a6b1lxa1kuw8bwfcovf", "buildkit", "" },
                { "/docker/buildx/" HEX, "docker", "0123456789ab", "0123456789ab", "", HEX, "docker", "" },
                { "/nomad.slice/share.slice/" UUID ".web.scope",
                  "nomad", "web", "web", UUID ".web.scope", "web", "nomad", "" },
                { "/machine.slice/container@media-01.service/payload",
                  "nspawn", "media-01", "media-01", "container@media-01.service", "media-01", "nspawn", "" },
                { "/machine.slice/machine-qemu\\x2dwin.scope/libvirt",
                  "vm", "win", "win", "machine-qemu\\x2dwin.scope", "win", "libvirt", "" },
                { "/machine.slice/systemd-vmspawn@fedora.service",
                  "vm", "fedora", "fedora", "systemd-vmspawn@fedora.service", "fedora", "vmspawn", "" },
                { "/kata_overhead/" HEX, "kata", "0123456789ab", "0123456789ab", "", HEX, "kata", "" },
                { "/firecracker/" UUID, "vm", UUID, UUID, "", UUID, "firecracker", "" },
                { "/garden/" UUID, "garden", UUID, UUID, "", UUID, "garden", "" },
                { USER "/user.slice/user-libpod_pod_" HEX ".slice", "podman", HEX, HEX, "user@1000.service", "",
                  "podman", HEX },
        };

        CHECK(list);
}

static void pods_of_kubernetes_are_found_with_both_drivers(void **state) {
        static const struct expectation list[] = {
                { BEST_EFFORT "/cri-containerd-" HEX ".scope",
                  "k8s", UUID, "0123456789ab", "cri-containerd-" HEX ".scope", HEX, "containerd", UUID },
                { BEST_EFFORT "/crio-" HEX ".scope",
                  "k8s", UUID, "0123456789ab", "crio-" HEX ".scope", HEX, "cri-o", UUID },
                { BEST_EFFORT "/crio-conmon-" HEX ".scope",
                  "k8s", UUID, "0123456789ab", "crio-conmon-" HEX ".scope", HEX, "cri-o", UUID },
                { BEST_EFFORT "/docker-" HEX ".scope",
                  "k8s", UUID, "0123456789ab", "docker-" HEX ".scope", HEX, "docker", UUID },
                { "/kubepods/burstable/pod" UUID "/" HEX, "k8s", UUID, "0123456789ab", "", HEX, "unknown", UUID },
                { "/kubepods/pod0123456789abcdef0123456789abcdef/" HEX,
                  "k8s", "0123456789abcdef0123456789abcdef", "0123456789ab", "", HEX, "unknown",
                  "0123456789abcdef0123456789abcdef" },
                { "/system.slice/containerd.service/kubepods-burstable-pod" POD ".slice:cri-containerd:" HEX,
                  "k8s", UUID, "0123456789ab", "containerd.service", HEX, "containerd", UUID },
                { KIND_KUBELET "/cri-containerd-" HEX ".scope",
                  "k8s", UUID, "0123456789ab", "cri-containerd-" HEX ".scope", HEX, "containerd", UUID },
                { BEST_EFFORT,
                  "k8s", UUID, UUID, "", "", "", UUID },
                { "/kubepods/burstable/pod" UUID "/crio-conmon-" HEX,
                  "k8s", UUID, "0123456789ab", "", HEX, "cri-o", UUID },
        };

        CHECK(list);
}

static void what_only_looks_like_a_container_is_none(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/docker.service", "unit", "docker.service", "docker", "docker.service", "", "", "" },
                { "/system.slice/docker-0123456789ab.scope",
                  "unit", "docker-0123456789ab.scope", "docker-0123456789ab", "docker-0123456789ab.scope", "", "",
                  "" },
                { "/system.slice/podman-1234.scope",
                  "unit", "podman-1234.scope", "podman-1234", "podman-1234.scope", "", "", "" },
                { "/docker/build", "cgroup", "build", "build", "", "", "", "" },
                { "/system.slice/lxc.service/x", "unit", "lxc.service", "lxc", "lxc.service", "", "", "" },
                { "/podium.slice/a.service", "unit", "a.service", "a", "a.service", "", "", "" },
                { "/", "kernel", "kernel", "kernel", "", "", "", "" },
                { "/my/own", "cgroup", "own", "own", "", "", "", "" },
                { "/system.slice/podman-kube@-home-joe-play.yaml.service",
                  "unit", "podman-kube@-home-joe-play.yaml.service", "podman-kube@-home-joe-play.yaml",
                  "podman-kube@-home-joe-play.yaml.service", "", "", "" },
                { "/system.slice/container@web.service",
                  "unit", "container@web.service", "container@web", "container@web.service", "", "", "" },
                { "/openrc.sshd/supervise", "cgroup", "sshd", "sshd", "", "", "", "" },
                { "/openrc/nginx/1", "cgroup", "nginx", "nginx", "", "", "", "" },
        };

        CHECK(list);
}

static void names_from_strangers_are_safe_to_print(void **state) {
        static const struct expectation list[] = {
                { "/a\x1b[31m", "cgroup", "a?[31m", "a?[31m", "", "", "", "" },
                { "/lxc.payload.a\xff\n", "lxc", "a??", "a??", "", "a??", "lxc", "" },
                { USER "/app.slice/app-a\\x1bb-1.scope", "app", "a?b", "a?b", "app-a\\x1bb-1.scope", "", "", "" },
                { USER "/app.slice/app-a\\xe2\\x80\\xaeb-1.scope",
                  "app", "a???b", "a???b", "app-a\\xe2\\x80\\xaeb-1.scope", "", "", "" },
                { USER "/app.slice/app-a\\x00b-1.scope",
                  "app", "a\\x00b", "a\\x00b", "app-a\\x00b-1.scope", "", "", "" },
                { USER "/unit-" HEX,
                  "container", "0123456789ab", "0123456789ab", "user@1000.service", HEX, "unknown", "" },
                { USER "/(kernel)-" HEX,
                  "container", "0123456789ab", "0123456789ab", "user@1000.service", HEX, "unknown", "" },
        };

        CHECK(list);
}

static void desktop_files_tell_names_and_which_reading_is_right(void **state) {
        struct tree *tree = *state;
        const char *const directories[] = { tree_path(tree, "nowhere"), tree->path, NULL };
        struct identity is;

        tree_file(tree, "my-app.desktop",
                  "[Desktop Entry]\nName[de]=Mein\nName=My App\x1b\n[Desktop Action x]\nName=No\n");
        tree_file(tree, "firefox_firefox.desktop", "[Desktop Entry]\nName=Firefox\n");
        tree_file(tree, "nameless.desktop", "[Desktop Entry]\n[Other]\nName=No\n");
        identity_from_path(USER "/app.slice/app-my-app-1234.scope", desktop_ask, (void *) directories, &is);
        assert_string_equal(is.app.id, "my-app");
        assert_string_equal(is.app.name, "My App?");
        identity_from_path(USER "/app.slice/snap.firefox.firefox-" UUID ".scope",
                           desktop_ask, (void *) directories, &is);
        assert_string_equal(is.app.id, "firefox");
        assert_string_equal(is.app.name, "Firefox");
        identity_from_path(USER "/app.slice/app-nameless.service", desktop_ask, (void *) directories, &is);
        assert_string_equal(is.app.name, "nameless");
        identity_from_path("/system.slice/my-app.service", desktop_ask, (void *) directories, &is);
        assert_string_equal(is.app.name, "my-app");
}

static void who_can_give_names_is_told(void **state) {
        struct identity is;

        identity_from_path(USER "/lxc.payload.web", desktop_ask, (void *) no_directories, &is);
        assert_int_equal(is.unit.owner, 1000);
        identity_from_path(USER "/system.slice/nginx.service", desktop_ask, (void *) no_directories, &is);
        assert_int_equal(is.unit.owner, 1000);
        assert_int_equal(is.unit.uid, 1000);
        identity_from_path("/system.slice/nginx.service/user@1000.service",
                           desktop_ask, (void *) no_directories, &is);
        assert_int_equal(is.unit.owner, UNIT_SYSTEM);
        identity_from_path("/user.slice/user-1000.slice/session-3.scope",
                           desktop_ask, (void *) no_directories, &is);
        assert_int_equal(is.unit.owner, UNIT_SYSTEM);
}

static void an_id_cannot_lead_out_of_the_directory(void **state) {
        static const char *const directories[] = { "/etc", NULL };
        char name[64];

        assert_int_equal(desktop_name(directories, "../etc/x", name, sizeof name), -EINVAL);
        assert_int_equal(desktop_name(directories, "", name, sizeof name), -EINVAL);
        assert_int_equal(desktop_name(directories, ".", name, sizeof name), -EINVAL);
        assert_int_equal(desktop_name(directories, "nobody", name, sizeof name), -ENOENT);
}

/* Bytes of every kind in every place: no reading past the end, and always text that is safe to print. */
static void any_path_has_a_bounded_name(void **state) {
        static const char *const pieces[] = {
                "app-", "-", "@", ".scope", ".slice", ".service", "snap.", "libpod-", "/", "/", "docker-", "machine-",
                "\\x2d", "\\x", HEX, UUID, "pod", "dbus-:1.2", ":", "user@1.service", "lxc", "lxc.payload.", "_", ".",
                "run-", "u1", "\xff", "flatpak-",
        };
        char path[4097];
        struct identity is;

        srandom(1);
        for (unsigned round = 0; round < 200000; round++) {
                size_t n = 1, max = round % 100 == 0 ? sizeof path : 300;

                path[0] = '/';
                for (unsigned i = (unsigned) random() % 12; i > 0 || round % 100 == 0; i--) {
                        const char *piece = pieces[(size_t) random() % (sizeof pieces / sizeof pieces[0])];

                        if (n + strlen(piece) >= max)
                                break;
                        memcpy(path + n, piece, strlen(piece));
                        n += strlen(piece);
                }
                path[n] = '\0';
                identity_from_path(path, desktop_ask, (void *) no_directories, &is);
                assert_non_null(identity_kind(&is));
                assert_non_null(is.app.rule);
                assert_true(strlen(is.app.id) < sizeof is.app.id && strlen(is.app.name) < sizeof is.app.name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(units_of_the_system_are_called_after_the_unit),
                cmocka_unit_test(users_units_and_sessions_are_called_after_the_unit),
                cmocka_unit_test(applications_of_desktops_are_found_in_the_units_name),
                cmocka_unit_test(flatpak_snap_and_terminals_have_forms_of_their_own),
                cmocka_unit_test(containers_are_found_by_the_runtimes_names),
                cmocka_unit_test(pods_of_kubernetes_are_found_with_both_drivers),
                cmocka_unit_test(what_only_looks_like_a_container_is_none),
                cmocka_unit_test(names_from_strangers_are_safe_to_print),
                cmocka_unit_test_setup_teardown(desktop_files_tell_names_and_which_reading_is_right, tree_setup,
                                                tree_teardown),
                cmocka_unit_test(who_can_give_names_is_told),
                cmocka_unit_test(an_id_cannot_lead_out_of_the_directory),
                cmocka_unit_test(any_path_has_a_bounded_name),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
