/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a caller on the bus waits for the running daemon, as a table in Markdown: bench-bus [ADDRESS], the system
 * bus if there is none. Times are of the clock on the wall, from before the call to after the answer, through the bus
 * and back. Run it as root: it changes settings, and puts them back at the end. While it resizes a table a second
 * process reads a property over and over, and notes how long each time took.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define NAME "org.socktally1"
#define MANAGER "/org/socktally1", "org.socktally1.Manager"
#define UDP "/org/socktally1/module/udp", "org.socktally1.Module"
#define PROCESSES "/org/socktally1/table/processes", "org.socktally1.Table"

#define READS 2000
#define CHANGES 100
#define RESIZES 20
#define MAX_TIMES 1000000
#define TIMEOUT_USEC (60 * UINT64_C(1000000))

/* What one caller saw. Shared with the process that reads. */
struct times {
        volatile bool is_over;
        uint32_t n;
        uint64_t ns[MAX_TIMES];
};

static uint64_t now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

static void fail(const char *what, const sd_bus_error *error, int r) {
        fprintf(stderr, "bench-bus: cannot %s: %s\n", what, error && error->message ? error->message : strerror(-r));
        exit(1);
}

static sd_bus *connect_to(const char *address) {
        sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                fail("connect to the bus", NULL, r);
        return bus;
}

static void read_property(sd_bus *bus, const char *property, struct times *times) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *answer = NULL;
        uint64_t start = now_ns();
        int r;

        r = sd_bus_call_method(bus, NAME, "/org/socktally1", "org.freedesktop.DBus.Properties", "Get", &error, &answer,
                               "ss", "org.socktally1.Manager", property);
        if (r < 0)
                fail("read a property", &error, r);
        if (times->n < MAX_TIMES)
                times->ns[times->n++] = now_ns() - start;
        sd_bus_message_unref(answer);
}

static void call(sd_bus *bus, struct times *times, const char *path, const char *interface, const char *member,
                 const char *type, const char *text, uint64_t number) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        uint64_t start = now_ns();
        int r;

        if (type[0] == 's')
                r = sd_bus_call_method(bus, NAME, path, interface, member, &error, NULL, "s", text);
        else if (type[0] == 'u')
                r = sd_bus_call_method(bus, NAME, path, interface, member, &error, NULL, "u", (uint32_t) number);
        else if (type[0] == 't')
                r = sd_bus_call_method(bus, NAME, path, interface, member, &error, NULL, "t", number);
        else
                r = sd_bus_call_method(bus, NAME, path, interface, member, &error, NULL, NULL);
        if (r < 0)
                fail(member, &error, r);
        if (times->n < MAX_TIMES)
                times->ns[times->n++] = now_ns() - start;
}

static int compare(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *) a, y = *(const uint64_t *) b;

        return (x > y) - (x < y);
}

/* One line of the table; empties times. */
static void report(struct times *times, const char *what, const char *target) {
        uint64_t *ns = times->ns;

        if (times->n == 0)
                return;
        qsort(times->ns, times->n, sizeof times->ns[0], compare);
        printf("| %s | %" PRIu32 " | %.3f | %.3f | %.3f | %s |\n", what, times->n, (double) ns[times->n / 2] / 1e6,
               (double) ns[(uint64_t) times->n * 99 / 100] / 1e6, (double) ns[times->n - 1] / 1e6, target);
        fflush(stdout);
        times->n = 0;
}

static void measure_reading(sd_bus *bus, struct times *times) {
        static const char *const properties[] = { "Version", "LoadMode", "EffectiveMethods", "Sequence" };
        char what[64];

        for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
                for (int k = 0; k < READS; k++)
                        read_property(bus, properties[i], times);
                snprintf(what, sizeof what, "reading %s", properties[i]);
                report(times, what, "1");
        }
}

static void measure_changes(sd_bus *bus, struct times *times) {
        for (int i = 0; i < CHANGES; i++)
                call(bus, times, MANAGER, "SetIntervalUSec", "t", NULL, i % 2 ? 1000000 : 500000);
        report(times, "changing the interval", "100");
        for (int i = 0; i < CHANGES; i++)
                call(bus, times, MANAGER, "SetLoadMode", "s", i % 2 ? "entry" : i % 4 ? "return" : "passive", 0);
        report(times, "changing the load mode", "100");
        for (int i = 0; i < CHANGES / 2; i++) {
                call(bus, times, UDP, "Disable", "", NULL, 0);
                call(bus, times, UDP, "Enable", "t", NULL, 0);
        }
        report(times, "switching module udp off and on", "100");
        for (int i = 0; i < CHANGES; i++)
                call(bus, times, MANAGER, "Sync", "", NULL, 0);
        report(times, "Sync, one after the other", "");
}

static pid_t start_reading(const char *address, struct times *times) {
        pid_t pid = fork();
        sd_bus *bus;

        if (pid != 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bus = connect_to(address);
        while (!times->is_over)
                read_property(bus, "LoadMode", times);
        _exit(0);
}

/* Both sides of the same seconds: who resizes, and who only wants to read. */
static void measure_resizing(sd_bus *bus, const char *address, struct times *times, uint32_t small, uint32_t large) {
        size_t size = sizeof(struct times);
        struct times *reading = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        char what[128];
        pid_t pid;
        int status;

        if (reading == MAP_FAILED || (pid = start_reading(address, reading)) < 0)
                fail("start a second process", NULL, -ENOMEM);
        for (int i = 0; i < RESIZES; i++)
                call(bus, times, PROCESSES, "SetCapacity", "u", NULL, i % 2 ? small : large);
        reading->is_over = true;
        if (waitpid(pid, &status, 0) != pid || status != 0)
                fail("read while a table is resized", NULL, -EIO);
        snprintf(what, sizeof what, "resizing the processes, %" PRIu32 " and %" PRIu32 " rows in turn", large, small);
        report(times, what, "100");
        report(reading, "reading a property meanwhile", "");
        munmap(reading, size);
}

int main(int argc, char **argv) {
        const char *address = argc > 1 ? argv[1] : "unix:path=/run/dbus/system_bus_socket";
        struct times *times = calloc(1, sizeof *times);
        sd_bus *bus;

        if (argc > 2 || !times) {
                fputs("Usage: bench-bus [ADDRESS]\n", stderr);
                return 2;
        }
        bus = connect_to(address);
        read_property(bus, "Version", times); /* starts the daemon if need be */
        times->n = 0;
        puts("| what | times | median ms | 99 of 100 within ms | worst ms | aim, at most ms |");
        puts("|---|---|---|---|---|---|");
        measure_reading(bus, times);
        measure_changes(bus, times);
        measure_resizing(bus, address, times, 16384, 65536);
        measure_resizing(bus, address, times, 65000, 65536);
        call(bus, times, MANAGER, "Reload", "", NULL, 0);
        free(times);
        sd_bus_unref(bus);
        return 0;
}
