/* SPDX-License-Identifier: MIT */
/* Byte order of the network and of the target, which is little-endian. Constants stay constants. */
#ifndef PLAYGROUND_BPF_ENDIAN_H
#define PLAYGROUND_BPF_ENDIAN_H

#include <linux/types.h>

#define ___bpf_swap16(x) \
    (__builtin_constant_p(x) ? (__u16)((((__u16)(x) & 0xff) << 8) | ((__u16)(x) >> 8)) : __builtin_bswap16(x))
#define ___bpf_swap32(x) \
    (__builtin_constant_p(x) \
         ? (__u32)((((__u32)(x) & 0xff) << 24) | (((__u32)(x) & 0xff00) << 8) | (((__u32)(x) >> 8) & 0xff00) | \
                   ((__u32)(x) >> 24)) \
         : __builtin_bswap32(x))
#define ___bpf_swap64(x) \
    (__builtin_constant_p(x) \
         ? (((__u64)___bpf_swap32((__u32)(x)) << 32) | ___bpf_swap32((__u32)((__u64)(x) >> 32))) \
         : __builtin_bswap64(x))

#define bpf_htons(x) ((__be16)___bpf_swap16(x))
#define bpf_ntohs(x) ((__u16)___bpf_swap16(x))
#define bpf_htonl(x) ((__be32)___bpf_swap32(x))
#define bpf_ntohl(x) ((__u32)___bpf_swap32(x))
#define bpf_cpu_to_be64(x) ((__be64)___bpf_swap64(x))
#define bpf_be64_to_cpu(x) ((__u64)___bpf_swap64(x))

#endif
