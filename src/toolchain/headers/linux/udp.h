/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_UDP_H
#define PLAYGROUND_LINUX_UDP_H

#include <bits/net.h>

#endif
