/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLYD_MODULE_H
#define SOCKTALLYD_MODULE_H
/* What can be counted or left alone, by name. A new module needs its row here and in the collector. */
#include <stddef.h>
#include <stdint.h>

enum { MODULE_TCP, MODULE_UDP, N_MODULES };

/* Sets of modules are bits. */
#define MODULE(number) (UINT32_C(1) << (number))
#define EVERY_MODULE (MODULE(N_MODULES) - 1)

#define MODULES_ALL "tcp udp" /* in the order of their numbers */

const char *module_name(size_t number);
/* Names with white space between, or "none": a bit per number. -EINVAL; unchanged on error. */
int modules_parse(const char *text, uint32_t *ret_modules);
void modules_format(uint32_t modules, char *text, size_t size);

#endif
