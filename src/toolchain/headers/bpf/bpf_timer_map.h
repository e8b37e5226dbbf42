/* SPDX-License-Identifier: MIT */
/*
 * Timers as the patch under discussion in April 2021 had them: a map whose keys are timer IDs and whose values are
 * expiries, with callbacks that are programs of their own, SEC("timer"). User space creates the timers. An object made
 * with this header carries the mark of dialect `timer-map`.
 */
#ifndef PLAYGROUND_BPF_TIMER_MAP_H
#define PLAYGROUND_BPF_TIMER_MAP_H

#ifdef PLAYGROUND_TIMER_DIALECT
#error "a program speaks one dialect of the timer API: <bpf/bpf_timer_rfc.h> or <bpf/bpf_timer_map.h>"
#endif
#ifdef PLAYGROUND_BPF_HELPER_DEFS_H
#error "<bpf/bpf_timer_map.h> has to be included before <bpf/bpf_helpers.h>"
#endif
#define PLAYGROUND_TIMER_DIALECT

#include <bpf/bpf_helpers.h>

/* No number of Linux's. */
#define BPF_MAP_TYPE_TIMER 0x10000

static const char __bpf_timer_dialect[] __attribute__((section(".bpf_timer_dialect"), used)) = "timer-map";

#endif
