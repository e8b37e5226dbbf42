#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Atomics without order, on which llc stops: they are plain loads and stores. */
SEC("syscall") int atomics_relaxed(__u64 *p) { __atomic_fetch_add(p, 2, __ATOMIC_RELAXED); __u64 v = __atomic_load_n(p, __ATOMIC_RELAXED); __atomic_store_n(p + 1, v, __ATOMIC_RELAXED); return v; }
SEC("syscall") int fences(__u32 *p) { __u32 a = p[0]; __sync_synchronize(); __atomic_signal_fence(5); p[2] = a; return a - p[1]; }

char LICENSE[] SEC("license") = "GPL";
