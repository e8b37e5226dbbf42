#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Branches, loops, switches, subprograms. */
#define NOINLINE static __attribute__((noinline))
#define IN(type, i) (((volatile type *)ctx)[i])

SEC("syscall") int switch_dense(void *ctx) { switch (IN(__u32, 0)) { case 0: return 5; case 1: return 17; case 2: return 3; case 3: return IN(__u32, 1); case 4: return 90; case 5: return 2; default: return -1; } }
SEC("syscall") int switch_sparse(void *ctx) { switch (IN(__u32, 0)) { case 3: return 1; case 77: return 2; case 1000: return 3; case 40000: return 4; case 0x80000000: return 5; case 99999999: return 6; case 12: return 7; } return 0; }
SEC("syscall") int switch_ranges(void *ctx) { switch (IN(__u8, 0)) { case 'a' ... 'z': return 1; case 'A' ... 'Z': return 2; case '0' ... '9': return 3; case ' ': case '\t': case '\n': return 4; default: return 0; } }
SEC("syscall") int switch_64(void *ctx) { switch (IN(__u64, 0)) { case 0x100000000ULL: return 1; case 0x100000001ULL: return 2; case 5: return 3; case 0xffffffffffffffffULL: return 4; } return 9; }
SEC("syscall") int switch_fall(void *ctx) { int n = 0; switch (IN(__u32, 0) & 7) { case 7: n += IN(__u8, 7); case 6: n += IN(__u8, 6); case 5: n += IN(__u8, 5); case 4: n += IN(__u8, 4); case 3: n += IN(__u8, 3); case 2: n += IN(__u8, 2); case 1: n += IN(__u8, 1); } return n; }
SEC("syscall") int switch_negative(void *ctx) { switch (IN(__s32, 0)) { case -2: return 1; case -1: return 2; case 0: return 3; case 1: return 4; case -100: return 5; } return 0; }
SEC("syscall") int loop_sum(void *ctx) { __u64 s = 0; for (__u32 i = 0; i < IN(__u32, 0) && i < 64; i++) s += IN(__u8, i); return s; }
SEC("syscall") int loop_nested(void *ctx) { int n = 0; for (int i = 0; i < 5; i++) for (int j = 0; j < i; j++) if (IN(__u8, i * 4 + j) > IN(__u8, j)) n++; return n; }
SEC("syscall") int loop_while(void *ctx) { __u32 x = IN(__u32, 0) | 1; int n = 0; while (x != 1 && n < 200) { x = x & 1 ? 3 * x + 1 : x / 2; n++; } return n; }
SEC("syscall") int loop_break(void *ctx) { for (int i = 0; i < 50; i++) { if (IN(__u8, i) == 0) return i; if (IN(__u8, i) == 255) break; } return -1; }
SEC("syscall") int bubble(void *ctx) { __u32 v[6]; for (int i = 0; i < 6; i++) v[i] = IN(__u32, i); for (int i = 0; i < 5; i++) for (int j = 0; j < 5 - i; j++) if (v[j] > v[j + 1]) { __u32 t = v[j]; v[j] = v[j + 1]; v[j + 1] = t; } return v[0] ^ v[2] ^ v[5] * 3; }
SEC("syscall") int fibonacci(void *ctx) { __u64 a = 0, b = 1; for (int i = 0; i < (IN(__u32, 0) & 63); i++) { __u64 t = a + b; a = b; b = t; } return a; }
SEC("syscall") int gcd(void *ctx) { __u32 a = IN(__u32, 0), b = IN(__u32, 1); for (int i = 0; i < 50 && b; i++) { __u32 t = a % b; a = b; b = t; } return a; }
SEC("syscall") int binary_search(void *ctx) { __u32 want = IN(__u32, 0), lo = 0, hi = 15; for (int i = 0; i < 5 && lo < hi; i++) { __u32 mid = (lo + hi) / 2; if (mid * mid * 3 < want) lo = mid + 1; else hi = mid; } return lo; }
SEC("syscall") int parse_number(void *ctx) { __u32 n = 0; for (int i = 0; i < 10; i++) { __u8 c = IN(__u8, i); if (c < '0' || c > '9') break; n = n * 10 + (c - '0'); } return n; }
SEC("syscall") int state_machine(void *ctx) { int state = 0, seen = 0; for (int i = 0; i < 32; i++) { __u8 c = IN(__u8, i); switch (state) { case 0: state = c == '<' ? 1 : 0; break; case 1: state = c == '/' ? 2 : c == '>' ? 0 : 1; break; case 2: if (c == '>') { seen++; state = 0; } break; } } return seen * 4 + state; }

