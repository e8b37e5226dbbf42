/* What timers were wanted for: a flow table that ages by itself, with the API that was released in 5.15. Each packet
 * pushes the expiry of its flow ahead; a flow that falls silent deletes itself. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define CLOCK_MONOTONIC 1
#define IDLE_NS (30ULL * 1000 * 1000)

struct flow_key {
    __u32 saddr;
    __u32 daddr;
};

struct flow {
    __u64 packets;
    __u64 bytes;
    __u64 last_seen;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct flow_key);
    __type(value, struct flow);
} flows SEC(".maps");

__u64 aged;

static int age(void *map, struct flow_key *key, struct flow *flow)
{
    bpf_printk("flow aged after %llu packets", flow->packets);
    aged++;
    bpf_map_delete_elem(&flows, key);
    return 0;
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
    void *data = (void *)(long)ctx->data;
    void *end = (void *)(long)ctx->data_end;
    struct ethhdr *eth = data;
    struct iphdr *ip = data + sizeof(*eth);
    struct flow fresh = {}, *flow;
    struct flow_key key = {};

    if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP))
        return XDP_PASS;
    key.saddr = ip->saddr;
    key.daddr = ip->daddr;

    flow = bpf_map_lookup_elem(&flows, &key);
    if (!flow) {
        bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST);
        flow = bpf_map_lookup_elem(&flows, &key);
        if (!flow)
            return XDP_PASS;
        bpf_timer_init(&flow->timer, &flows, CLOCK_MONOTONIC);
        bpf_timer_set_callback(&flow->timer, age);
    }
    flow->packets++;
    flow->bytes += end - data;
    flow->last_seen = bpf_ktime_get_ns();
    bpf_timer_start(&flow->timer, IDLE_NS, 0);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
