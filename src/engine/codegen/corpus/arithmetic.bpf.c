#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Integer arithmetic of every width; each program takes a buffer of numbers. */
#define PROGRAM(name) SEC("syscall") int name(void *ctx)
#define IN(type, i) (((volatile type *)ctx)[i])

PROGRAM(add_sub) { return IN(__u64, 0) + IN(__u64, 1) - IN(__u64, 2) * 3; }
PROGRAM(narrow) { __u8 a = IN(__u8, 0), b = IN(__u8, 1); __u16 c = IN(__u16, 2); a += b * 7; c -= a; return (__u8)(a ^ c) + (c >> 3); }
PROGRAM(signed_narrow) { __s8 a = IN(__s8, 0); __s16 b = IN(__s16, 1); __s32 c = IN(__s32, 1); return a < b ? a * c : b - c; }
PROGRAM(shifts) { __u64 x = IN(__u64, 0); __u32 n = IN(__u32, 2) & 63; return (x << n) ^ (x >> (63 - n)) ^ ((__s64)x >> (n & 31)); }
PROGRAM(shifts32) { __u32 x = IN(__u32, 0); __u32 n = IN(__u32, 2) & 31; return (x << n) | (x >> (31 - n)) | ((__s32)x >> n); }
PROGRAM(rotate) { __u32 x = IN(__u32, 0); __u64 y = IN(__u64, 1); x = (x << 13) | (x >> 19); y = (y << 7) | (y >> 57); return x ^ (__u32)y ^ (y >> 32); }
PROGRAM(divide) { __u64 a = IN(__u64, 0), b = IN(__u64, 1) | 1; __u32 c = IN(__u32, 4), d = IN(__u32, 5) | 1; return a / b + a % b + c / d + c % d + a / 10 + c % 7; }
PROGRAM(divide_signed_pow2) { __s64 a = IN(__s64, 0); __s32 b = IN(__s32, 2); return a / 8 + b / 16 + a % 32 + b % 4; }
PROGRAM(min_max) { __u32 a = IN(__u32, 0), b = IN(__u32, 1); __s64 c = IN(__s64, 1), d = IN(__s64, 2); return (a < b ? a : b) + (c > d ? c : d) + (a > 100 ? 100 : a) + (c < -5 ? -5 : c); }
PROGRAM(absolute) { __s32 a = IN(__s32, 0); __s64 b = IN(__s64, 1); return (a < 0 ? -a : a) + (b < 0 ? -b : b); }
PROGRAM(counts) { __u64 a = IN(__u64, 0); __u32 b = IN(__u32, 2); return __builtin_popcountll(a) + __builtin_popcount(b) + __builtin_clzll(a | 1) + __builtin_ctz(b | 0x80000000); }
PROGRAM(swaps) { return __builtin_bswap16(IN(__u16, 0)) + __builtin_bswap32(IN(__u32, 1)) + __builtin_bswap64(IN(__u64, 1)); }
PROGRAM(reverse) { return __builtin_bitreverse32(IN(__u32, 0)) ^ __builtin_bitreverse8(IN(__u8, 4)) ^ (__u32)__builtin_bitreverse64(IN(__u64, 1)); }
PROGRAM(overflow) { __u32 r; __u64 q; int n = 0; if (__builtin_add_overflow(IN(__u32, 0), IN(__u32, 1), &r)) n |= 1; if (__builtin_mul_overflow(IN(__u32, 2), IN(__u32, 3), &r)) n |= 2; if (__builtin_sub_overflow(IN(__u64, 2), IN(__u64, 3), &q)) n |= 4; return n + r + q; }
PROGRAM(compare_chain) { __u64 a = IN(__u64, 0), b = IN(__u64, 1), c = IN(__u64, 2); if (a < b && b < c) return 1; if (a > b || b == c) return 2; return (a == b) + (b != c) * 2 + (a <= c) * 4 + ((__s64)a >= (__s64)c) * 8; }
PROGRAM(big_constants) { __u64 a = IN(__u64, 0); a ^= 0x9e3779b97f4a7c15ULL; a *= 0xff51afd7ed558ccdULL; a &= 0xffffffff00000000ULL; a |= 0x80000000ULL; return a >> 32 ^ a; }
PROGRAM(mixed_width) { __u32 a = IN(__u32, 0); __u64 b = a; __s32 c = IN(__s32, 1); __s64 d = c; b += d; b *= a; return b >> 16; }
PROGRAM(mulhi) { unsigned __int128 p = (unsigned __int128)IN(__u64, 0) + IN(__u64, 1); return (__u64)(p >> 64) + (__u64)p; }
PROGRAM(bool_ops) { _Bool a = IN(__u32, 0) > 5, b = IN(__u32, 1) < 9, c = IN(__u8, 9); return (a & b) + (a | c) * 2 + (a ^ b) * 4 + (!c) * 8; }
PROGRAM(select_pointers) { __u32 *p = ctx; __u32 *q = IN(__u32, 0) & 1 ? p + 1 : p + 3; return *q + *(IN(__u8, 1) > 4 ? p : q); }
PROGRAM(bits) { __u32 x = IN(__u32, 0); return ((x >> 3) & 7) | (((x >> 17) & 1) << 4) | ((x & 0xf0) << 8) | (x & 1 ? 0x10000 : 0x20000); }
PROGRAM(saturate) { __u32 a = IN(__u32, 0), b = IN(__u32, 1); return a > b ? a - b : 0; }
PROGRAM(average) { __u64 a = IN(__u64, 0), b = IN(__u64, 1); return (a & b) + ((a ^ b) >> 1); }
PROGRAM(isqrt) { __u32 x = IN(__u32, 0), r = 0; for (int i = 15; i >= 0; i--) { __u32 t = r | (1u << i); if (t * t <= x) r = t; } return r; }

char LICENSE[] SEC("license") = "GPL";
