/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_IP_H
#define PLAYGROUND_LINUX_IP_H

#include <bits/net.h>

#define IPVERSION 4
#define MAXTTL 255
#define IPDEFTTL 64
#define IPTOS_TOS_MASK 0x1E
#define IPTOS_TOS(tos) ((tos) & IPTOS_TOS_MASK)

#endif
