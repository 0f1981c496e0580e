/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the running code says of itself, the installed XML and the manual page are one and the same. With --print it
 * writes the XML, for dbus/org.socktally1.xml.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/bus-stage.h"

#define MAX_XML 65536

static const struct {
        const char *path, *interface, *comment;
} objects[] = {
        { STAGE_PATH, STAGE_MANAGER, STAGE_PATH },
        { STAGE_PATH "/module/tcp", STAGE_MODULE, STAGE_PATH "/module/NAME" },
        { STAGE_PATH "/table/processes", STAGE_TABLE, STAGE_PATH "/table/NAME" },
};

static char *introspect(struct stage *stage, const char *path) {
        sd_bus_message *reply = NULL;
        const char *xml;
        char *copy;

        assert_true(sd_bus_call_method(stage->bus, STAGE_NAME, path, "org.freedesktop.DBus.Introspectable",
                                       "Introspect", NULL, &reply, NULL) >= 0);
        assert_true(sd_bus_message_read(reply, "s", &xml) > 0);
        copy = strdup(xml);
        assert_non_null(copy);
        sd_bus_message_unref(reply);
        return copy;
}

static void add_interface(struct stage *stage, size_t i, char *xml) {
        static const char end_tag[] = " </interface>\n";
        char *text = introspect(stage, objects[i].path), start_tag[128];
        char *start, *end;

        snprintf(start_tag, sizeof start_tag, " <interface name=\"%s\">\n", objects[i].interface);
        start = strstr(text, start_tag);
        assert_non_null(start);
        end = strstr(start, end_tag);
        assert_non_null(end);
        end[strlen(end_tag)] = '\0';
        sprintf(xml + strlen(xml), " <!-- %s -->\n%s", objects[i].comment, start);
        free(text);
}

static void write_xml(struct stage *stage, char *ret_xml) {
        strcpy(ret_xml, "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
               " \"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n<node>\n");
        for (size_t i = 0; i < sizeof objects / sizeof objects[0]; i++)
                add_interface(stage, i, ret_xml);
        strcat(ret_xml, "</node>\n");
}

static char *read_source(const char *name) {
        const char *top = getenv("srcdir");
        char path[512], *text = calloc(1, 2 * MAX_XML);
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", top ? top : ".", name);
        file = fopen(path, "re");
        assert_non_null(text);
        assert_non_null(file);
        assert_true(fread(text, 1, 2 * MAX_XML - 1, file) > 0);
        fclose(file);
        return text;
}

static void the_installed_xml_is_what_the_code_says(void **state) {
        char *xml = calloc(1, MAX_XML), *installed = read_source("dbus/org.socktally1.xml");

        assert_non_null(xml);
        write_xml(*state, xml);
        assert_string_equal(xml, installed);
        free(installed);
        free(xml);
}

/* Copies the value of the next attribute name="..." behind text; NULL when there is none. */
static const char *next_name(const char *text, const char *tag, char ret_name[128]) {
        const char *start = strstr(text, tag);

        if (!start)
                return NULL;
        start += strlen(tag);
        snprintf(ret_name, 128, "%.*s", (int) strcspn(start, "\""), start);
        return start;
}

static void expect_in_page(const char *page, const char *tag, const char *name) {
        char wanted[160];

        /* .BR Member (or .B Member, .BI "Member(" ...) at the head of a paragraph with a tag. */
        snprintf(wanted, sizeof wanted, ".TP\n.BR %s ", name);
        if (strstr(page, wanted))
                return;
        fail_msg("org.socktally1(5) has no paragraph for %s%s", tag, name);
}

static void the_manual_page_has_every_member(void **state) {
        static const char *const tags[] = { "<property name=\"", "<method name=\"", "<signal name=\"" };
        char *xml = read_source("dbus/org.socktally1.xml"), *page = read_source("man/org.socktally1.5"), name[128];

        for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
                for (const char *at = xml; (at = next_name(at, tags[i], name));)
                        expect_in_page(page, tags[i], name);
        free(page);
        free(xml);
}

/* A paragraph's tag is a member: ".BR Name (" with its type or arguments behind. */
static void the_manual_page_has_no_other_member(void **state) {
        char *xml = read_source("dbus/org.socktally1.xml"), *page = read_source("man/org.socktally1.5");
        static const char tag[] = ".TP\n.BR ";
        int n = 0;

        for (const char *at = strstr(page, tag); at; at = strstr(at, tag)) {
                char wanted[160];

                at += strlen(tag);
                snprintf(wanted, sizeof wanted, " name=\"%.*s\"", (int) strcspn(at, " \n"), at);
                if (!strstr(xml, wanted))
                        fail_msg("org.socktally1(5) has a paragraph that the bus knows nothing of:%s", wanted);
                n++;
        }
        assert_true(n > 30);
        free(page);
        free(xml);
}

