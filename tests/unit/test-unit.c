/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths as systemd, desktops and container managers really make them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/identity/unit.h"

struct expectation {
        const char *path, *name;
        uint32_t uid;
};

#define NONE UNIT_SYSTEM
#define CHECK(list) check_all(list, sizeof list / sizeof list[0])

static void check_all(const struct expectation list[], size_t n) {
        for (size_t i = 0; i < n; i++) {
                struct unit unit;

                unit_from_path(list[i].path, &unit);
                if (strcmp(unit.name, list[i].name) != 0 || unit.uid != list[i].uid)
                        fail_msg("%s: is %s of %u, not %s of %u", list[i].path, unit.name, (unsigned) unit.uid,
                                 list[i].name, (unsigned) list[i].uid);
        }
}

static void the_first_component_that_is_no_slice_is_the_system_unit(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/nginx.service", "nginx.service", NONE },
                { "/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", NONE },
                { "/system.slice/system-wg\\x2dquick.slice/wg-quick@wg0.service", "wg-quick@wg0.service", NONE },
                { "/init.scope", "init.scope", NONE },
                { "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator",
                  "machine-qemu\\x2d1\\x2dvm.scope", NONE },
                { "/system.slice/docker-0123456789ab.scope", "docker-0123456789ab.scope", NONE },
        };

        CHECK(list);
}

static void what_is_below_a_unit_belongs_to_it(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:abc",
                  "containerd.service", NONE },
                { "/system.slice/web.service/libpod-payload-0123/runtime", "web.service", NONE },
                { "/system.slice/web.service/other.service", "web.service", NONE },
                { "/machine.slice/systemd-nspawn@vm.service/payload/system.slice/ssh.service",
                  "systemd-nspawn@vm.service", NONE },
        };

        CHECK(list);
}

static void user_units_have_their_managers_uid(void **state) {
        static const struct expectation list[] = {
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.service",
                  "app-firefox.service", 1000 },
                { "/user.slice/user-1000.slice/user@1000.service/session.slice/pipewire.service",
                  "pipewire.service", 1000 },
                { "/user.slice/user-1000.slice/user@1000.service/init.scope", "init.scope", 1000 },
                { "/user.slice/user-0.slice/user@0.service/app.slice/a.slice/b@1.service/x", "b@1.service", 0 },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome.slice/vte-spawn-1.scope",
                  "vte-spawn-1.scope", 1000 },
        };

        CHECK(list);
}

static void a_session_is_a_unit_of_the_system(void **state) {
        static const struct expectation list[] = {
                { "/user.slice/user-1000.slice/session-3.scope", "session-3.scope", NONE },
                { "/user.slice/user-1000.slice/session-3.scope/child", "session-3.scope", NONE },
                { "/user.slice/user-1000.slice/session-c2.scope", "session-c2.scope", NONE },
                { "/user.slice/user-1000.slice/user@1000.service", "user@1000.service", NONE },
                { "/user.slice/user-1000.slice/user@1000.service/app.slice", "user@1000.service", NONE },
        };

        CHECK(list);
}

static void one_underscore_in_front_is_an_escape(void **state) {
        static const struct expectation list[] = {
                { "/system.slice/system-waldo.slice/_cpu.service/x", "cpu.service", NONE },
                { "/system.slice/__x.service", "_x.service", NONE },
                { "/_system.slice/a.service", "a.service", NONE },
                { "/_", "", NONE },
        };

        CHECK(list);
}

static void what_is_no_unit_has_no_name(void **state) {
        static const struct expectation list[] = {
                { "", "", NONE },
                { "/", "", NONE },
                { "//", "", NONE },
                { "/system.slice", "", NONE },
                { "/docker/0123456789abcdef", "", NONE },
                { "/kubepods/burstable/pod1/x.service", "", NONE },
                { "/../../system.slice/x.service", "", NONE },
                { "/system.slice/foo@.service", "", NONE },
                { "/system.slice/@x.service", "", NONE },
                { "/system.slice/.service", "", NONE },
                { "/system.slice/a b.service", "", NONE },
                { "/system.slice/evil\033.service", "", NONE },
                { "/system.slice/x.service (deleted)", "", NONE },
                { "/system.slice/x.nonsense", "", NONE },
        };

        CHECK(list);
}

static void wrong_uids_are_not_believed(void **state) {
        static const struct expectation list[] = {
                { "/user.slice/user-1000.slice/user@.service/app.slice/a.service", "", NONE },
                { "/user.slice/user@abc.service/app.slice/a.service", "user@abc.service", NONE },
                { "/user.slice/user@4294967295.service/a.service", "user@4294967295.service", NONE },
                { "/user.slice/user@99999999999999999999999.service/a.service",
                  "user@99999999999999999999999.service", NONE },
        };

        CHECK(list);
}

static void the_longest_name_fits_and_a_longer_one_is_none(void **state) {
        char path[400] = "/system.slice/";
        struct unit unit;

        memset(path + 14, 'a', 247);
        strcpy(path + 14 + 247, ".service");
        unit_from_path(path, &unit);
        assert_int_equal(strlen(unit.name), 255);
        memset(path + 14, 'a', 248);
        strcpy(path + 14 + 248, ".service");
        unit_from_path(path, &unit);
        assert_string_equal(unit.name, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_component_that_is_no_slice_is_the_system_unit),
                cmocka_unit_test(what_is_below_a_unit_belongs_to_it),
                cmocka_unit_test(user_units_have_their_managers_uid),
                cmocka_unit_test(a_session_is_a_unit_of_the_system),
                cmocka_unit_test(one_underscore_in_front_is_an_escape),
                cmocka_unit_test(what_is_no_unit_has_no_name),
                cmocka_unit_test(wrong_uids_are_not_believed),
                cmocka_unit_test(the_longest_name_fits_and_a_longer_one_is_none),
        };

        cmocka_set_message_output(CM_OUTPUT_TAP);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
