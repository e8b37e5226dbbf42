/* "There could be other ways to solve it (like prog_array and ref/uref) ... the api became unpleasant and not user
 * friendly. Not going to repeat the same mistake again." A prog_array loses its entries when its last user reference
 * goes. Linux 5.15 then took exactly that way for timers. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} jumps SEC(".maps");

SEC("xdp")
int target(struct xdp_md *ctx)
{
    return XDP_DROP;
}

SEC("xdp")
int entry(struct xdp_md *ctx)
{
    bpf_tail_call(ctx, &jumps, 0);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
