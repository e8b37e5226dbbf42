/* "The callback can run concurrently with an update of the value, so a lock is needed." A packet and the timer of its
 * flow count in the same element: bare, and under the element's bpf_spin_lock. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CLOCK_MONOTONIC 1

struct flow {
    struct bpf_spin_lock lock;
    int count;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct flow);
} flows SEC(".maps");

static int tick(void *map, int *key, struct flow *flow)
{
    flow->count++;
    return 0;
}

static int tick_locked(void *map, int *key, struct flow *flow)
{
    bpf_spin_lock(&flow->lock);
    flow->count++;
    bpf_spin_unlock(&flow->lock);
    return 0;
}

static struct flow *lookup(void)
{
    int key = 0;

    return bpf_map_lookup_elem(&flows, &key);
}

SEC("tc")
int arm(struct __sk_buff *skb)
{
    struct flow *flow = lookup();

    if (!flow)
        return 1;
    bpf_timer_init(&flow->timer, &flows, CLOCK_MONOTONIC);
    bpf_timer_set_callback(&flow->timer, tick);
    return bpf_timer_start(&flow->timer, 1000000, 0);
}

SEC("tc")
int arm_locked(struct __sk_buff *skb)
{
    struct flow *flow = lookup();

    if (!flow)
        return 1;
    bpf_timer_init(&flow->timer, &flows, CLOCK_MONOTONIC);
    bpf_timer_set_callback(&flow->timer, tick_locked);
    return bpf_timer_start(&flow->timer, 1000000, 0);
}

SEC("tc")
int packet(struct __sk_buff *skb)
{
    struct flow *flow = lookup();

    if (flow)
        flow->count++;
    return 0;
}

SEC("tc")
int packet_locked(struct __sk_buff *skb)
{
    struct flow *flow = lookup();

    if (!flow)
        return 0;
    bpf_spin_lock(&flow->lock);
    flow->count++;
    bpf_spin_unlock(&flow->lock);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