static void the_tree_leads_to_every_object(void **state) {
        char *xml = introspect(*state, STAGE_PATH);

        assert_non_null(strstr(xml, "<node name=\"module\"/>"));
        assert_non_null(strstr(xml, "<node name=\"table\"/>"));
        free(xml);
        xml = introspect(*state, STAGE_PATH "/module");
        assert_non_null(strstr(xml, "<node name=\"tcp\"/>"));
        assert_non_null(strstr(xml, "<node name=\"udp\"/>"));
        assert_null(strstr(xml, "processes"));
        free(xml);
}

/* A line "busctl VERB org.socktally1 PATH INTERFACE NAME", with arguments behind or not. */
static bool has_example(const char *page, const char *verb, const char *interface, const char *name) {
        char start[64], member[300];
        size_t n = (size_t) snprintf(start, sizeof start, "\nbusctl %s org.socktally1 ", verb);

        snprintf(member, sizeof member, " org.socktally1.%s %s", interface, name);
        for (const char *line = strstr(page, start); line; line = strstr(line + n, start)) {
                const char *found = strstr(line + n, member), *end = strchr(line + n, '\n');

                if (found && found < end && strchr(" \n", found[strlen(member)]))
                        return true;
        }
        return false;
}

/* A property is read, and written where that is possible; a method is called. */
static void expect_examples(const char *page, const char *interface, const char *xml, const char *end) {
        char name[128], writable[160];

        for (const char *at = xml; (at = next_name(at, "<property name=\"", name)) && at < end;) {
                if (!has_example(page, "get-property", interface, name))
                        fail_msg("org.socktally1(5) has no example that reads %s of %s", name, interface);
                snprintf(writable, sizeof writable, "%s\" type=\"%c\" access=\"readwrite\"", name,
                         at[strlen(name) + strlen("\" type=\"")]);
                if (strncmp(at, writable, strlen(writable)) == 0 && !has_example(page, "set-property", interface, name))
                        fail_msg("org.socktally1(5) has no example that writes %s of %s", name, interface);
        }
        for (const char *at = xml; (at = next_name(at, "<method name=\"", name)) && at < end;)
                if (!has_example(page, "call", interface, name))
                        fail_msg("org.socktally1(5) has no example that calls %s of %s", name, interface);
}

static void every_member_has_an_example(void **state) {
        char *xml = read_source("dbus/org.socktally1.xml"), *page = read_source("man/org.socktally1.5"), name[128];

        for (const char *at = xml; (at = next_name(at, "<interface name=\"org.socktally1.", name));)
                expect_examples(page, name, at, strstr(at, "</interface>"));
        free(page);
        free(xml);
}

/* The lines between .EX and .EE, as they stand there, with the test's bus in the place of the system's. */
static int run_examples(struct stage *stage, char *page) {
        int n = 0;

        for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n")) {
                char command[512];
                int status;

                if (strncmp(line, "busctl ", 7) != 0 || strncmp(line, "busctl monitor", 14) == 0)
                        continue;
                snprintf(command, sizeof command, "busctl --address=%s %s >%s/answer 2>&1", stage->address, line + 7,
                         stage->directory);
                status = system(command);
                if (status != 0)
                        fail_msg("the example does not work: %s", line);
                n++;
        }
        return n;
}

static void the_examples_of_the_manual_page_work(void **state) {
        struct stage *stage = *state;
        char *page, path[128];

        if (system("busctl --version >/dev/null 2>&1") != 0) {
                print_message("# the examples were not run: there is no busctl\n");
                return;
        }
        page = read_source("man/org.socktally1.5");
        assert_true(run_examples(stage, page) > 40);
        snprintf(path, sizeof path, "%s/answer", stage->directory);
        unlink(path);
        free(page);
}

static int print_xml(void) {
        static char xml[MAX_XML];
        void *state;

        stage_open(&state);
        write_xml(state, xml);
        fputs(xml, stdout);
        return stage_close(&state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_open, stage_close)

int main(int argc, char *argv[]) {
        static const struct CMUnitTest cases[] = {
                CASE(the_installed_xml_is_what_the_code_says),
                CASE(the_manual_page_has_every_member),
                CASE(the_manual_page_has_no_other_member),
                CASE(every_member_has_an_example),
                CASE(the_tree_leads_to_every_object),
                /* These need root. */
                CASE(the_examples_of_the_manual_page_work),
        };

        if (argc > 1 && strcmp(argv[1], "--print") == 0)
                return print_xml();
        return stage_run(cases, sizeof cases / sizeof cases[0], 1);
}
