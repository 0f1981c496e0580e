/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_POINTER_H
#define SOCKTALLY_BPF_POINTER_H
/*
 * The verifier trusts some pointers into the kernel, such as the current task. For each load of another pointer through
 * a trusted one it searches the whole type information by name (Linux 6.4 to 6.18: btf_nested_type_is_trusted() in
 * kernel/bpf/verifier.c), which takes about 1.5 ms, and again for each state in which it gets there. A few hundred of
 * those were a third of the time that the daemon needs to start.
 *
 * unproven() gives up the trust, and with it the search. Loads through the result are guarded by the kernel's table of
 * exceptions, which costs about four more instructions each, so it is not for the path that each call takes.
 */
#ifdef BEFORE_6_2 /* there is neither the cast nor the search */

#define unproven(pointer) (pointer)

#else

extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym;

#define unproven(pointer) \
        ((__typeof__(pointer)) bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(__typeof__(*(pointer)))))

#endif

#endif
