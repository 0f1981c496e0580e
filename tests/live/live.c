/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live tests: a real daemon, real traffic of known size, and equality between the two. Prints TAP. Needs root and
 * nothing else: no shell, no tools, no settings of the machine, traffic on the loopback only.
 *
 * Main starts the daemon, plays one scene after the other, each in a process group of its own that is killed when its
 * time is over, and meanwhile looks at every publication itself.
 */
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/scenarios.h"
#include "tests/live/service.h"
#include "tests/live/watch.h"

struct run {
        struct playbill bill;
        const char *const *patterns; /* NULL at the end; none: everything */
        bool is_dry;
        int scene_timeout_msec;
        char daemon[PATH_MAX];
        struct service service;
        struct watch *watch;
        unsigned int number, failed;
        bool is_over; /* without a daemon nothing more can be tested */
};

static const char *environment(const char *name, const char *otherwise) {
        const char *value = getenv(name);

        return value && *value ? value : otherwise;
}

static int print_help(void) {
        puts("Usage: live [--daemon=PROGRAM] [--dry-run] [--list] [WORDS...]\n"
             "Makes traffic and compares what the daemon says of it. WORDS: only scenarios whose sentence has one.\n\n"
             "  --daemon=PROGRAM  the socktallyd to test (also: SOCKTALLYD)\n"
             "  --dry-run         no daemon: only check that the players move what the scenarios say\n"
             "  --list            print the scenarios' sentences\n\n"
             "Environment: SOCKTALLY_LOAD_MODE (entry), SOCKTALLY_ATTACH_METHOD (auto), SOCKTALLY_LIVE_SCALE (1: bulk\n"
             "sizes are divided by it), SOCKTALLY_LIVE_TIMEOUT (120: seconds for one scenario),\n"
             "SOCKTALLY_LIVE_UNKNOWN (metrics, modules or all: what must be unknown),\n"
             "SOCKTALLY_LIVE_UNSURE (the same: what is not compared),\n"
             "SOCKTALLY_LIVE_LATE (1: compare only when the players are gone).");
        return EXIT_SUCCESS;
}

static int print_list(void) {
        for (size_t i = 0; i < n_scenarios; i++)
                puts(scenarios[i].sentence);
        return EXIT_SUCCESS;
}

static bool is_wanted(const struct run *run, const char *sentence) {
        if (!*run->patterns)
                return true;
        for (const char *const *pattern = run->patterns; *pattern; pattern++)
                if (strcasestr(sentence, *pattern))
                        return true;
        return false;
}

/* Beside this program in the build tree, also when libtool keeps the real one in .libs. */
static void default_daemon(char *path, size_t size) {
        char self[PATH_MAX - 64];
        ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        char *slash;

        self[n > 0 ? n : 0] = '\0';
        slash = strrchr(self, '/');
        if (slash)
                *slash = '\0';
        slash = strrchr(self, '/');
        if (slash && strcmp(slash, "/.libs") == 0)
                *slash = '\0';
        snprintf(path, size, "%s/../../daemon/socktallyd", self);
}

/* Prints a text with its further lines as TAP comments. */
static void print_comment(const char *text) {
        fputs("# ", stdout);
        for (; *text; text++) {
                putchar(*text);
                if (*text == '\n')
                        fputs("#   ", stdout);
        }
        putchar('\n');
}

static void report(struct run *run, const char *sentence, const struct scene *scene, const char *extra) {
        bool is_ok = !extra && (!scene || scene->verdict != VERDICT_FAILED);

        run->number++;
        run->failed += !is_ok;
        if (is_ok && scene && scene->verdict == VERDICT_SKIPPED)
                printf("ok %u - %s # SKIP %s\n", run->number, sentence, scene->reason);
        else
                printf("%sok %u - %s\n", is_ok ? "" : "not ", run->number, sentence);
        if (scene && scene->verdict == VERDICT_FAILED)
                print_comment(scene->reason);
        if (extra)
                print_comment(extra);
        fflush(stdout);
}

