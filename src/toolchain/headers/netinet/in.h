/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_NETINET_IN_H
#define PLAYGROUND_NETINET_IN_H

#include <linux/in.h>
#include <linux/in6.h>

#endif
