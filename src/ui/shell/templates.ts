/** Programs to begin with, in C and in assembly. */
export interface Template {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  readonly file: string;
  readonly program: string;
  readonly script: string;
}

const C = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define CLOCK_MONOTONIC 1

struct elem {
    __u64 ticks;
    struct bpf_timer timer;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct elem);
} elems SEC(".maps");

static int tick(void *map, int *key, struct elem *elem)
{
    elem->ticks++;
    bpf_timer_start(&elem->timer, 10000000, 0);
    return 0;
}

SEC("xdp")
int arm(struct xdp_md *ctx)
{
    int key = 0;
    struct elem *elem = bpf_map_lookup_elem(&elems, &key);

    if (!elem)
        return XDP_ABORTED;
    bpf_timer_init(&elem->timer, &elems, CLOCK_MONOTONIC);
    bpf_timer_set_callback(&elem->timer, tick);
    bpf_timer_start(&elem->timer, 10000000, 0);
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
`;

const ASSEMBLY = `license "GPL"

struct elem {
    u64 ticks;
    struct bpf_timer timer;
};

map elems { type: array; key: u32; value: struct elem; max_entries: 1 }

static int tick(void *map, u32 *key, struct elem *elem):
    r1 = *(u64 *)(r3 + 0)
    r1 += 1
    *(u64 *)(r3 + 0) = r1
    r1 = r3
    r1 += 8
    r2 = 10000000
    r3 = 0
    call bpf_timer_start
    r0 = 0
    exit

SEC("xdp")
int arm(struct xdp_md *ctx):
    *(u32 *)(r10 - 4) = 0
    r1 = elems ll
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r6 = r0
    r6 += 8
    r1 = r6
    r2 = elems ll
    r3 = 1                  // CLOCK_MONOTONIC
    call bpf_timer_init
    r1 = r6
    r2 = tick ll
    call bpf_timer_set_callback
    r1 = r6
    r2 = 10000000
    r3 = 0
    call bpf_timer_start
out:
    r0 = 2
    exit
`;

const SCRIPT = "prog run arm\nadvance 35ms\nexpect map elems[0].ticks == 3\n";

export const TEMPLATES: readonly Template[] = [
  {
    id: "new-c",
    label: "A program in C",
    hint: "One timer that counts, with the released API",
    file: "program.bpf.c",
    program: C,
    script: SCRIPT,
  },
  {
    id: "new-s",
    label: "A program in assembly",
    hint: "The same, instruction by instruction",
    file: "program.bpf.s",
    program: ASSEMBLY,
    script: SCRIPT,
  },
];
