/* "Try writing the following program" (Alexei Starovoitov): a spin lock on the stack is refused by the same rule. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int bad_ebpf_code(struct __sk_buff *skb)
{
    struct bpf_spin_lock t;
    bpf_spin_lock(&t);
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