static uint64_t now_msec(void) {
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Waits for the stage's end and looks at every publication meanwhile. Returns NULL or what was wrong. */
static const char *attend(struct run *run, int pidfd) {
        uint64_t deadline = now_msec() + (uint64_t) run->scene_timeout_msec;
        const char *problem = NULL;

        for (;;) {
                struct pollfd pollers[] = { { .fd = pidfd, .events = POLLIN },
                                            { .fd = run->watch ? watch_fd(run->watch) : -1, .events = POLLIN },
                                            { .fd = run->service.pidfd, .events = POLLIN } };
                uint64_t now = now_msec();

                if (now >= deadline)
                        return "its time is over: killed (SOCKTALLY_LIVE_TIMEOUT)";
                if (poll(pollers, 3, (int) (deadline - now < 100 ? deadline - now : 100)) < 0 && errno != EINTR)
                        return "poll failed";
                if (pollers[2].revents & POLLIN) {
                        run->is_over = true;
                        return "the daemon died";
                }
                if (run->watch && watch_take(run->watch) < 0 && !problem)
                        problem = watch_problem(run->watch);
                if (pollers[0].revents & POLLIN)
                        return problem;
        }
}

static void play(struct run *run, const struct scenario *scenario) {
        struct scene *scene = scene_new(&run->bill);
        pid_t pid, parent = getpid();
        const char *problem;
        int pidfd;

        if (run->watch)
                watch_missed(run->watch, scene->missed_before);
        fflush(NULL);
        pid = fork();
        if (pid == 0) {
                setpgid(0, 0);
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (getppid() == parent)
                        scene_play(scene, scenario);
                _exit(1);
        }
        setpgid(pid, pid);
        pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
        problem = attend(run, pidfd);
        kill(-pid, SIGKILL);
        while (waitpid(-pid, NULL, 0) > 0)
                continue;
        close(pidfd);
        report(run, scenario->sentence, scene, problem);
        scene_free(scene);
}

static int start_daemon(struct run *run) {
        char problem[400];

        if (service_start(&run->service, &run->bill, NULL, problem, sizeof(problem)) < 0) {
                printf("Bail out! %s\n", problem);
                return -1;
        }
        printf("# %s, load mode %s, attach method %s, ready after %llu ms\n", run->bill.daemon, run->bill.load_mode,
               run->bill.attach_method, (unsigned long long) run->service.ready_after_ms);
        run->bill.runtime_directory = run->service.directory;
        if (watch_open(&run->watch, run->service.directory) < 0) {
                printf("Bail out! cannot read from the daemon: %s\n", strerror(errno));
                return -1;
        }
        return 0;
}

static void stop_daemon(struct run *run) {
        char problem[400];
        int r;

        run->watch = watch_close(run->watch);
        r = service_stop(&run->service, problem, sizeof(problem));
        report(run, "the daemon ends with status 0 and leaves nothing behind", NULL, r < 0 ? problem : NULL);
}

static int run_all(struct run *run) {
        unsigned int wanted = 0;

        for (size_t i = 0; i < n_scenarios; i++)
                wanted += is_wanted(run, scenarios[i].sentence);
        if (wanted == 0) {
                fputs("No scenario's sentence contains any of these words; see --list.\n", stderr);
                return 2;
        }
        printf("1..%u\n", wanted + !run->is_dry);
        if (!run->is_dry && start_daemon(run) < 0) {
                char ignored[200];

                service_stop(&run->service, ignored, sizeof(ignored));
                return EXIT_FAILURE;
        }
        for (size_t i = 0; i < n_scenarios && !run->is_over; i++)
                if (is_wanted(run, scenarios[i].sentence))
                        play(run, &scenarios[i]);
        if (!run->is_dry)
                stop_daemon(run);
        if (run->is_over)
                puts("Bail out! the daemon died; the kernel's log may say why");
        return run->failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void prepare_run(struct run *run) {
        default_daemon(run->daemon, sizeof(run->daemon));
        run->bill = (struct playbill) { .daemon = environment("SOCKTALLYD", run->daemon),
                                        .load_mode = environment("SOCKTALLY_LOAD_MODE", "entry"),
                                        .attach_method = environment("SOCKTALLY_ATTACH_METHOD", "auto"),
                                        .scale = (uint32_t) atoi(environment("SOCKTALLY_LIVE_SCALE", "1")),
                                        .unknown = environment("SOCKTALLY_LIVE_UNKNOWN", NULL),
                                        .unsure = environment("SOCKTALLY_LIVE_UNSURE", NULL),
                                        .is_late = atoi(environment("SOCKTALLY_LIVE_LATE", "0")) > 0 };
        if (run->bill.scale == 0)
                run->bill.scale = 1;
        run->scene_timeout_msec = 1000 * atoi(environment("SOCKTALLY_LIVE_TIMEOUT", "120"));
}

int main(int argc, char **argv) {
        static const struct option options[] = { { "help", no_argument, NULL, 'h' },
                                                 { "list", no_argument, NULL, 'l' },
                                                 { "dry-run", no_argument, NULL, 'n' },
                                                 { "daemon", required_argument, NULL, 'd' },
                                                 { 0 } };
        struct run run = { .service = SERVICE_NULL };
        int option;

        if (argc == 4 && strcmp(argv[1], "--exec-again") == 0)
                return exec_again(atoi(argv[2]), atoi(argv[3]));
        prepare_run(&run);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 'h')
                        return print_help();
                if (option == 'l')
                        return print_list();
                if (option == '?')
                        return 2;
                if (option == 'n')
                        run.is_dry = true;
                if (option == 'd')
                        run.bill.daemon = optarg;
        }
        run.patterns = (const char *const *) argv + optind;
        if (geteuid() != 0) {
                puts("1..0 # SKIP the live tests need root");
                return EXIT_SUCCESS;
        }
        return run_all(&run);
}
