/** Small programs whose schedules are searched in tests, by name. */
export const RACE_PROGRAMS = {
  /** The thread's program, with a key per CPU. */
  rearm: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>
struct map_elem { int stuff; struct bpf_timer timer; };
struct {
  __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 2); __type(key, int); __type(value, struct map_elem);
} hmap SEC(".maps");
static int timer_cb(struct map_elem *elem)
{
  elem->stuff++;
  bpf_timer_mod(&elem->timer, bpf_jiffies64() + 4);
  return 0;
}
SEC("xdp") int arm(struct xdp_md *ctx)
{
  int key = ctx->rx_queue_index;
  struct map_elem *val = bpf_map_lookup_elem(&hmap, &key);
  if (!val) return XDP_ABORTED;
  bpf_timer_init(&val->timer, timer_cb, 0);
  bpf_timer_mod(&val->timer, bpf_jiffies64() + 3);
  return XDP_PASS;
}
char LICENSE[] SEC("license") = "GPL";
`,
  /** A counter without and with its lock, and one that only its callback and user space touch. */
  count: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct val { struct bpf_spin_lock lock; int hits; };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct val);
} stats SEC(".maps");
SEC("tc") int bare(struct __sk_buff *ctx)
{
  int key = 0;
  struct val *v = bpf_map_lookup_elem(&stats, &key);
  if (v) v->hits++;
  return 0;
}
SEC("tc") int locked(struct __sk_buff *ctx)
{
  int key = 0;
  struct val *v = bpf_map_lookup_elem(&stats, &key);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  v->hits++;
  bpf_spin_unlock(&v->lock);
  return 0;
}
SEC("tc") int atomic(struct __sk_buff *ctx)
{
  int key = 0;
  struct val *v = bpf_map_lookup_elem(&stats, &key);
  if (v) __sync_fetch_and_add(&v->hits, 1);
  return 0;
}
char LICENSE[] SEC("license") = "GPL";
`,
  /** A value of an array, which an update writes in place. */
  inplace: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>
struct elem { int ticks; struct bpf_timer timer; };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct elem);
} elems SEC(".maps");
static int tick(struct elem *elem) { elem->ticks++; return 0; }
SEC("xdp") int arm(struct xdp_md *ctx)
{
  int key = 0;
  struct elem *e = bpf_map_lookup_elem(&elems, &key);
  if (!e) return XDP_ABORTED;
  bpf_timer_init(&e->timer, tick, 0);
  bpf_timer_mod(&e->timer, bpf_jiffies64() + 2);
  return XDP_PASS;
}
char LICENSE[] SEC("license") = "GPL";
`,
  /** A value of two words that belong together, read without and with its lock. */
  pair: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct val { struct bpf_spin_lock lock; int pad; long long a, b; };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, int); __type(value, struct val);
} pairs SEC(".maps");
SEC("tc") int check(struct __sk_buff *ctx)
{
  int key = 0;
  struct val *v = bpf_map_lookup_elem(&pairs, &key);
  return v && v->a != v->b;
}
SEC("tc") int check_locked(struct __sk_buff *ctx)
{
  int key = 0, torn;
  struct val *v = bpf_map_lookup_elem(&pairs, &key);
  if (!v) return 0;
  bpf_spin_lock(&v->lock);
  torn = v->a != v->b;
  bpf_spin_unlock(&v->lock);
  return torn;
}
char LICENSE[] SEC("license") = "GPL";
`,
  /** Two timers whose callbacks cancel each other. */
  mutual: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct elem { struct bpf_timer t; int fired; };
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, int); __type(value, struct elem);
} pair SEC(".maps");
static int cb(void *map, int *key, struct elem *val)
{
  int other = !*key;
  struct elem *o = bpf_map_lookup_elem(&pair, &other);
  val->fired = 1;
  if (o) bpf_timer_cancel(&o->t);
  return 0;
}
SEC("tc") int arm(struct __sk_buff *ctx)
{
  int key = ctx->mark;
  struct elem *e = bpf_map_lookup_elem(&pair, &key);
  if (!e) return 1;
  bpf_timer_init(&e->t, &pair, 1);
  bpf_timer_set_callback(&e->t, cb);
  return bpf_timer_start(&e->t, 1000000, 0);
}
char LICENSE[] SEC("license") = "GPL";
`,
  /** The patch under discussion: a map of timers, callbacks as programs. */
  timermap: `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_map.h>
struct {
  __uint(type, BPF_MAP_TYPE_TIMER); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64);
} timers SEC(".maps");
int ticks;
SEC("timer") int tick(void *ctx) { ticks++; return 0; }
char LICENSE[] SEC("license") = "GPL";
`,
} as const;
