/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that a change needs and that are not loaded: the verifier takes a second or two for them, and who asks for
 * the change should not wait that long, nor all who talk to the daemon meanwhile. So a child of the daemon loads them,
 * and then what other changes may need. It sends a message when
 *
 *   it is apart: hooks stay attached while any process has them open, so it first closes those that it was born with;
 *   until then nothing is dropped here;
 *   it has tried to attach a program to a function: a kernel that does not let trampolines be mostly says so there, and
 *   who asked for them hears the reason;
 *   a set is loaded, with the descriptors of its programs, or the kernel has refused it.
 *
 * It dies with the daemon. Its priority is no lower than the daemon's: the verifier does not sleep, and while it waits
 * for a processor, so does everybody who waits for the kernel's RCU.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "daemon/collect-private.h"

#define SET(set) (1U << (set))
#define ASK_MSEC 50 /* who does not know by then says yes */
#define TRAMPOLINES (SET(SET_INET) | SET(SET_PROTOCOL) | SET(SET_INET_RELEASE))

enum announced { IS_APART, IS_TRIED, IS_LOADED };

struct announcement {
        enum announced what;
        int error; /* 0, or as reason says */
        char reason[COLLECT_REASON_SIZE];
        enum hook_set set; /* is loaded: this one, with the descriptors of those programs that this kernel has */
        uint32_t n, hooks[COLLECT_MAX_HOOKS];
};

union control {
        struct cmsghdr header;
        char space[CMSG_SPACE(COLLECT_MAX_HOOKS * sizeof(int))];
};

static void announce(int fd, const struct announcement *said) {
        if (send(fd, said, sizeof(*said), MSG_NOSIGNAL) < 0)
                _exit(1);
}

static void announce_set(const struct collect *collect, int fd, enum hook_set set) {
        struct announcement said = { .what = IS_LOADED, .set = set };
        int programs[COLLECT_MAX_HOOKS];
        union control control = { 0 };
        struct iovec part = { .iov_base = &said, .iov_len = sizeof(said) };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control };
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        for (size_t i = 0; i < n; i++)
                if (hooks[i].set == set && collect->programs[i] >= 0) {
                        programs[said.n] = collect->programs[i];
                        said.hooks[said.n++] = i;
                }
        if (said.n == 0)
                return;
        message.msg_controllen = CMSG_SPACE(said.n * sizeof(int));
        control.header = (struct cmsghdr) {
                .cmsg_len = CMSG_LEN(said.n * sizeof(int)),
                .cmsg_level = SOL_SOCKET,
                .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), programs, said.n * sizeof(int));
        if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
                _exit(1);
}

/* A program that does nothing. Returns its link; the process that closes it waits for the tasks' RCU. */
static int attach_trampoline(const struct collect *collect, char *reason, size_t size) {
        static const struct bpf_insn nothing[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_TRACE_FEXIT,
                    .attach_btf_id = (uint32_t) collect->release_id);
        int program, link;

        if (collect->release_id < 0)
                return collect_say(reason, size, -ENOENT, "this kernel lacks the function", "inet_release");
        program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "try_trampoline", "GPL", nothing, 2, &options);
        if (program < 0)
                return collect_say(reason, size, -errno, "the kernel refused the programs", "");
        link = bpf_link_create(program, 0, BPF_TRACE_FEXIT, NULL);
        if (link < 0)
                link = collect_say(reason, size, -errno, "cannot attach", "fexit/inet_release");
        close(program);
        return link;
}

/* Where trampolines count there is nothing to be found out. */
static int try_trampoline(const struct collect *collect, int fd) {
        struct announcement said = { .what = IS_TRIED };
        int link = -1;

        if (!(collect->loaded & SET(SET_INET_RELEASE))) {
                link = attach_trampoline(collect, said.reason, sizeof(said.reason));
                said.error = link < 0 ? link : 0;
        }
        announce(fd, &said);
        if (link >= 0)
                close(link);
        return said.error;
}

/* One by one: what is refused keeps nothing else from being loaded. */
static void load_each(struct collect *collect, int fd, unsigned sets) {
        for (unsigned set = 0; set < N_HOOK_SETS; set++) {
                struct announcement said = { .what = IS_LOADED, .set = set };

                if (!(sets & SET(set) & ~collect->loaded))
                        continue;
                said.error = collect_load_sets(collect, SET(set), said.reason, sizeof(said.reason));
                if (said.error < 0)
                        announce(fd, &said);
                else
                        announce_set(collect, fd, set);
        }
}

static _Noreturn void live(struct collect *collect, int fd, unsigned first, pid_t daemon) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != daemon)
                _exit(1);
        (void) prctl(PR_SET_NAME, "socktallyd-load");
        collect_drop_sets(collect, ~0U);
        announce(fd, &(struct announcement) { .what = IS_APART });
        if (try_trampoline(collect, fd) < 0) /* there is nothing to change to */
                _exit(0);
        load_each(collect, fd, first);
        load_each(collect, fd, ~first);
        _exit(0);
}

