// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a command while programs that do nothing are attached where a send and a receive pass.
 *
 *     empty-programs tracepoint|trampoline COMMAND [ARGUMENT]...
 *
 * The floor for any counter that hooks both, and the check that a bench measures what it says: on 6.12 the two
 * tracepoint programs add 196 instructions to one send and receive.
 * Exit: the command's own code; 120 the programs cannot be attached on this kernel, with the reason.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT_ATTACH = 120 };

/* The link lives as long as its descriptor, that is, as long as this process. */
static int attach_empty(const char *name, enum bpf_attach_type type) {
        struct bpf_insn instructions[] = {
                { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
                { .code = BPF_JMP | BPF_EXIT },
        };
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type);
        int program, link, id = libbpf_find_vmlinux_btf_id(name, type);

        if (id < 0)
                return id;
        options.attach_btf_id = (__u32)id;
        program = bpf_prog_load(BPF_PROG_TYPE_TRACING, "empty", "GPL", instructions, 2, &options);
        if (program < 0)
                return program;
        link = bpf_raw_tracepoint_open(NULL, program);
        return link < 0 ? link : 0;
}

static int attach_both(const char *send, const char *receive, enum bpf_attach_type type) {
        int r = attach_empty(send, type);

        return r < 0 ? r : attach_empty(receive, type);
}

static int run(char *argv[]) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                execvp(argv[0], argv);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return EXIT_FAILURE;
        return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        int r;

        if (argc >= 3 && strcmp(argv[1], "tracepoint") == 0) {
                r = attach_both("sock_send_length", "sock_recv_length", BPF_TRACE_RAW_TP);
        } else if (argc >= 3 && strcmp(argv[1], "trampoline") == 0) {
                r = attach_both("inet_sendmsg", "inet_recvmsg", BPF_TRACE_FENTRY);
        } else {
                fprintf(stderr, "usage: empty-programs tracepoint|trampoline COMMAND [ARGUMENT]...\n");
                return 2;
        }
        if (r < 0) {
                fprintf(stderr, "empty-programs: %s programs cannot be attached on this kernel: %s\n", argv[1],
                        strerror(-r));
                return EXIT_CANNOT_ATTACH;
        }
        return run(argv + 2);
}
