#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Builtins, overflow, saturation, structures by value, jumps of every kind, global data. */
#define NOINLINE static __attribute__((noinline))
#define U32(i) (((__u32 *)ctx)[i])
#define U64(i) (((__u64 *)ctx)[i])
#define S32(i) ((__s32)U32(i))
#define S64(i) ((__s64)U64(i))

__u64 counters[4] = { 1, 2, 3, 4 };
static __u32 seen;
const volatile __s16 steps[8] = { -4, 9, 1, -700, 32767, -32768, 0, 5 };
__attribute__((weak)) int tuned = 11;
struct pair { __u64 a; __u32 b; __u8 c; };
struct word { __s16 lo; __u16 hi; };

SEC("syscall") int add_overflows(void *ctx) { __u32 r; __s64 q; int n = __builtin_add_overflow(U32(0), U32(1), &r); n += 2 * __builtin_add_overflow(S64(1), S64(2), &q); return n + r + q; }
SEC("syscall") int sub_overflows(void *ctx) { __s32 r; __u64 q; int n = __builtin_sub_overflow(S32(0), S32(1), &r); n += 2 * __builtin_sub_overflow(U64(1), U64(2), &q); return n ^ r ^ q; }
SEC("syscall") int mul_overflows(void *ctx) { __u32 r; __s32 q; int n = __builtin_mul_overflow(U32(0), U32(1), &r); n += 2 * __builtin_mul_overflow(S32(2), S32(3), &q); return n + (r ^ q); }
SEC("syscall") int saturating(void *ctx) { __u32 a = __builtin_elementwise_add_sat(U32(0), U32(1)); __u32 b = __builtin_elementwise_sub_sat(U32(2), U32(3)); return a ^ b; }
SEC("syscall") int saturating_signed(void *ctx) { __s64 a = __builtin_elementwise_add_sat(S64(0), S64(1)); __s32 b = __builtin_elementwise_sub_sat(S32(4), S32(5)); return (a >> 32) ^ b; }
SEC("syscall") int least_and_most(void *ctx) { __s64 a = S64(0) < S64(1) ? S64(0) : S64(1); __u32 b = U32(4) > U32(5) ? U32(4) : U32(5); __s32 c = S32(6) < 0 ? -(__u32)S32(6) : S32(6); return (a >> 40) + b * c; }
SEC("syscall") int rotations(void *ctx) { return __builtin_rotateleft32(U32(0), U32(1)) ^ __builtin_rotateright64(U64(1), U64(2)) ^ __builtin_rotateleft16(U32(6), U32(7)) ^ __builtin_rotateright8(U32(8), 3); }
SEC("syscall") int reversals(void *ctx) { return __builtin_bitreverse32(U32(0)) + (__builtin_bitreverse64(U64(1)) >> 32) + __builtin_bitreverse8(U32(4)) + __builtin_bitreverse16(U32(5)); }
SEC("syscall") int leading(void *ctx) { return __builtin_clz(U32(0) | 1) * 100 + __builtin_clzll(U64(1) | 1) * 10 + __builtin_clrsb(S32(4)); }
SEC("syscall") int trailing(void *ctx) { return __builtin_ctz(U32(0) | 1 << 30) * 100 + __builtin_ffs(S32(1)) * 10 + __builtin_ffsll(S64(2)) + __builtin_parityll(U64(3)); }
SEC("syscall") int expected(void *ctx) { if (__builtin_expect(U32(0) == 7, 0)) return U32(1) * 3; if (__builtin_expect_with_probability(U32(1) > 9, 1, 0.9)) return U32(2); return -3; }
SEC("syscall") int assumed(void *ctx) { __u32 i = U32(0) & 15; __builtin_assume(i < 16); switch (i >> 2) { case 0: return 4; case 1: return U32(1); case 2: return -9; case 3: return 5; } __builtin_unreachable(); }
NOINLINE __u64 join(struct word w, __u32 k) { return w.lo * 3 + (w.hi ^ k); }
SEC("syscall") int word_by_value(void *ctx) { struct word a = { U32(0), U32(1) }, b = { U32(2) >> 16, U32(3) }; return join(a, U32(4)) * 7 + join(b, 9); }
NOINLINE void fill_pair(struct pair *p, __u64 x) { p->a = x * 3; p->b = x >> 7; p->c = x; }
SEC("syscall") int pair_by_pointer(void *ctx) { struct pair p, q; fill_pair(&p, U64(0)); q = p; q.b ^= 5; fill_pair(&p, q.a + q.b); return p.a + p.b * 2 + p.c + q.c; }
SEC("syscall") int gotos(void *ctx) { __u32 n = U32(0) & 31, s = 0; again: if (n == 0) goto out; s = s * 3 + n; if (s & 4) { n--; goto again; } n >>= 1; goto again; out: return s; }
SEC("syscall") int table_of_data(void *ctx) { __s32 s = 0; for (int i = 0; i < 8; i++) s = s * 2 + steps[(i + U32(0)) & 7]; return s; }
SEC("syscall") int counters_in_data(void *ctx) { counters[U32(0) & 3] += U32(1); seen ^= U32(2) | 1; return counters[0] * 3 + counters[1] + counters[2] - counters[3] + seen; }
SEC("syscall") int weak_data(void *ctx) { tuned += U32(0) & 3; return tuned * U32(1); }
SEC("syscall") int comma_and_ternary(void *ctx) { __u32 a = U32(0), b; b = (a ^= 5, a + 1); return a > b ? (b & 1 ? a : b) : (a & 2 ? 7 : a - b); }
SEC("syscall") int logic_chain(void *ctx) { return (U32(0) > 5 && (U32(1) < 9 || !U32(2))) + 2 * (U32(3) != 0 || (U32(4) & 8 && U32(5) > U32(6))); }
SEC("syscall") int widths_meet(void *ctx) { __u8 a = U32(0); __s8 b = U32(1); __u16 c = U32(2); __s16 d = U32(3); __s64 e = S32(4); return (a << 3) + b * c - d + (e >> 5) + (a > b) + (c < d); }
SEC("syscall") int divisions(void *ctx) { __u64 a = U64(0) / (U32(2) | 1), b = U64(2) % (U64(3) | 3); __u32 c = U32(8) / 10, d = U32(9) % 7; return a + b + c * 100 + d + U32(10) / 8 + S32(11) / 16; }
SEC("syscall") int shifts_of_64(void *ctx) { __u32 n = U32(0); return (U64(1) << (n & 63)) ^ (U64(2) >> ((n >> 6) & 63)) ^ (S64(3) >> (n & 31)) ^ (__u64)S32(9) << 7; }
SEC("syscall") int bit_fields(void *ctx) { struct { __u32 a : 5; __s32 b : 9; __u64 c : 37; __s16 d : 3; } f = { U32(0), U32(1), U64(1), U32(2) }; f.a += f.b; f.c -= f.a; f.d ^= 1; return f.a + f.b * 3 + f.c + f.d; }
SEC("syscall") int union_views(void *ctx) { union { __u64 q; __s32 d[2]; __u8 b[8]; } u; u.q = U64(0); u.b[3] += 9; u.d[1] -= u.b[2]; return u.d[0] + u.d[1] * 3 + (u.q >> 60); }
SEC("syscall") int moves_and_fills(void *ctx) { __u8 t[24]; __builtin_memset(t, 0x5a, sizeof t); __builtin_memcpy(t + 3, ctx, 9); __builtin_memmove(t + 5, t + 3, 12); __u32 s = 0; for (int i = 0; i < 24; i++) s = s * 5 + t[i]; return s; }
SEC("syscall") int swap_bytes(void *ctx) { return __builtin_bswap16(U32(0)) + __builtin_bswap32(U32(1)) + __builtin_bswap64(U64(1)); }

char LICENSE[] SEC("license") = "GPL";