NOINLINE int add5(int a, int b, int c, int d, int e) { return a + b * 2 - c + (d ^ e); }
NOINLINE __u64 wide(__u64 a, __u8 b, __s16 c, _Bool d) { return a + b - c + d; }
NOINLINE __u8 narrow(__u64 x) { return x >> 3; }
NOINLINE __s16 narrow_signed(__u64 x) { return x; }
NOINLINE _Bool truth(__u32 x) { return x & 0x10; }
NOINLINE void store_to(__u64 *p, __u64 v) { *p = v * 3; }
struct small { __u32 a, b; };
struct medium { __u64 a, b; };
NOINLINE __u64 take_small(struct small s) { return s.a * 7 + s.b; }
NOINLINE __u64 take_medium(struct medium m, int k) { return m.a - m.b + k; }
NOINLINE int deep3(int x) { return x * 3 + 1; }
NOINLINE int deep2(int x) { return deep3(x + 1) ^ deep3(x + 2); }
NOINLINE int deep1(int x) { return deep2(x) + deep2(x * 5); }
__attribute__((noinline)) int shared_global(int x) { return x * x - 1; }
SEC("syscall") int calls(void *ctx) { int a = IN(__u32, 0), b = IN(__u32, 1), c = IN(__u32, 2); int r = add5(a, b, c, a, b); return r + add5(b, c, a, r, 3) + c; }
SEC("syscall") int calls_mixed(void *ctx) { __u64 x = IN(__u64, 0); return wide(x, IN(__u8, 8), IN(__s16, 5), x > 9) + narrow(x) + narrow_signed(x) + truth(x); }
SEC("syscall") int calls_struct(void *ctx) { struct small s = { IN(__u32, 0), IN(__u32, 1) }; struct medium m = { IN(__u64, 1), IN(__u64, 2) }; return take_small(s) + take_medium(m, 4); }
SEC("syscall") int calls_deep(void *ctx) { return deep1(IN(__u32, 0)) + shared_global(IN(__u32, 1)); }
SEC("syscall") int calls_pointer(void *ctx) { __u64 v[3] = {}; store_to(&v[0], 5); store_to(&v[2], IN(__u64, 0)); return v[0] + v[1] + v[2]; }
SEC("syscall") int live_across(void *ctx) { __u64 a = IN(__u64, 0), b = IN(__u64, 1), c = IN(__u64, 2), d = IN(__u64, 3), e = IN(__u64, 4), f = IN(__u64, 5); bpf_ktime_get_ns(); return a + b * c - (d ^ e) + f + a * f; }
SEC("syscall") int live_across_two(void *ctx) { __u64 a = IN(__u64, 0); __u64 t = bpf_ktime_get_ns(); __u64 b = IN(__u64, 1); __u32 r = bpf_get_prandom_u32(); __u64 c = IN(__u64, 2); __u32 cpu = bpf_get_smp_processor_id(); return a + t + b * r + c - cpu + (a ^ b ^ c); }
SEC("syscall") int early_returns(void *ctx) { if (IN(__u32, 0) == 1) return 10; if (IN(__u32, 1) > 5) return 20; if (IN(__u32, 2) & 4) return 30; if ((__s32)IN(__u32, 3) < -1) return 40; return 50; }
SEC("syscall") int ternaries(void *ctx) { int a = IN(__s32, 0), b = IN(__s32, 1); return a ? b ? a > b ? 1 : 2 : 3 : b < 0 ? 4 : a == b ? 5 : 6; }
SEC("syscall") int goto_out(void *ctx) { int r = 0; if (!IN(__u32, 0)) goto out; r = 1; if (IN(__u32, 1) == 2) goto out; r = 2; for (int i = 0; i < 8; i++) if (IN(__u8, i) == 3) { r += i; goto out; } r = 9; out: return r; }
SEC("syscall") int matrix(void *ctx) { __u32 m[9], n[9], s = 0; for (int i = 0; i < 9; i++) { m[i] = IN(__u32, i); n[i] = IN(__u32, 9 + i); } for (int i = 0; i < 3; i++) for (int j = 0; j < 3; j++) { __u32 t = 0; for (int k = 0; k < 3; k++) t += m[i * 3 + k] * n[k * 3 + j]; s ^= t; } return s; }

char LICENSE[] SEC("license") = "GPL";
