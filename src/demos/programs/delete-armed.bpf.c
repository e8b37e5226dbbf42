/* Deleting an element deletes its timer, armed or not; its memory goes with the element after a grace period (T9). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct session {
    __u64 packets;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct session);
} sessions SEC(".maps");

int fired;

static int expire(void *map, __u32 *key, struct session *session)
{
    fired++;
    bpf_map_delete_elem(&sessions, key);
    return 0;
}

SEC("tc")
int open_session(struct __sk_buff *skb)
{
    struct session fresh = {}, *session;
    __u32 key = skb->mark;

    bpf_map_update_elem(&sessions, &key, &fresh, BPF_NOEXIST);
    session = bpf_map_lookup_elem(&sessions, &key);
    if (!session)
        return 0;
    session->packets++;
    bpf_timer_init(&session->timer, &sessions, 1 /* CLOCK_MONOTONIC */);
    bpf_timer_set_callback(&session->timer, expire);
    bpf_timer_start(&session->timer, 20 * 1000 * 1000, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
