/* Who keeps the program loaded while its timer is armed? Under rfc nobody does: when the last reference to the program
 * goes, the kernel walks its maps and deletes every timer (T10). Under uref the timer itself holds the program, until
 * the last user reference of the map goes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

struct map_elem {
    int ticks;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, int);
    __type(value, struct map_elem);
} elems SEC(".maps");

static int tick(struct map_elem *elem)
{
    elem->ticks++;
    bpf_timer_mod(&elem->timer, bpf_jiffies64() + 2);
    return 0;
}

SEC("xdp")
int arm(struct xdp_md *ctx)
{
    struct map_elem *val;
    int key = ctx->rx_queue_index;

    val = bpf_map_lookup_elem(&elems, &key);
    if (!val)
        return XDP_ABORTED;
    bpf_timer_init(&val->timer, tick, 0);
    bpf_timer_mod(&val->timer, bpf_jiffies64() + 2);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
