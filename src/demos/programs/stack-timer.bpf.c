/* Cong Wang's bad_ebpf_code(): a timer on the stack. "End of BPF program: now the timer is leaked." The answer was
 * that the verifier refuses it, because a timer has to be part of a map element. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_timer_rfc.h>

static int timer_cb(void *elem)
{
    *(volatile int *)elem += 1;
    return 0;
}

SEC("xdp")
int bad_ebpf_code(struct xdp_md *ctx)
{
    struct bpf_timer t;
    bpf_timer_init(&t, timer_cb, 0); // allocate a timer
    bpf_timer_mod(&t, bpf_jiffies64() + 2);
    // end of BPF program
    // now the timer is leaked, no one will delete it
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
