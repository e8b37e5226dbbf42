#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Maps, timers, locks, callbacks, global data. */
struct elem { int counter; struct bpf_timer timer; struct bpf_spin_lock lock; __u64 seen[4]; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 8); __type(key, int); __type(value, struct elem); } timers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, int); __type(value, struct elem); } cells SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 4); __uint(key_size, 4); __uint(value_size, 4); } tails SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __uint(max_entries, 16); __type(value, __u64); } queue SEC(".maps");
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64); } inner0 SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 2); __type(key, __u32); __array(values, struct inner); } outer SEC(".maps") = { .values = { &inner0 } };

__u64 total = 0, limit = 100;
const volatile __u32 mode = 3;
static __u32 hidden_count;
static const __u32 table[16] = { 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121, 144, 169, 196, 225, 256 };
struct point { __s16 x, y; } origin = { -3, 7 };
const char *names[] = { "idle", "busy" };

static int on_timer(void *map, int *key, struct elem *e) {
	e->counter++;
	if (e->counter < 5) bpf_timer_start(&e->timer, 1000000, 0);
	return 0;
}
SEC("tc") int arm(struct __sk_buff *skb) {
	int key = skb->mark & 7; struct elem init = {}, *e;
	bpf_map_update_elem(&timers, &key, &init, BPF_NOEXIST);
	e = bpf_map_lookup_elem(&timers, &key);
	if (!e) return 0;
	if (bpf_timer_init(&e->timer, &timers, 1)) return 1;
	bpf_timer_set_callback(&e->timer, on_timer);
	bpf_timer_start(&e->timer, 5000000, 0);
	return 0;
}
SEC("tc") int cancel(struct __sk_buff *skb) { int key = 1; struct elem *e = bpf_map_lookup_elem(&timers, &key); return e ? bpf_timer_cancel(&e->timer) : -1; }
SEC("tc") int locked(struct __sk_buff *skb) {
	int key = 0; struct elem *e = bpf_map_lookup_elem(&cells, &key); __u64 s = 0;
	if (!e) return 0;
	bpf_spin_lock(&e->lock); e->seen[skb->len & 3]++; for (int i = 0; i < 4; i++) s += e->seen[i]; bpf_spin_unlock(&e->lock);
	return s > 10;
}
struct event { __u32 kind; __u64 when; char text[12]; };
SEC("tc") int emit_event(struct __sk_buff *skb) {
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) return 0;
	e->kind = skb->protocol; e->when = bpf_ktime_get_ns(); __builtin_memset(e->text, 'x', 11); e->text[11] = 0;
	if (e->kind == 9) bpf_ringbuf_discard(e, 0); else bpf_ringbuf_submit(e, 0);
	return 0;
}
SEC("tc") int emit_output(struct __sk_buff *skb) { struct event e = { .kind = 2, .when = 3, .text = "hello" }; return bpf_ringbuf_output(&events, &e, sizeof(e), 0); }
SEC("tc") int jump(struct __sk_buff *skb) { bpf_tail_call(skb, &tails, skb->mark); return 7; }
SEC("tc") int push_pop(struct __sk_buff *skb) { __u64 v = skb->len, w = 0; bpf_map_push_elem(&queue, &v, 0); bpf_map_pop_elem(&queue, &w); return w == v; }
SEC("tc") int nested(struct __sk_buff *skb) {
	__u32 k = 0; void *m = bpf_map_lookup_elem(&outer, &k); if (!m) return 0;
	__u64 *v = bpf_map_lookup_elem(m, &k); if (!v) return 0;
	__sync_fetch_and_add(v, 2); return *v;
}
struct walk { __u64 sum; int n; };
static long each(struct bpf_map *map, const void *key, void *value, void *ctx) { struct walk *w = ctx; struct elem *e = value; w->sum += e->counter; w->n++; return w->n > 3; }
SEC("tc") int for_each(struct __sk_buff *skb) { struct walk w = {}; bpf_for_each_map_elem(&cells, each, &w, 0); return w.sum + w.n; }
static long body(__u32 i, void *ctx) { __u64 *s = ctx; *s += i * i; return i == 20; }
SEC("tc") int looped(struct __sk_buff *skb) { __u64 s = 0; bpf_loop(100, body, &s, 0); return s; }
SEC("tc") int globals(struct __sk_buff *skb) { total += skb->len; hidden_count++; if (total > limit) { limit *= 2; return table[skb->mark & 15] + mode; } origin.x += origin.y; return origin.x + hidden_count; }
SEC("tc") int printing(struct __sk_buff *skb) { bpf_printk("len %d mark %u", skb->len, skb->mark); bpf_printk("again %llx", total); return 0; }
SEC("tc") int delete_all(struct __sk_buff *skb) { for (int i = 0; i < 8; i++) bpf_map_delete_elem(&timers, &i); return 0; }
SEC("tc") int many_lookups(struct __sk_buff *skb) { int a = 0, b = 1, c = 2; struct elem *x = bpf_map_lookup_elem(&cells, &a), *y = bpf_map_lookup_elem(&cells, &b), *z = bpf_map_lookup_elem(&cells, &c); if (!x || !y || !z) return 0; x->counter = y->counter + z->counter; y->seen[0] = z->seen[1] ^ x->seen[2]; return x->counter; }
SEC("tc") int name_of(struct __sk_buff *skb) { return names[skb->mark & 1] != 0; }

char LICENSE[] SEC("license") = "GPL";
