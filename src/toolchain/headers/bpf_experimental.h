/* Kfuncs that Linux's own tests declare in a header of this name. Here: work queues of map elements (Linux 6.10 and later). */
#ifndef PLAYGROUND_BPF_EXPERIMENTAL_H
#define PLAYGROUND_BPF_EXPERIMENTAL_H

#include <bpf/bpf_helpers.h>

/* 0, -EBUSY (there is one already), -EPERM (no process and no pin holds the map), -ENOMEM; flags must be 0. */
extern int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) __weak __ksym;
/* The callback gets map, key and value, may sleep, and returns 0. */
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (callback_fn)(void *map, int *key, void *value),
                                    unsigned int flags, void *aux__ign) __weak __ksym;
/* Queues the work for the worker of this CPU; nothing more happens while it is queued. */
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __weak __ksym;

#define bpf_wq_set_callback(wq, cb, flags) bpf_wq_set_callback_impl(wq, (void *)(cb), flags, NULL)

#endif
