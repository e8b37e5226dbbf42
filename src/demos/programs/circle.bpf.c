/* "More so prog must not be refcnted otherwise it's a circular dependency between progs and maps." Policy refcount
 * takes that reference all the same: prog -> map -> element -> timer -> prog. Close every fd, and nothing can ever be
 * freed. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

struct map_elem {
    int ticks;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, int);
    __type(value, struct map_elem);
} hmap SEC(".maps");

static int tick(struct map_elem *elem)
{
    elem->ticks++;
    bpf_timer_mod(&elem->timer, bpf_jiffies64() + 5);
    return 0;
}

SEC("xdp")
int arm(struct xdp_md *ctx)
{
    struct map_elem fresh = {}, *val;
    int key = 0;

    bpf_map_update_elem(&hmap, &key, &fresh, BPF_NOEXIST);
    val = bpf_map_lookup_elem(&hmap, &key);
    if (!val)
        return XDP_ABORTED;
    bpf_timer_init(&val->timer, tick, 0);
    bpf_timer_mod(&val->timer, bpf_jiffies64() + 5);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
