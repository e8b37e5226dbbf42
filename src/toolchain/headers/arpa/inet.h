/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_ARPA_INET_H
#define PLAYGROUND_ARPA_INET_H

#include <netinet/in.h>

#define htons(x) ((__be16)__builtin_bswap16(x))
#define ntohs(x) ((__u16)__builtin_bswap16(x))
#define htonl(x) ((__be32)__builtin_bswap32(x))
#define ntohl(x) ((__u32)__builtin_bswap32(x))

#endif
