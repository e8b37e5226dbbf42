#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* What an object can hold besides code: externs, weak and hidden symbols, tags, sections of one's own, kptrs, odd types. */
#define __tag(x) __attribute__((btf_decl_tag(x)))
#define __kptr __attribute__((btf_type_tag("kptr")))
struct task_struct;
enum color { RED, GREEN = 5, BLUE = -1 };
enum wide : __u64 { HUGE_VALUE = 0x123456789aULL, SMALL = 1 };
typedef __u32 id_t2 __tag("typedef");
struct value { struct task_struct __kptr *task; enum color color; enum wide wide; id_t2 id; volatile const int *p; char name[8][4]; int (*fn)(int, char *); struct { int x : 5; unsigned y : 27; }; _Bool flag; long double *ld; __int128 big; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 4); __type(key, struct { int a; short b; }); __type(value, struct value); __uint(map_flags, BPF_F_NO_PREALLOC); } odd SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, long); } percpu_like SEC(".maps");

extern int CONFIG_HZ __kconfig __weak;
extern const int missing_var __ksym __weak;
int data_in_custom SEC(".data.mine") = 7;
static int zero_in_custom SEC(".bss.mine");
const int ro_in_custom SEC(".rodata.mine") = 9;
__hidden int concealed_counter = 3;
__weak int weak_value = 11;
int common_value;
static struct { int a; const char *s; int *p; } linked = { 1, "text", &common_value };
__u8 bytes[3] = { 1, 2, 3 };
__int128 wide_value = 5;
long __tag("one") __tag("two") tagged;

__weak __noinline int weak_function(int x) { return x + weak_value; }
__hidden __noinline int hidden_function(int x __tag("arg")) { return x * concealed_counter; }
static __noinline int static_function(struct value *v, enum color c) { return v ? v->color == c : -1; }
__noinline __tag("fn") int global_function(const struct __sk_buff *skb, int n) { return n * 2; }

SEC("tc") int uses_all(struct __sk_buff *skb) {
	struct { int a; short b; } key = { 1, 2 };
	struct value *v = bpf_map_lookup_elem(&odd, &key);
	data_in_custom++; zero_in_custom += ro_in_custom; common_value += linked.a; bytes[1]++; tagged ^= wide_value;
	return weak_function(1) + hidden_function(2) + static_function(v, GREEN) + global_function(skb, 4) + (linked.s != 0) + CONFIG_HZ;
}
SEC("tc") int weak_var(struct __sk_buff *skb) { return &missing_var ? 5 : 6; }
SEC("tc") int five_bytes(struct __sk_buff *skb) { struct { __u8 a; __u32 b; } __attribute__((packed)) s = { skb->mark, skb->len }; __u64 v = 0; __builtin_memcpy(&v, &s, 5); return v >> 8; }
SEC("?tc") int optional(struct __sk_buff *skb) { return skb->len; }
char LICENSE[] SEC("license") = "Dual BSD/GPL";
