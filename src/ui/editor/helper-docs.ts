/** What the editor says of a helper: prototype and one or two sentences of our own. */
export interface HelperDoc {
  /** With the prefix `bpf_`. */
  readonly name: string;
  /** As C declares it. */
  readonly prototype: string;
  readonly summary: string;
  /** Dialect that offers it; null for both. */
  readonly dialect: "linux" | "rfc" | null;
}

/** Columns: result, name without `bpf_`, parameters, summary. Errors are those that a program can meet here. */
const TABLE = `
void * | map_lookup_elem | void *map, const void *key | The address of the value in the map, or NULL. Check it before use; the value may be changed by others at any time.
long | map_update_elem | void *map, const void *key, const void *value, __u64 flags | Sets an element. BPF_ANY, BPF_NOEXIST (-EEXIST), BPF_EXIST (-ENOENT); -E2BIG when a hash is full.
long | map_delete_elem | void *map, const void *key | Removes an element, -ENOENT when there is none. A timer in it is cancelled and freed.
__u64 | ktime_get_ns | void | Nanoseconds of CLOCK_MONOTONIC.
__u64 | ktime_get_boot_ns | void | Nanoseconds since boot, suspended time included.
__u64 | ktime_get_coarse_ns | void | CLOCK_MONOTONIC as of the last tick.
__u64 | ktime_get_tai_ns | void | Nanoseconds of CLOCK_TAI.
__u64 | jiffies64 | void | The tick count; HZ of them make a second.
long | trace_printk | const char *fmt, __u32 fmt_size, ... | Prints to the trace with up to three arguments. Usually written bpf_printk.
__u32 | get_prandom_u32 | void | A pseudo-random number; here from the snippet's seed.
__u32 | get_smp_processor_id | void | The CPU that runs the program.
long | get_numa_node_id | void | The memory node of this CPU.
__u64 | get_current_pid_tgid | void | tgid in the upper, pid in the lower 32 bits.
__u64 | get_current_uid_gid | void | gid in the upper, uid in the lower 32 bits.
long | get_current_comm | void *buf, __u32 size_of_buf | The name of the current task.
long | tail_call | void *ctx, void *prog_array, __u32 index | Goes on in another program and never returns; falls through when the entry is empty or 33 calls are spent.
long | redirect | __u32 ifindex, __u64 flags | Sends the packet out of another interface; return its result.
long | redirect_map | void *map, __u64 key, __u64 flags | Sends the packet where the map's entry says.
long | csum_diff | __be32 *from, __u32 from_size, __be32 *to, __u32 to_size, __wsum seed | Difference of two checksums.
long | xdp_adjust_head | struct xdp_md *ctx, int delta | Moves the start of the packet. Packet pointers must be checked again.
long | xdp_adjust_meta | struct xdp_md *ctx, int delta | Moves the start of the metadata before the packet.
long | xdp_adjust_tail | struct xdp_md *ctx, int delta | Moves the end of the packet.
long | xdp_load_bytes | struct xdp_md *ctx, __u32 offset, void *buf, __u32 len | Copies from a packet, also one of several buffers.
long | xdp_store_bytes | struct xdp_md *ctx, __u32 offset, void *buf, __u32 len | Copies into a packet, also one of several buffers.
__u64 | xdp_get_buff_len | struct xdp_md *ctx | Length of the packet, all buffers together.
long | skb_load_bytes | const void *ctx, __u32 offset, void *to, __u32 len | Copies from the packet into memory.
long | skb_store_bytes | struct __sk_buff *ctx, __u32 offset, const void *from, __u32 len, __u64 flags | Copies memory into the packet. Packet pointers must be checked again.
long | skb_pull_data | struct __sk_buff *ctx, __u32 len | Makes the first bytes directly readable.
long | skb_change_tail | struct __sk_buff *ctx, __u32 len, __u64 flags | Changes the length of the packet.
long | skb_change_head | struct __sk_buff *ctx, __u32 len, __u64 flags | Grows the room before the packet.
long | skb_adjust_room | struct __sk_buff *ctx, __s32 len_diff, __u32 mode, __u64 flags | Grows or shrinks room inside the headers.
long | clone_redirect | struct __sk_buff *ctx, __u32 ifindex, __u64 flags | Sends a copy of the packet elsewhere.
long | perf_event_output | void *ctx, void *map, __u64 flags, void *data, __u64 size | Writes a sample to a perf event of the map.
void | spin_lock | struct bpf_spin_lock *lock | Takes the lock of a map value. One at a time, no helper call while it is held.
void | spin_unlock | struct bpf_spin_lock *lock | Gives the lock back; required on every path.
long | map_push_elem | void *map, const void *value, __u64 flags | Adds to a queue or stack; -E2BIG when full unless BPF_EXIST drops the oldest.
long | map_pop_elem | void *map, void *value | Takes from a queue or stack; -ENOENT when empty.
long | map_peek_elem | void *map, void *value | Reads the next of a queue or stack without taking it.
void * | map_lookup_percpu_elem | void *map, const void *key, __u32 cpu | The value of another CPU, or NULL.
long | for_each_map_elem | void *map, void *callback_fn, void *callback_ctx, __u64 flags | Calls a function for every element until it returns 1; the result is how many were visited.
long | loop | __u32 nr_loops, void *callback_fn, void *callback_ctx, __u64 flags | Calls a function with 0, 1, 2 … until it returns 1 or nr_loops are done.
void * | ringbuf_reserve | void *ringbuf, __u64 size, __u64 flags | Room for a record, or NULL. It must be submitted or discarded on every path.
void | ringbuf_submit | void *data, __u64 flags | Makes a reserved record visible to the reader.
void | ringbuf_discard | void *data, __u64 flags | Throws a reserved record away.
long | ringbuf_output | void *ringbuf, void *data, __u64 size, __u64 flags | Copies a record into the ring buffer; -EAGAIN when there is no room.
__u64 | ringbuf_query | void *ringbuf, __u64 flags | Size, positions or unread bytes of a ring buffer.
long | snprintf | char *str, __u32 str_size, const char *fmt, __u64 *data, __u32 data_len | Formats into memory; the format must be constant.
long | trace_vprintk | const char *fmt, __u32 fmt_size, const void *data, __u32 data_len | Prints to the trace with more than three arguments.
long | strtol | const char *buf, unsigned long buf_len, __u64 flags, long *res | Reads a number from text; the result is how many characters it took.
long | strtoul | const char *buf, unsigned long buf_len, __u64 flags, unsigned long *res | Reads an unsigned number from text.
long | strncmp | const char *s1, __u32 s1_sz, const char *s2 | Compares with a constant string.
void * | per_cpu_ptr | const void *percpu_ptr, __u32 cpu | The variable of a CPU, or NULL.
void * | this_cpu_ptr | const void *percpu_ptr | The variable of this CPU.
long | probe_read | void *dst, __u32 size, const void *unsafe_ptr | Reads kernel memory without faulting.
long | probe_read_kernel | void *dst, __u32 size, const void *unsafe_ptr | Reads kernel memory without faulting.
long | probe_read_user | void *dst, __u32 size, const void *unsafe_ptr | Reads user memory without faulting.
long | probe_read_kernel_str | void *dst, __u32 size, const void *unsafe_ptr | Reads a string; the result is its length with the final zero.
long | copy_from_user | void *dst, __u32 size, const void *user_ptr | Reads user memory and may sleep: sleepable programs only.
struct bpf_sock * | sk_lookup_tcp | void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags | Finds a TCP socket and takes a reference, or NULL. Release it on every path.
struct bpf_sock * | sk_lookup_udp | void *ctx, struct bpf_sock_tuple *tuple, __u32 tuple_size, __u64 netns, __u64 flags | Finds a UDP socket and takes a reference, or NULL. Release it on every path.
long | sk_release | void *sock | Gives the reference of a lookup back.
__u64 | get_socket_cookie | void *ctx | A number that names the socket for its life.
__u64 | get_current_cgroup_id | void | The cgroup of the current task.
void * | kptr_xchg | void *dst, void *ptr | Exchanges a kernel pointer in a map value; the old one must be released.
long | dynptr_from_mem | void *data, __u32 size, __u64 flags, struct bpf_dynptr *ptr | A dynptr over memory of a map value.
long | dynptr_read | void *dst, __u32 len, const struct bpf_dynptr *src, __u32 offset, __u64 flags | Copies out of a dynptr; -E2BIG beyond its end.
long | dynptr_write | const struct bpf_dynptr *dst, __u32 offset, void *src, __u32 len, __u64 flags | Copies into a dynptr; -E2BIG beyond its end.
void * | dynptr_data | const struct bpf_dynptr *ptr, __u32 offset, __u32 len | The address of a constant slice, or NULL.
long | ringbuf_reserve_dynptr | void *ringbuf, __u32 size, __u64 flags, struct bpf_dynptr *ptr | Room of a size known only at run time. Submit or discard it even after an error.
void | ringbuf_submit_dynptr | struct bpf_dynptr *ptr, __u64 flags | Makes the record visible to the reader.
void | ringbuf_discard_dynptr | struct bpf_dynptr *ptr, __u64 flags | Throws the record away.
long | user_ringbuf_drain | void *map, void *callback_fn, void *ctx, __u64 flags | Calls a function for each record that user space wrote.
`;

