#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Loads, stores, copies, packed and bit-field structures, atomics. */
#define IN(type, i) (((volatile type *)ctx)[i])
struct packed { __u8 a; __u32 b; __u64 c; __u16 d; } __attribute__((packed));
struct fields { __u32 a : 3, b : 7, c : 22; __u64 d : 40, e : 24; __s32 f : 5; };
struct nest { struct { __u16 x; __u8 y[3]; } in[4]; __u64 z; union { __u32 u; __u8 v[4]; }; };
struct big { __u64 w[16]; };

SEC("syscall") int packed_read(struct packed *p) { return p->a + p->b + p->c + p->d; }
SEC("syscall") int packed_write(struct packed *p) { __u64 v = p->c; p->b = v; p->d = v >> 8; p->c = v + 1; return 0; }
SEC("syscall") int fields_read(struct fields *f) { return f->a + f->b * f->c + f->d - f->e + f->f; }
SEC("syscall") int fields_write(struct fields *f) { f->a = 5; f->b += 3; f->d = f->e; f->f = -2; return f->c; }
SEC("syscall") int nested_index(struct nest *n) { __u32 i = n->u & 3, j = n->v[1] % 3; n->in[i].y[j] += 2; n->in[i ^ 1].x = n->in[i].x; return n->in[3 - i].y[2 - j]; }
SEC("syscall") int copy_big(struct big *b) { struct big t = *b; t.w[3] ^= t.w[5]; t.w[b->w[0] & 15] = 1; *b = t; return t.w[7]; }
SEC("syscall") int copy_small(__u8 *p) { __u8 t[13]; __builtin_memcpy(t, p, 13); p[20] = t[5] + t[12]; __builtin_memcpy(p + 24, t, 13); return 0; }
SEC("syscall") int move_overlap(__u8 *p) { __builtin_memmove(p + 3, p, 12); return p[3]; }
SEC("syscall") int zero_fill(__u64 *p) { __u8 t[40] = {}; t[p[0] & 31] = 7; __builtin_memset(p, 0, 24); return t[3] + t[20]; }
SEC("syscall") int fill_value(__u8 *p) { __builtin_memset(p + 8, p[0], 16); __builtin_memset(p, 0xab, 7); return 0; }
SEC("syscall") int stack_array(void *ctx) { __u32 a[16]; for (int i = 0; i < 16; i++) a[i] = IN(__u32, i) * i; return a[IN(__u32, 0) & 15] + a[IN(__u32, 1) & 15]; }
SEC("syscall") int stack_histogram(void *ctx) { __u8 h[16] = {}; for (int i = 0; i < 24; i++) h[IN(__u8, i) & 15]++; int best = 0; for (int i = 1; i < 16; i++) if (h[i] > h[best]) best = i; return best; }
SEC("syscall") int string_eq(const char *s) { return __builtin_memcmp(s, "deadbeef", 8) == 0; }
SEC("syscall") int string_eq_odd(const char *s) { return __builtin_memcmp(s, "abc", 3) ? 1 : 2; }
SEC("syscall") int atomics_add(__u64 *p) { __sync_fetch_and_add(p, 3); __sync_fetch_and_or(p + 1, 0xf0); __sync_fetch_and_and((__u32 *)(p + 2), 0xff); __sync_fetch_and_xor((__u32 *)(p + 3), 5); return 0; }
SEC("syscall") int atomics_fetch(__u64 *p) { __u64 a = __sync_fetch_and_add(p, 3); __u32 b = __sync_fetch_and_sub((__u32 *)(p + 1), 2); __u64 c = __sync_fetch_and_or(p + 2, a); return a + b + c + __sync_add_and_fetch(p + 3, 9); }
SEC("syscall") int atomics_swap(__u64 *p) { __u64 old = __sync_lock_test_and_set(p, 77); __u32 b = __sync_val_compare_and_swap((__u32 *)(p + 1), 5, 6); _Bool ok = __sync_bool_compare_and_swap(p + 2, old, b); return ok ? old : b; }
SEC("syscall") int barriers(__u32 *p) { __u32 a = p[0]; barrier_var(a); if (a > 10) return 1; barrier(); return p[0] + a; }
SEC("syscall") int unions(__u64 *p) { union { __u64 q; __u32 d[2]; __u16 w[4]; __u8 b[8]; } u = { .q = *p }; u.w[1] ^= u.w[2]; u.b[7] = u.d[0]; return u.q >> 16; }
SEC("syscall") int pointer_walk(__u32 *p) { __u32 *end = p + 16, s = 0; for (__u32 *q = p; q != end; q += 2) s = s * 31 + *q; return s; }
SEC("syscall") int two_pointers(__u8 *p) { int i = 0, j = 31; while (i < j) { __u8 t = p[i]; p[i++] = p[j]; p[j--] = t; } return p[0]; }
SEC("syscall") int store_widths(void *ctx) { *(__u8 *)(ctx + 1) = 1; *(__u16 *)(ctx + 2) = 2; *(__u32 *)(ctx + 4) = 3; *(__u64 *)(ctx + 8) = -4; *(__u64 *)(ctx + 16) = 0x123456789abcdefULL; return 0; }
SEC("syscall") int sign_loads(void *ctx) { return IN(__s8, 0) + IN(__s16, 1) * 2 + IN(__s32, 1) * 3LL > IN(__s64, 1); }
SEC("syscall") int return_struct_fields(__u64 *p) { struct { __u32 a; __u16 b, c; } s = { p[0], p[1], p[2] }; __u64 v; __builtin_memcpy(&v, &s, 8); return v >> 20; }
SEC("syscall") int dynamic_offsets(__u8 *p) { __u32 o = p[0] & 63; __u16 a = *(__u16 *)(p + (o & ~1)); *(__u32 *)(p + (o & ~3) + 4) = a; return p[o + 8]; }

char LICENSE[] SEC("license") = "GPL";
