/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_MODULE_H
#define SOCKTALLYD_MODULE_H
/* What can be counted or left alone, by name. The list is SOCKTALLY_MODULES() in libclient/metrics.h. */
#include <stddef.h>
#include <stdint.h>

#include "bpf/ledger.h"

/* " tcp udp" and "tcp udp". */
#define MODULES_WORD(number, name) " " #name
#define MODULES_WORDS SOCKTALLY_MODULES(MODULES_WORD)
#define MODULES_ALL (&MODULES_WORDS[1])

/* Sets of modules are bits, the same from the bus to the programs' switches (bpf/ledger.h). */
#define MODULE(number) (UINT32_C(1) << (number))
#define EVERY_MODULE (MODULE(N_MODULES) - 1)

const char *module_name(size_t number);
/* N_MODULES: there is none of that name. */
size_t module_find(const char *name, size_t length);
/* Names with white space between, or "none": a bit per number. -EINVAL; unchanged on error. */
int modules_parse(const char *text, uint32_t *ret_modules);
void modules_format(uint32_t modules, char *text, size_t size);

#endif
