/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SOCKTALLY_BPF_ERROR_NUMBERS_H
#define SOCKTALLY_BPF_ERROR_NUMBERS_H
/* The kernel's numbers of errors that our programs tell apart. UAPI, but for ERESTART. */

#define EINTR 4
#define E2BIG 7
#define EAGAIN 11
#define EACCES 13
#define ENOSYS 38
#define ENONET 64
#define EOPNOTSUPP 95
#define ENETDOWN 100
#define ENETUNREACH 101
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTDOWN 112
#define EHOSTUNREACH 113
#define ERESTARTSYS 512 /* and up to 516: the call is made again, nobody sees a failure */
#define ERESTART_RESTARTBLOCK 516

#endif
