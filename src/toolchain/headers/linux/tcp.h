/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_TCP_H
#define PLAYGROUND_LINUX_TCP_H

#include <bits/net.h>

/* The fourth word of the header, as tests on it need it: big-endian. */
enum {
    TCP_FLAG_CWR = 0x00008000,
    TCP_FLAG_ECE = 0x00004000,
    TCP_FLAG_URG = 0x00002000,
    TCP_FLAG_ACK = 0x00001000,
    TCP_FLAG_PSH = 0x00000800,
    TCP_FLAG_RST = 0x00000400,
    TCP_FLAG_SYN = 0x00000200,
    TCP_FLAG_FIN = 0x00000100,
    TCP_RESERVED_BITS = 0x0000000E,
    TCP_DATA_OFFSET = 0x000000F0,
};

#define tcp_flag_word(header) (((__be32 *)(header))[3])

#endif
