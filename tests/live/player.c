/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/mover.h"
#include "tests/live/player.h"

/* The ends of two pipes that a player has: waits for a byte, and reports one. */
enum { TOLD = 3, DONE };

void report_done(void) {
        need((int) write(DONE, "", 1), "write");
}

void wait_for_order(void) {
        char byte;

        need((int) read(TOLD, &byte, 1), "read");
}

struct player start_player(void (*act)(struct shared *shared)) {
        struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int told[2], done[2];
        pid_t pid;

        need(shared == MAP_FAILED ? -1 : 0, "mmap");
        need(pipe(told), "pipe");
        need(pipe(done), "pipe");
        pid = need(fork(), "fork");
        if (pid > 0) {
                close(told[0]);
                close(done[1]);
                return (struct player) { pid, told[1], done[0], shared };
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        told[0] = need(fcntl(told[0], F_DUPFD, DONE + 1), "fcntl");
        done[1] = need(fcntl(done[1], F_DUPFD, DONE + 1), "fcntl");
        need(dup2(told[0], TOLD), "dup2");
        need(dup2(done[1], DONE), "dup2");
        close_range(DONE + 1, ~0U, 0); /* links among them */
        own_network();
        act(shared);
        _exit(EXIT_FAILURE);
}

void tell_player(const struct player *player) {
        need((int) write(player->told, "", 1), "write");
}

void wait_for_player(const struct player *player) {
        char byte;

        if (read(player->done, &byte, 1) != 1)
                bail_out("a player ended early");
}

void end_player(const struct player *player) {
        kill(player->pid, SIGKILL);
        need(waitpid(player->pid, NULL, 0), "waitpid");
        close(player->told);
        close(player->done);
        munmap(player->shared, sizeof(*player->shared));
}
