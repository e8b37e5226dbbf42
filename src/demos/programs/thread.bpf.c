/* The program of the thread (Alexei Starovoitov, 12 April 2021). Its API lines are untouched; what the mail leaves
 * open is supplied above it: names, a context, a section. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

#define whatever   1
#define flags      0
#define expires    (bpf_jiffies64() + 3)
#define new_expire (bpf_jiffies64() + 4)

struct map_elem {
    int stuff;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct map_elem);
} hmap SEC(".maps");

static int timer_cb(struct map_elem *elem)
{
    elem->stuff++;
    if (whatever && elem->stuff)
        bpf_timer_mod(&elem->timer, new_expire);
    return 0;
}

SEC("xdp")
int bpf_timer_test(struct xdp_md *ctx)
{
    struct map_elem *val;
    int key = 0;

    val = bpf_map_lookup_elem(&hmap, &key);
    if (val) {
        bpf_timer_init(&val->timer, timer_cb, flags);
        val->stuff = 123;
        bpf_timer_mod(&val->timer, expires);
    }
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