static void start(struct collect *collect, unsigned first) {
        pid_t child, daemon = getpid();
        int pair[2];

        if (collect->loader.fd >= 0)
                return;
        collect->loader.is_apart = collect->loader.is_tried = false;
        collect->loader.refused = 0;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return;
        child = fork();
        if (child == 0) {
                close(pair[0]);
                live(collect, pair[1], first, daemon);
        }
        close(pair[1]);
        if (child < 0) {
                close(pair[0]);
                return;
        }
        collect->loader.child = child;
        collect->loader.fd = pair[0];
}

static void close_all(const int *fds, size_t n) {
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

/* The set may have been loaded meanwhile. */
static void take_set(struct collect *collect, const struct announcement *said, const int *fds, size_t n_fds) {
        int programs[COLLECT_MAX_HOOKS];
        const struct hook *hooks;
        size_t n = collect_hook_table(&hooks);

        if (said->set >= N_HOOK_SETS || collect->loaded & SET(said->set) || n_fds == 0 || said->n != n_fds) {
                close_all(fds, n_fds);
                return;
        }
        memset(programs, -1, sizeof(programs));
        for (size_t i = 0; i < n_fds; i++)
                if (said->hooks[i] < n)
                        programs[said->hooks[i]] = fds[i];
        collect_put_programs(collect, said->set, programs);
}

static void take(struct collect *collect, const struct announcement *said, const int *fds, size_t n_fds) {
        if (said->error < 0) {
                collect->loader.refused |= said->what == IS_TRIED ? TRAMPOLINES : SET(said->set);
                collect->loader.error = said->error;
                memcpy(collect->loader.reason, said->reason, sizeof(said->reason));
        }
        switch (said->what) {
        case IS_APART: collect->loader.is_apart = true; break;
        case IS_TRIED: collect->loader.is_tried = true; break;
        case IS_LOADED: take_set(collect, said, fds, n_fds); break;
        }
}

/* Returns how long the message was; 0: there will be no more. */
static ssize_t take_message(struct collect *collect) {
        struct announcement said = { 0 };
        union control control;
        struct iovec part = { .iov_base = &said, .iov_len = sizeof(said) };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *header;
        int fds[COLLECT_MAX_HOOKS];
        size_t n_fds = 0;
        ssize_t n;

        n = recvmsg(collect->loader.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n <= 0)
                return n < 0 ? -errno : 0;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
                n_fds = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                memcpy(fds, CMSG_DATA(header), n_fds * sizeof(int));
        }
        take(collect, &said, fds, n_fds);
        return n;
}

/* It has said all that it will. The descriptor stays, as somebody may be watching it. */
static void reap(struct collect *collect) {
        (void) kill(collect->loader.child, SIGKILL);
        while (waitpid(collect->loader.child, NULL, 0) < 0 && errno == EINTR)
                continue;
        collect->loader.child = 0;
}

bool collect_take_loaded(struct collect *collect) {
        ssize_t n;

        if (collect->loader.child == 0)
                return false;
        do
                n = take_message(collect);
        while (n > 0 || n == -EINTR);
        if (n == -EAGAIN)
                return true;
        reap(collect);
        return false;
}

int collect_loader_fd(const struct collect *collect) {
        return collect->loader.fd;
}

/* False: there was none in that time. */
static bool wait_message(struct collect *collect, int msec) {
        struct pollfd more = { .fd = collect->loader.fd, .events = POLLIN };
        bool is_there = poll(&more, 1, msec) > 0;

        (void) collect_take_loaded(collect);
        return is_there;
}

int collect_is_refused(const struct collect *collect, unsigned sets, char *reason, size_t size) {
        if (!(sets & collect->loader.refused & ~collect->loaded))
                return 0;
        if (reason)
                snprintf(reason, size, "%s", collect->loader.reason);
        return collect->loader.error;
}

int collect_ask_loader(struct collect *collect, unsigned sets, char *reason, size_t size) {
        int r;

        if (collect->loader.child == 0)
                start(collect, sets);
        if (sets & TRAMPOLINES && !(collect->loaded & SET(SET_INET_RELEASE)))
                while (collect->loader.child && !collect->loader.is_tried && wait_message(collect, ASK_MSEC))
                        continue;
        r = collect_is_refused(collect, sets, reason, size);
        return r < 0 ? r : collect->loader.child != 0;
}

bool collect_is_loaded(struct collect *collect, unsigned sets) {
        (void) collect_take_loaded(collect);
        return collect->loader.child == 0 || !(sets & ~collect->loaded) ||
               collect_is_refused(collect, sets, NULL, 0) < 0;
}

void collect_wait_loader(struct collect *collect, unsigned sets) {
        while (!collect_is_loaded(collect, sets)) /* to load the same here would take longer */
                wait_message(collect, -1);
}

void collect_wait_apart(struct collect *collect) {
        while (collect->loader.child && !collect->loader.is_apart)
                wait_message(collect, -1);
}

void collect_end_loader(struct collect *collect) {
        if (collect->loader.child) {
                (void) kill(collect->loader.child, SIGKILL);
                reap(collect);
        }
        if (collect->loader.fd >= 0)
                close(collect->loader.fd);
        collect->loader.fd = -1;
}
