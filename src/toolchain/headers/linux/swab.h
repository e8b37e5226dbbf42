/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_SWAB_H
#define PLAYGROUND_LINUX_SWAB_H

#include <linux/types.h>

/* Usable in constant expressions, such as case labels. */
#define ___constant_swab16(x) ((__u16)((((__u16)(x) & 0xff) << 8) | (((__u16)(x) >> 8) & 0xff)))
#define ___constant_swab32(x) \
    ((__u32)(((__u32)___constant_swab16((__u32)(x)) << 16) | ___constant_swab16((__u32)(x) >> 16)))
#define ___constant_swab64(x) \
    ((__u64)(((__u64)___constant_swab32((__u64)(x)) << 32) | ___constant_swab32((__u64)(x) >> 32)))

#define __swab16(x) ((__u16)__builtin_bswap16(x))
#define __swab32(x) ((__u32)__builtin_bswap32(x))
#define __swab64(x) ((__u64)__builtin_bswap64(x))

#endif
