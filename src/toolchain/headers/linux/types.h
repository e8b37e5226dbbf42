/* SPDX-License-Identifier: MIT */
/* Integer types of the kernel's interfaces to user space. */
#ifndef PLAYGROUND_LINUX_TYPES_H
#define PLAYGROUND_LINUX_TYPES_H

#include <asm/types.h>

/* Byte order is said in the name; the compiler sees the plain integer. */
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __le64;
typedef __u64 __be64;
typedef __u16 __sum16;
typedef __u32 __wsum;

#define __aligned_u64 __u64 __attribute__((aligned(8)))
#define __aligned_be64 __be64 __attribute__((aligned(8)))
#define __aligned_le64 __le64 __attribute__((aligned(8)))

#endif
