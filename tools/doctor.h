/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_DOCTOR_H
#define SOCKTALLY_DOCTOR_H
/*
 * The command doctor: looks at everything that counting, reading and changing depend on, and changes nothing. Each part
 * adds its findings and never gives up: what cannot be looked at is a finding as well.
 */
#include <stdbool.h>
#include <sys/types.h>

#include "tools/control.h"
#include "tools/finding.h"
#include "tools/options.h"

/* What is known of the daemon, for the parts that come later. */
struct patient {
        sd_bus *bus;    /* NULL: there is none */
        bool is_there;  /* control is filled */
        pid_t pid;      /* of the daemon; 0: unknown */
        struct control control;
};

enum exit_status doctor_run(const struct options *options);

/* root: where /proc, /sys and /etc are, "" but in tests. */
void doctor_kernel(struct findings *findings, const char *root);
/* The first line, without its end. 0 or a negative errno. */
int doctor_read_line(const char *root, const char *path, char *ret_line, size_t size);
/* Capabilities of the caller, and of the daemon when its PID is known. */
void doctor_capabilities(struct findings *findings, const char *root, pid_t daemon);
/* Where it runs: namespace, limits, what /proc shows, other daemons. */
void doctor_surroundings(struct findings *findings, const char *root, pid_t daemon);
void doctor_methods(struct findings *findings, const struct patient *patient);
/* Connects and looks at the daemon; the others come after it. */
void doctor_bus(struct findings *findings, struct patient *patient);
void doctor_units(struct findings *findings, sd_bus *bus);
void doctor_polkit(struct findings *findings, const struct patient *patient);
void doctor_objects(struct findings *findings, const struct patient *patient);
void doctor_reader(struct findings *findings, const struct options *options);

#endif
