/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_BPF_PERF_EVENT_H
#define PLAYGROUND_LINUX_BPF_PERF_EVENT_H

#include <linux/ptrace.h>
#include <linux/types.h>

struct bpf_perf_event_data {
    struct pt_regs regs;
    __u64 sample_period;
    __u64 addr;
};

#endif
