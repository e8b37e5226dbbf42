#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Hash functions and checksums over a buffer: long chains of mixed arithmetic, loops that unroll and loops that do not. */
static __always_inline __u32 rol32(__u32 w, __u32 s) { return (w << s) | (w >> ((-s) & 31)); }
static __always_inline __u64 rol64(__u64 w, __u32 s) { return (w << s) | (w >> ((-s) & 63)); }

#define MIX(a, b, c) { a -= c; a ^= rol32(c, 4); c += b; b -= a; b ^= rol32(a, 6); a += c; c -= b; c ^= rol32(b, 8); b += a; a -= c; a ^= rol32(c, 16); c += b; b -= a; b ^= rol32(a, 19); a += c; c -= b; c ^= rol32(b, 4); b += a; }
#define FINAL(a, b, c) { c ^= b; c -= rol32(b, 14); a ^= c; a -= rol32(c, 11); b ^= a; b -= rol32(a, 25); c ^= b; c -= rol32(b, 16); a ^= c; a -= rol32(c, 4); b ^= a; b -= rol32(a, 14); c ^= b; c -= rol32(b, 24); }

SEC("syscall") int jhash_words(__u32 *k) {
	__u32 a = 0xdeadbeef, b = a, c = a;
	a += k[0]; b += k[1]; c += k[2]; MIX(a, b, c)
	a += k[3]; b += k[4]; c += k[5]; FINAL(a, b, c)
	return c;
}
SEC("syscall") int fnv1a(__u8 *p) { __u64 h = 0xcbf29ce484222325ULL; for (int i = 0; i < 40; i++) { h ^= p[i]; h *= 0x100000001b3ULL; } return h ^ (h >> 32); }
SEC("syscall") int murmur_final(__u64 *p) { __u64 k = p[0]; k ^= k >> 33; k *= 0xff51afd7ed558ccdULL; k ^= k >> 33; k *= 0xc4ceb9fe1a85ec53ULL; k ^= k >> 33; return k; }
#define SIPROUND { v0 += v1; v1 = rol64(v1, 13); v1 ^= v0; v0 = rol64(v0, 32); v2 += v3; v3 = rol64(v3, 16); v3 ^= v2; v0 += v3; v3 = rol64(v3, 21); v3 ^= v0; v2 += v1; v1 = rol64(v1, 17); v1 ^= v2; v2 = rol64(v2, 32); }
SEC("syscall") int siphash(__u64 *p) {
	__u64 v0 = 0x736f6d6570736575ULL ^ p[0], v1 = 0x646f72616e646f6dULL ^ p[1], v2 = 0x6c7967656e657261ULL ^ p[0], v3 = 0x7465646279746573ULL ^ p[1];
	for (int i = 2; i < 5; i++) { v3 ^= p[i]; SIPROUND SIPROUND v0 ^= p[i]; }
	v2 ^= 0xff; SIPROUND SIPROUND SIPROUND SIPROUND
	return v0 ^ v1 ^ v2 ^ v3;
}
SEC("syscall") int ipsum(__u16 *p) { __u32 s = 0; for (int i = 0; i < 10; i++) s += p[i]; s = (s & 0xffff) + (s >> 16); s = (s & 0xffff) + (s >> 16); return (__u16)~s; }
SEC("syscall") int adler(__u8 *p) { __u32 a = 1, b = 0; for (int i = 0; i < 64; i++) { a = (a + p[i]) % 65521; b = (b + a) % 65521; } return (b << 16) | a; }
SEC("syscall") int crc32_bits(__u8 *p) { __u32 c = ~0u; for (int i = 0; i < 8; i++) { c ^= p[i]; for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xedb88320 : c >> 1; } return ~c; }
SEC("syscall") int xorshift(__u64 *p) { __u64 x = p[0]; for (int i = 0; i < 20; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; } return x; }
SEC("syscall") int lcg(__u32 *p) { __u32 x = p[0]; for (__u32 i = 0; i < (p[1] & 63); i++) x = x * 1664525 + 1013904223; return x; }
SEC("syscall") int djb2(const char *s) { __u32 h = 5381; for (int i = 0; i < 32 && s[i]; i++) h = h * 33 + s[i]; return h; }
SEC("syscall") int bernstein_two(__u8 *p) { __u32 h = 0, g; for (int i = 0; i < 24; i++) { h = (h << 4) + p[i]; g = h & 0xf0000000; if (g) h ^= g >> 24; h &= ~g; } return h; }
SEC("syscall") int tea(__u32 *v) { __u32 a = v[0], b = v[1], s = 0; for (int i = 0; i < 8; i++) { s += 0x9e3779b9; a += ((b << 4) + v[2]) ^ (b + s) ^ ((b >> 5) + v[3]); b += ((a << 4) + v[4]) ^ (a + s) ^ ((a >> 5) + v[5]); } v[0] = a; v[1] = b; return a ^ b; }
SEC("syscall") int chacha_quarter(__u32 *x) { __u32 a = x[0], b = x[1], c = x[2], d = x[3]; for (int i = 0; i < 4; i++) { a += b; d ^= a; d = rol32(d, 16); c += d; b ^= c; b = rol32(b, 12); a += b; d ^= a; d = rol32(d, 8); c += d; b ^= c; b = rol32(b, 7); } x[0] = a; x[1] = b; x[2] = c; x[3] = d; return a + d; }
SEC("syscall") int popcount_table(__u64 *p) { int n = 0; for (int i = 0; i < 4; i++) n += __builtin_popcountll(p[i]); return n; }

char LICENSE[] SEC("license") = "GPL";
