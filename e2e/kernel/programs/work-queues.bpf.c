/* What work queues answer and do, written into maps so that two kernels can be compared. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf_experimental.h"

struct elem {
    __u64 runs;
    __u64 again;
    struct bpf_wq work;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 6);
    __type(key, int);
    __type(value, struct elem);
} arr SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8);
    __type(key, int);
    __type(value, struct elem);
} table SEC(".maps");

struct out {
    __s64 errnos[16];
    __s64 gone[8];
    __u64 order;
    __u64 calls;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct out);
} outs SEC(".maps");

static __always_inline struct out *out(void)
{
    int zero = 0;

    return bpf_map_lookup_elem(&outs, &zero);
}

static int note(void *map, int *key, struct elem *elem)
{
    struct out *o = out();

    elem->runs++;
    if (o) {
        o->order = o->order * 10 + *key;
        o->calls++;
    }
    if (elem->again) {
        elem->again--;
        bpf_wq_start(&elem->work, 0);
        bpf_wq_start(&elem->work, 0);
    }
    return 0;
}

static int vanish(void *map, int *key, struct elem *elem)
{
    struct out *o = out();

    if (!o)
        return 0;
    o->calls++;
    o->gone[0] = bpf_map_delete_elem(&table, key);
    o->gone[1] = bpf_wq_start(&elem->work, 0);
    return 0;
}

static int expire(void *map, int *key, struct elem *elem)
{
    bpf_wq_start(&elem->work, 0);
    return 0;
}

SEC("tc")
int errnos(struct __sk_buff *skb)
{
    int key = 0;
    struct elem *e = bpf_map_lookup_elem(&arr, &key);
    struct out *o = out();

    if (!e || !o)
        return 1;
    o->errnos[0] = bpf_wq_start(&e->work, 0);
    o->errnos[1] = bpf_wq_set_callback(&e->work, note, 0);
    o->errnos[2] = bpf_wq_init(&e->work, &arr, 1);
    o->errnos[3] = bpf_wq_init(&e->work, &arr, 0);
    o->errnos[4] = bpf_wq_init(&e->work, &arr, 0);
    o->errnos[5] = bpf_wq_start(&e->work, 0);
    o->errnos[6] = bpf_wq_set_callback(&e->work, note, 1);
    o->errnos[7] = bpf_wq_set_callback(&e->work, note, 0);
    o->errnos[8] = bpf_wq_start(&e->work, 1);
    o->errnos[9] = bpf_wq_start(&e->work, 0);
    o->errnos[10] = bpf_wq_start(&e->work, 0);
    o->errnos[11] = bpf_wq_init(&e->work, &arr, 7);
    return 0;
}

SEC("tc")
int three(struct __sk_buff *skb)
{
    int keys[3] = {3, 1, 2};

    for (int i = 0; i < 3; i++) {
        int key = keys[i];
        struct elem *e = bpf_map_lookup_elem(&arr, &key);

        if (!e || bpf_wq_init(&e->work, &arr, 0) || bpf_wq_set_callback(&e->work, note, 0))
            return 1;
        bpf_wq_start(&e->work, 0);
    }
    return 0;
}

SEC("tc")
int repeats(struct __sk_buff *skb)
{
    int key = 4;
    struct elem *e = bpf_map_lookup_elem(&arr, &key);

    if (!e || bpf_wq_init(&e->work, &arr, 0) || bpf_wq_set_callback(&e->work, note, 0))
        return 1;
    e->again = 5;
    return bpf_wq_start(&e->work, 0);
}

SEC("tc")
int by_timer(struct __sk_buff *skb)
{
    int key = 5;
    struct elem *e = bpf_map_lookup_elem(&arr, &key);

    if (!e || bpf_wq_init(&e->work, &arr, 0) || bpf_wq_set_callback(&e->work, note, 0))
        return 1;
    if (bpf_timer_init(&e->timer, &arr, 1) || bpf_timer_set_callback(&e->timer, expire))
        return 2;
    return bpf_timer_start(&e->timer, 1000000, 0);
}

SEC("tc")
int vanishes(struct __sk_buff *skb)
{
    int key = skb->mark;
    struct elem fresh = {}, *e;

    bpf_map_update_elem(&table, &key, &fresh, 0);
    e = bpf_map_lookup_elem(&table, &key);
    if (!e || bpf_wq_init(&e->work, &table, 0) || bpf_wq_set_callback(&e->work, vanish, 0))
        return 1;
    return bpf_wq_start(&e->work, 0);
}

/* Deleted before the worker has woken up: nothing is called. */
SEC("tc")
int too_late(struct __sk_buff *skb)
{
    int key = 7;
    struct elem fresh = {}, *e;
    struct out *o = out();

    bpf_map_update_elem(&table, &key, &fresh, 0);
    e = bpf_map_lookup_elem(&table, &key);
    if (!e || !o || bpf_wq_init(&e->work, &table, 0) || bpf_wq_set_callback(&e->work, vanish, 0))
        return 1;
    o->gone[2] = bpf_wq_start(&e->work, 0);
    o->gone[3] = bpf_map_delete_elem(&table, &key);
    o->gone[4] = bpf_wq_start(&e->work, 0);
    o->gone[5] = bpf_wq_set_callback(&e->work, vanish, 0);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
