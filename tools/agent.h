/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SOCKTALLY_AGENT_H
#define SOCKTALLY_AGENT_H
/*
 * Who asks for the password on a terminal: polkit's own pkttyagent, for as long as the command runs. On a desktop there
 * is an agent already and this one stands back.
 */
#include <sys/types.h>

/* 0: none was started, as for root, without a terminal or where polkit is not installed. */
pid_t agent_start(void);
void agent_stop(pid_t agent);

#endif
