/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_SYS_TYPES_H
#define PLAYGROUND_SYS_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef long ssize_t;
typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;

#endif
