/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_ASM_PTRACE_H
#define PLAYGROUND_ASM_PTRACE_H

#include <linux/ptrace.h>

#endif
