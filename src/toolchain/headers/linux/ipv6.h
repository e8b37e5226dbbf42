/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_IPV6_H
#define PLAYGROUND_LINUX_IPV6_H

#include <bits/net.h>
#include <linux/in6.h>

#endif
