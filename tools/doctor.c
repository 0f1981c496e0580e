/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "tools/doctor.h"
#include "tools/json.h"
#include "tools/overview.h"
#include "tools/table.h"

static void print_text(const struct findings *findings, bool has_color) {
        static const char *const colors[N_FINDING_LEVELS] = {
                [FINDING_OK] = "\033[32m", [FINDING_INFO] = "\033[36m", [FINDING_WARNING] = "\033[33m",
                [FINDING_PROBLEM] = "\033[1;31m",
        };
        size_t n_warnings = findings->n_of_level[FINDING_WARNING], n_problems = findings->n_of_level[FINDING_PROBLEM];

        for (size_t i = 0; i < findings->n; i++) {
                const struct finding *finding = &findings->list[i];

                (void)printf("%s%-7s%s  %s: %s%s%s\n", has_color ? colors[finding->level] : "",
                             finding_level_name(finding->level), has_color ? "\033[0m" : "", finding->what,
                             finding->text, *finding->advice ? "; " : "", finding->advice);
        }
        (void)printf("%zu ok, %zu info, %zu warning%s, %zu problem%s\n", findings->n_of_level[FINDING_OK],
                     findings->n_of_level[FINDING_INFO], n_warnings, n_warnings == 1 ? "" : "s", n_problems,
                     n_problems == 1 ? "" : "s");
}

static struct json_object *json_finding(const struct finding *finding) {
        struct json_object *row = json_object_new_object();

        (void)json_object_object_add(row, "level", json_object_new_string(finding_level_name(finding->level)));
        (void)json_object_object_add(row, "check", json_object_new_string(finding->what));
        (void)json_object_object_add(row, "text", json_object_new_string(finding->text));
        (void)json_object_object_add(row, "advice",
                                     *finding->advice ? json_object_new_string(finding->advice) : NULL);
        return row;
}

static enum exit_status print_json(const struct findings *findings, const struct patient *patient) {
        struct json_object *rows = json_object_new_array();

        for (size_t i = 0; i < findings->n; i++)
                (void)json_object_array_add(rows, json_finding(&findings->list[i]));
        return json_print(overview_frame(&patient->control, "checks", rows), false);
}

enum exit_status doctor_run(const struct options *options) {
        struct findings findings = { .n = 0 };
        struct patient patient = { .bus = NULL };
        enum exit_status status = STATUS_DONE;
        bool is_ill;

        doctor_bus(&findings, &patient);
        doctor_units(&findings, patient.bus);
        doctor_kernel(&findings, "");
        doctor_capabilities(&findings, "", patient.pid);
        doctor_surroundings(&findings, "", patient.pid);
        doctor_methods(&findings, &patient);
        doctor_objects(&findings, &patient);
        doctor_polkit(&findings, &patient);
        doctor_reader(&findings, options);
        if (options->is_json)
                status = print_json(&findings, &patient);
        else
                print_text(&findings, table_has_color(options));
        is_ill = findings.n_of_level[FINDING_PROBLEM] > 0;
        control_done(&patient.control);
        (void)sd_bus_flush_close_unref(patient.bus);
        findings_done(&findings);
        return status == STATUS_DONE && is_ill ? STATUS_FAILED : status;
}
