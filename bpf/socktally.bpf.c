/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All programs that run in the kernel, one object. The collector loads only those that the load mode and the attach
 * method ask for; the data flows call -> ledger on the socket -> fold -> row of the process.
 */
#include "bpf/kernel-types.h"

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "bpf/attach-tracepoint.bpf.h"
#include "bpf/attach-trampoline.bpf.h"
#include "bpf/scan.bpf.h"

char LICENSE[] SEC("license") = "GPL";