const LINUX = `
long | timer_init | struct bpf_timer *timer, struct bpf_map *map, __u64 flags | Makes the timer of a map value, on the clock that flags name. -EBUSY when it is there already, -EPERM when no process holds the map any more.
long | timer_set_callback | struct bpf_timer *timer, void *callback_fn | What to call: static int cb(void *map, int *key, struct value *value), returning 0. -EINVAL before init.
long | timer_start | struct bpf_timer *timer, __u64 nsecs, __u64 flags | Arms the timer, nsecs from now; BPF_F_TIMER_ABS for an absolute time, BPF_F_TIMER_CPU_PIN to stay on this CPU. -EINVAL without callback.
long | timer_cancel | struct bpf_timer *timer | Disarms and waits for a running callback. 1 when it was armed, else 0; -EDEADLK from its own callback.
`;

const RFC = `
long | timer_init | struct bpf_timer *timer, void *callback_fn, __u64 flags | Makes the timer of a map value with its callback: static int cb(struct value *elem). -EBUSY when it is there already.
long | timer_mod | struct bpf_timer *timer, __u64 expires | Arms or moves the timer to an absolute jiffy: bpf_jiffies64() + n. -EINVAL before init.
long | timer_del | struct bpf_timer *timer | Disarms the timer; it stays initialised. -EINVAL before init.
`;

