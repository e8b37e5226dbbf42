/* The return codes of the proposal: init twice is -EBUSY, mod and del before init are -EINVAL, and del does not clear
 * the timer: initialised stays initialised. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

struct map_elem {
    int stuff;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, struct map_elem);
} hmap SEC(".maps");

int mod_before_init, del_before_init, first_init, second_init, first_del, init_after_del;

static int timer_cb(struct map_elem *elem)
{
    return 0;
}

SEC("xdp")
int codes(struct xdp_md *ctx)
{
    struct map_elem *val;
    int key = 1;

    val = bpf_map_lookup_elem(&hmap, &key);
    if (!val)
        return XDP_ABORTED;
    mod_before_init = bpf_timer_mod(&val->timer, bpf_jiffies64() + 5);
    del_before_init = bpf_timer_del(&val->timer);
    first_init = bpf_timer_init(&val->timer, timer_cb, 0);
    second_init = bpf_timer_init(&val->timer, timer_cb, 0);
    bpf_timer_mod(&val->timer, bpf_jiffies64() + 5);
    first_del = bpf_timer_del(&val->timer);
    init_after_del = bpf_timer_init(&val->timer, timer_cb, 0);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
