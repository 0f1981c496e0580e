/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why processes and shared memory: the daemon is to be right about processes, so each side of a conversation has to be
 * one, and a scenario that hangs or crashes must cost one test, not the run. Every wait here is on a futex in the scene
 * with a limit, after which the waiter looks whether the scene is still worth waiting for; the overall time limit is
 * main's, which kills the stage's process group.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/compare.h"
#include "tests/live/scene.h"

/* A player outlives neither its scene nor, whatever happens to the others, this many seconds. */
#define PLAYER_LIFE_SECONDS 1200
#define LOOK_AROUND_NSEC 200000000

struct scene *scene_new(const struct playbill *bill) {
        struct scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (scene == MAP_FAILED)
                return NULL;
        scene->bill = *bill;
        scene->only_at_end = bill->is_late;
        return scene;
}

struct scene *scene_free(struct scene *scene) {
        if (!scene)
                return NULL;
        for (size_t i = 0; i < SCENE_N_LEFTOVERS; i++)
                if (scene->leftovers[i][0])
                        rmdir(scene->leftovers[i]);
        munmap(scene, sizeof(*scene));
        return NULL;
}

static void wake_everyone(uint32_t *word) {
        syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* The first verdict stands: what follows it is mostly its consequence. */
static void pronounce(struct scene *scene, enum verdict verdict, const char *format, va_list arguments) {
        uint32_t ok = VERDICT_OK;

        if (__atomic_compare_exchange_n(&scene->verdict, &ok, verdict, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
                vsnprintf(scene->reason, sizeof(scene->reason), format, arguments);
}

_Noreturn void scene_fail(struct scene *scene, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        pronounce(scene, VERDICT_FAILED, format, arguments);
        va_end(arguments);
        _exit(1);
}

_Noreturn void scene_skip(struct scene *scene, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        pronounce(scene, VERDICT_SKIPPED, format, arguments);
        va_end(arguments);
        _exit(1);
}

static struct player *player_of(struct scene *scene, pid_t pid) {
        for (uint32_t i = 0; i < scene->n_players; i++)
                if (scene->players[i].pid == pid)
                        return &scene->players[i];
        return NULL;
}

/* Ends this process when the scene is over for another reason than this process's. */
static void look_around(struct scene *scene) {
        siginfo_t info = { 0 };
        const struct player *player;

        if (__atomic_load_n(&scene->verdict, __ATOMIC_SEQ_CST) != VERDICT_OK)
                _exit(1);
        if (getpid() != scene->stage) {
                if (getpid() != 1 && kill(scene->stage, 0) < 0 && errno == ESRCH)
                        _exit(1); /* in a PID namespace of its own, where it is 1, a player cannot know */
                return;
        }
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
                return;
        if (info.si_code == CLD_EXITED && info.si_status == 0)
                return;
        player = player_of(scene, info.si_pid);
        scene_fail(scene, "%s ended with %s %d", player ? player->comm : "a process",
                   info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
}

/* Returns once *word is at least count. */
static void wait_word(struct scene *scene, uint32_t *word, uint32_t count) {
        const struct timespec limit = { .tv_nsec = LOOK_AROUND_NSEC };

        for (;;) {
                uint32_t now = __atomic_load_n(word, __ATOMIC_SEQ_CST);

                if (now >= count)
                        return;
                syscall(SYS_futex, word, FUTEX_WAIT, now, &limit, NULL, 0);
                look_around(scene);
        }
}

void event_raise(struct scene *scene, unsigned int event) {
        __atomic_add_fetch(&scene->events[event], 1, __ATOMIC_SEQ_CST);
        wake_everyone(&scene->events[event]);
}

void event_wait(struct scene *scene, unsigned int event, uint32_t count) {
        wait_word(scene, &scene->events[event], count);
}

bool event_has(const struct scene *scene, unsigned int event) {
        return __atomic_load_n(&scene->events[event], __ATOMIC_SEQ_CST) > 0;
}

/* Lives on in the player. What is still open then is closed by the kernel at exit, which is a close like any other. */
static _Noreturn void player_live(struct player *player, player_role role, bool is_brief) {
        struct scene *scene = player->scene;

        alarm(PLAYER_LIFE_SECONDS);
        signal(SIGPIPE, SIG_IGN);
        role(player);
        __atomic_store_n(&player->is_done, 1, __ATOMIC_SEQ_CST);
        wake_everyone(&player->is_done);
        if (!is_brief)
                wait_word(scene, &scene->is_released, 1);
        player->moved[SOCKTALLY_METRIC_tcp_closes] += player->open;
        player->open = 0;
        _exit(0);
}

static struct player *player_fork(struct scene *scene, const char *comm, player_role role, bool is_brief,
                                  unsigned long flags) {
        uint32_t number = __atomic_fetch_add(&scene->n_players, 1, __ATOMIC_SEQ_CST);
        struct player *player;
        pid_t pid, parent = getpid();

        if (number >= SCENE_N_PLAYERS)
                scene_fail(scene, "more than %d players", SCENE_N_PLAYERS);
        player = &scene->players[number];
        player->scene = scene;
        player->unsure = METRIC_BIT(tcp_retransmits); /* a busy machine makes them on the loopback too */
        strncpy(player->comm, comm, sizeof(player->comm) - 1);
        fflush(stdout);
        pid = flags ? (pid_t) syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0) : fork();
        if (pid < 0)
                scene_fail(scene, "fork of %s: %s", comm, strerror(errno));
        if (pid > 0) {
                __atomic_store_n(&player->pid, pid, __ATOMIC_SEQ_CST);
                wake_everyone((uint32_t *) &player->pid);
                return player;
        }
        prctl(PR_SET_NAME, player->comm);
        if (parent == scene->stage)
                prctl(PR_SET_PDEATHSIG, SIGKILL);
        wait_word(scene, (uint32_t *) &player->pid, 1); /* the parent's view of it, whatever PID namespace this is */
        player_live(player, role, is_brief);
}

struct player *player_start(struct scene *scene, const char *comm, player_role role) {
        return player_fork(scene, comm, role, false, 0);
}

struct player *player_start_brief(struct scene *scene, const char *comm, player_role role) {
        return player_fork(scene, comm, role, true, 0);
}

struct player *player_start_numbered(struct scene *scene, const char *prefix, unsigned int number, player_role role) {
        char name[64];

        snprintf(name, sizeof(name), "%s-%u", prefix, number);
        return player_fork(scene, name, role, false, 0);
}

struct player *player_start_sharing(struct scene *scene, const char *comm, player_role role) {
        return player_fork(scene, comm, role, false, CLONE_FILES);
}

void player_wait_done(struct player *player) {
        wait_word(player->scene, &player->is_done, 1);
}

void player_wait_exit(struct player *player) {
        int status;

        if (waitpid(player->pid, &status, 0) < 0)
                scene_fail(player->scene, "waiting for %s: %s", player->comm, strerror(errno));
        if (status != 0)
                scene_fail(player->scene, "%s ended with wait status 0x%x", player->comm, (unsigned int) status);
}

void scene_wait_done(struct scene *scene) {
        for (uint32_t i = 0; i < __atomic_load_n(&scene->n_players, __ATOMIC_SEQ_CST); i++)
                player_wait_done(&scene->players[i]);
}

/* Orphans come to the stage (it is their subreaper), so this sees the end of every player. */
static void release_players(struct scene *scene) {
        int status;

        __atomic_store_n(&scene->is_released, 1, __ATOMIC_SEQ_CST);
        wake_everyone(&scene->is_released);
        for (;;) {
                pid_t pid = waitpid(-1, &status, 0);

                if (pid < 0 && errno == ECHILD)
                        return;
                if (pid > 0 && status != 0) {
                        const struct player *player = player_of(scene, pid);

                        scene_fail(scene, "%s ended with wait status 0x%x", player ? player->comm : "a process",
                                   (unsigned int) status);
                }
        }
}

_Noreturn void scene_play(struct scene *scene, const struct scenario *scenario) {
        scene->stage = getpid();
        scene->argument = scenario->argument;
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        scenario->run(scene, scenario->argument);
        scene_wait_done(scene);
        if (!scene->only_at_end)
                scene_compare(scene);
        release_players(scene);
        scene_compare(scene);
        _exit(scene->verdict == VERDICT_OK ? 0 : 1);
}

static void sum_up_tcp(struct scene *scene) {
        scene->summed |= METRIC_BIT(tcp_tx_bytes) | METRIC_BIT(tcp_rx_bytes) | METRIC_BIT(tcp_closes);
        scene->only_at_end = true;
}

/* No hook sees accept(): who uses or holds the connection first is charged. */
static void sum_up_accepts(struct scene *scene) {
        scene->summed |= METRIC_BIT(tcp_accepts_v4) | METRIC_BIT(tcp_accepts_v6);
}

void scene_shares_tcp(struct scene *scene) {
        scene->shares_tcp = true;
        sum_up_accepts(scene);
        scene->summed |= METRIC_BIT(tcp_closes);
        if (strcmp(scene->bill.load_mode, "passive") == 0)
                sum_up_tcp(scene);
}

void scene_hands_on_tcp(struct scene *scene) {
        scene->shares_tcp = true;
        sum_up_accepts(scene);
        if (strcmp(scene->bill.load_mode, "passive") == 0)
                sum_up_tcp(scene);
}

/* The lock goes with the last process of the scene. */
void scene_take_turns(struct scene *scene, bool is_alone) {
        int fd = open("/tmp/socktally-live.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

        if (fd >= 0 && flock(fd, is_alone ? LOCK_EX : LOCK_SH) < 0)
                scene_fail(scene, "cannot wait for other runs: %s", strerror(errno));
}

void scene_own_network(struct scene *scene) {
        struct ifreq request = { .ifr_name = "lo" };
        int fd, r;

        if (unshare(CLONE_NEWNET) < 0)
                scene_skip(scene, "no network namespace: %s", strerror(errno));
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        r = ioctl(fd, SIOCGIFFLAGS, &request);
        request.ifr_flags |= IFF_UP;
        if (r < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
                scene_fail(scene, "cannot bring the loopback up: %s", strerror(errno));
        close(fd);
}

size_t scene_bulk(const struct scene *scene, size_t size) {
        size /= scene->bill.scale;
        return size < 65536 ? 65536 : size;
}