function rows(table: string, dialect: HelperDoc["dialect"]): HelperDoc[] {
  return table
    .trim()
    .split("\n")
    .map((line) => {
      const [result = "", short = "", parameters = "", ...rest] = line.split("|").map((cell) => cell.trim());
      const name = `bpf_${short}`;
      return {
        name,
        prototype: `${result}${result.endsWith("*") ? "" : " "}${name}(${parameters})`,
        summary: rest.join("|"),
        dialect,
      };
    });
}

export const HELPER_DOCS: readonly HelperDoc[] = [...rows(LINUX, "linux"), ...rows(RFC, "rfc"), ...rows(TABLE, null)];

/** The dialect that a source's includes choose. */
export const dialectOf = (source: string): "linux" | "rfc" =>
  source.includes("bpf/bpf_timer_rfc.h") ? "rfc" : "linux";

export function helperDoc(name: string, dialect: "linux" | "rfc"): HelperDoc | null {
  return HELPER_DOCS.find((doc) => doc.name === name && (doc.dialect === null || doc.dialect === dialect)) ?? null;
}

/** Parameters of a prototype, as written. */
export function parametersOf(doc: HelperDoc): readonly string[] {
  const inside = /\((.*)\)$/.exec(doc.prototype)?.[1] ?? "";
  return inside === "void" || inside === "" ? [] : inside.split(",").map((p) => p.trim());
}
