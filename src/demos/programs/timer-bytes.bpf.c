/* The 8 bytes of a timer hold a kernel pointer. A program may neither read nor write them; the verifier sees to that
 * as it does for bpf_spin_lock. Run unverified, this program copies the pointer to where user space can read it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

struct map_elem {
    __u64 leaked;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct map_elem);
} elems SEC(".maps");

static int timer_cb(struct map_elem *elem)
{
    return 0;
}

SEC("xdp")
int peek(struct xdp_md *ctx)
{
    struct map_elem *val;
    int key = 0;

    val = bpf_map_lookup_elem(&elems, &key);
    if (!val)
        return XDP_ABORTED;
    bpf_timer_init(&val->timer, timer_cb, 0);
    val->leaked = *(volatile __u64 *)&val->timer;
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
