/* A timer's callback runs in softirq context: it may not sleep. What may take its time is handed to a bpf_wq (Linux 6.10),
 * whose callback a thread of the kernel runs later on the same CPU. Move the call of bpf_copy_from_user into `deadline`
 * to see what the verifier says. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf_experimental.h"

#define CLOCK_MONOTONIC 1
#define DELAY_NS (5ULL * 1000 * 1000)

struct batch {
    __u64 waiting;
    __u64 flushed;
    __u64 flushes;
    __s64 result;
    char worker[8];
    struct bpf_timer timer;
    struct bpf_wq work;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, struct batch);
} batches SEC(".maps");

int deadlines;

/* In a kworker: a thread that may sleep. It has no user memory, so that the copy fails, but it may ask. */
static int flush(void *map, __u32 *key, struct batch *batch)
{
    __u64 word;

    bpf_get_current_comm(batch->worker, sizeof(batch->worker));
    batch->result = bpf_copy_from_user(&word, sizeof(word), NULL);
    batch->flushed += batch->waiting;
    batch->waiting = 0;
    batch->flushes++;
    return 0;
}

/* In the timer softirq, on top of whatever ran on this CPU: two starts, one run. */
static int deadline(void *map, __u32 *key, struct batch *batch)
{
    deadlines++;
    bpf_wq_start(&batch->work, 0);
    bpf_wq_start(&batch->work, 0);
    return 0;
}

SEC("tc")
int collect(struct __sk_buff *skb)
{
    struct batch fresh = {}, *batch;
    __u32 key = skb->mark;

    bpf_map_update_elem(&batches, &key, &fresh, BPF_NOEXIST);
    batch = bpf_map_lookup_elem(&batches, &key);
    if (!batch)
        return 0;
    if (bpf_timer_init(&batch->timer, &batches, CLOCK_MONOTONIC) == 0) {
        bpf_timer_set_callback(&batch->timer, deadline);
        bpf_wq_init(&batch->work, &batches, 0);
        bpf_wq_set_callback(&batch->work, flush, 0);
    }
    if (batch->waiting++ == 0)
        bpf_timer_start(&batch->timer, DELAY_NS, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
