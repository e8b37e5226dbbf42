/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_TIME_H
#define PLAYGROUND_LINUX_TIME_H

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7

#endif
