/* "map_value_update_elem can either return EBUSY if timer_list != NULL or it can del_timer() before updating the whole
 * value. Both choices can be expressed with flags." Here they are, side by side. */
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

static int timer_cb(struct map_elem *elem)
{
    elem->stuff = -1;
    return 0;
}

SEC("xdp")
int arm(struct xdp_md *ctx)
{
    struct map_elem *val;
    int key = ctx->rx_queue_index;

    val = bpf_map_lookup_elem(&hmap, &key);
    if (!val)
        return XDP_ABORTED;
    bpf_timer_init(&val->timer, timer_cb, 0);
    bpf_timer_mod(&val->timer, bpf_jiffies64() + 10);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
