/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_BUS_PRIVATE_H
#define SOCKTALLY_BUS_PRIVATE_H
/* The inside of the bus face. */
#include <stdbool.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "dbus/bus.h"
#include "dbus/object.h"

#define BUS_NAME "org.socktally1"
#define BUS_PATH "/org/socktally1"
#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"
/* Counting comes first when both have work. */
#define BUS_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)
#define MAX_REQUESTS 1024       /* that wait for the bus to say who calls */
#define MAX_REQUESTS_OF_ONE 256 /* of one caller */
#define MAX_QUESTIONS 96        /* at polkit; a system bus lets one program wait for 128 answers */
#define MAX_QUESTIONS_OF_ONE 16 /* of one user */
#define MAX_SYNCS 2048
#define MAX_SYNCS_OF_ONE 4      /* of one caller: all connections that a system bus grants one user take half */

struct bus_setting;
struct request;

struct bus {
        const struct control_operations *operations;
        void *daemon;
        sd_event *event;
        char *address;
        sd_bus *connection;             /* NULL while there is none */
        sd_event_source *turn_end;      /* announces at the end of the loop's turn */
        sd_event_source *reconnect;     /* after the bus was lost */
        bool is_refused;                /* and connecting failed, which was logged */
        sd_event_source *sync_timer;
        unsigned changed_groups;        /* for turn_end */
        struct bus_setting *settings;
        size_t n_settings;
        struct kind manager;            /* made from the settings */
        struct object *objects;         /* manager, modules, tables */
        size_t n_objects;
        struct request *requests;       /* callers whose right is being looked up */
        uint64_t n_asked;               /* makes cancellation ids */
        sd_bus_message *syncs[MAX_SYNCS];
        size_t n_syncs;
        uint64_t sync_not_before;       /* CLOCK_MONOTONIC, microseconds */
};

extern const struct kind module_kind, table_kind;

/* top.c: makes bus->manager from the settings. top_free() may be called after top_make() has failed. */
int top_make(struct bus *bus);
void top_free(struct bus *bus);

/* announce.c */
/* Announces now what has changed in objects of these groups (BUS_MANAGER and so on). */
void announce(struct bus *bus, unsigned groups);
/* Takes the present values for announced. For new objects, whose values nobody has read yet. -ENOMEM. */
int announce_set_baseline(struct bus *bus);
/* Makes bus->turn_end. */
int announce_start(struct bus *bus);
/* For struct watched: text of the member of the object's record at an offset. flag: of a C bool. */
void announce_format_string(struct object *object, size_t offset, char *ret_text, size_t size);
void announce_format_u32(struct object *object, size_t offset, char *ret_text, size_t size);
void announce_format_u64(struct object *object, size_t offset, char *ret_text, size_t size);
void announce_format_flag(struct object *object, size_t offset, char *ret_text, size_t size);

/* log-control.c */
int log_control_add(struct bus *bus);
int log_control_set(struct bus *bus, sd_bus_message *message, const char *property, sd_bus_message_handler_t again,
                    sd_bus_error *error);

/* property-set.c */
int property_set_on_message(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* sync.c */
int sync_on_method(sd_bus_message *message, void *userdata, sd_bus_error *error);
void sync_abandon(struct bus *bus);

/* failure.c: both return a negative errno and fill in error */
int failure_set(sd_bus_error *error, const struct control_error *failure);
int failure_say(sd_bus_error *error, enum control_failure failure, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

#endif
