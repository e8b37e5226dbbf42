/* SPDX-License-Identifier: MIT */
/*
 * Timers as proposed on the mailing list in April 2021: set up with a callback, armed with an absolute time in
 * jiffies, kept in a map element of 8 bytes. An object made with this header carries the mark of dialect `rfc`.
 *
 * The playground's compiler includes this header before everything else when a program names it anywhere, so that it
 * may stand behind <linux/bpf.h>. With another compiler it has to come first.
 */
#ifndef PLAYGROUND_BPF_TIMER_RFC_H
#define PLAYGROUND_BPF_TIMER_RFC_H

#ifdef PLAYGROUND_TIMER_DIALECT
#error "a program speaks one dialect of the timer API: <bpf/bpf_timer_rfc.h> or <bpf/bpf_timer_map.h>"
#endif
#ifdef PLAYGROUND_BITS_BPF_TYPES_H
#error "<bpf/bpf_timer_rfc.h> has to be included before <linux/bpf.h>: it brings another struct bpf_timer"
#endif
#define PLAYGROUND_TIMER_DIALECT
#define PLAYGROUND_TIMER_DIALECT_RFC

#include <linux/types.h>

struct bpf_timer {
    __u64 opaque;
};

#include <bpf/bpf_helpers.h>

/*
 * Sets a timer up. `callback` is a function of this program, called with the map element that the timer is part of.
 * 0; -EBUSY when it is set up already.
 */
static long (*const bpf_timer_init)(struct bpf_timer *timer, void *callback, int flags) = (void *)0x10000;
/* Arms it, or moves it, to `expires` jiffies. 0 or 1 as mod_timer() says; -EINVAL before bpf_timer_init(). */
static long (*const bpf_timer_mod)(struct bpf_timer *timer, __u64 expires) = (void *)0x10001;
/* Disarms it; it stays set up. 0 or 1 as del_timer() says; -EINVAL before bpf_timer_init(). */
static long (*const bpf_timer_del)(struct bpf_timer *timer) = (void *)0x10002;

/* Update of an element whose timer is set up: refuse with -EBUSY, or cancel the timer first (the default in words). */
enum {
    BPF_F_TIMER_BUSY = 0x100,
    BPF_F_TIMER_CANCEL = 0x200,
};

static const char __bpf_timer_dialect[] __attribute__((section(".bpf_timer_dialect"), used)) = "rfc";

#endif
