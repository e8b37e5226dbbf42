/* SPDX-License-Identifier: MIT */
/* What BPF programs in C are written with: sections, map declarations, helpers and loops. */
#ifndef PLAYGROUND_BPF_HELPERS_H
#define PLAYGROUND_BPF_HELPERS_H

#include <bits/bpf-types.h>
#include <bpf/bpf_helper_defs.h>

/* Members of a map declaration: the loader reads them from the types, so no value is ever stored. */
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __ulong(name, val) enum { ___bpf_join(__unique_value, __COUNTER__) = val } name

#define ___bpf_join_(a, b) a##b
#define ___bpf_join(a, b) ___bpf_join_(a, b)

/* Puts a function or variable into an ELF section and keeps it although nothing in the file uses it. */
#define SEC(name) \
    _Pragma("GCC diagnostic push") \
    _Pragma("GCC diagnostic ignored \"-Wignored-attributes\"") \
    __attribute__((section(name), used)) \
    _Pragma("GCC diagnostic pop")

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#ifndef __hidden
#define __hidden __attribute__((visibility("hidden")))
#endif

/* Tags that reach the kernel through BTF. */
#define __kconfig __attribute__((section(".kconfig")))
#define __ksym __attribute__((section(".ksyms")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __percpu_kptr __attribute__((btf_type_tag("percpu_kptr")))
#define __uptr __attribute__((btf_type_tag("uptr")))
#define __arg_ctx __attribute__((btf_decl_tag("arg:ctx")))
#define __arg_nonnull __attribute((btf_decl_tag("arg:nonnull")))
#define __arg_nullable __attribute((btf_decl_tag("arg:nullable")))
#define __arg_trusted __attribute((btf_decl_tag("arg:trusted")))
#define __arg_untrusted __attribute((btf_decl_tag("arg:untrusted")))
#define __arg_arena __attribute((btf_decl_tag("arg:arena")))

#ifndef bpf_ksym_exists
#define bpf_ksym_exists(symbol) (!!(symbol))
#endif

#ifndef NULL
#define NULL ((void *)0)
#endif
#ifndef offsetof
#define offsetof(type, member) __builtin_offsetof(type, member)
#endif
#ifndef container_of
#define container_of(ptr, type, member) \
    ({ \
        void *__member = (void *)(ptr); \
        (type *)(__member - offsetof(type, member)); \
    })
#endif
#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif
#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* Memory and values as the compiler may not see through them. */
#ifndef barrier
#define barrier() asm volatile("" ::: "memory")
#endif
#ifndef barrier_var
#define barrier_var(variable) asm volatile("" : "+r"(variable))
#endif
#ifndef READ_ONCE
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#endif
#ifndef WRITE_ONCE
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#endif

#ifndef __bpf_unreachable
#define __bpf_unreachable() __builtin_trap()
#endif

/* A tail call whose index is known when compiling. */
static __always_inline void bpf_tail_call_static(void *ctx, const void *map, const __u32 slot)
{
#ifdef __OPTIMIZE__
    if (!__builtin_constant_p(slot))
        __bpf_unreachable();
    asm volatile("r1 = %[ctx]\n\t"
                 "r2 = %[map]\n\t"
                 "r3 = %[slot]\n\t"
                 "call 12"
                 :
                 : [ctx] "r"(ctx), [map] "r"(map), [slot] "i"(slot)
                 : "r0", "r1", "r2", "r3", "r4", "r5");
#else
    /* Without optimisation no parameter is a constant. */
    bpf_tail_call(ctx, (void *)map, slot);
#endif
}

/* Callbacks name it; its members are the kernel's. */
struct bpf_map;

enum libbpf_pin_type {
    LIBBPF_PIN_NONE,
    LIBBPF_PIN_BY_NAME,
};

enum libbpf_tristate {
    TRI_NO = 0,
    TRI_YES = 1,
    TRI_MODULE = 2,
};

/* How many arguments, 0 to 12, and each of them as a 64-bit value. */
#define ___bpf_pick_13(a, b, c, d, e, f, g, h, i, j, k, l, m, picked, ...) picked
#define ___bpf_count(...) ___bpf_pick_13(_, ##__VA_ARGS__, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define ___bpf_u64_0()
#define ___bpf_u64_1(x) (unsigned long long)(x)
#define ___bpf_u64_2(x, ...) (unsigned long long)(x), ___bpf_u64_1(__VA_ARGS__)
#define ___bpf_u64_3(x, ...) (unsigned long long)(x), ___bpf_u64_2(__VA_ARGS__)
#define ___bpf_u64_4(x, ...) (unsigned long long)(x), ___bpf_u64_3(__VA_ARGS__)
#define ___bpf_u64_5(x, ...) (unsigned long long)(x), ___bpf_u64_4(__VA_ARGS__)
#define ___bpf_u64_6(x, ...) (unsigned long long)(x), ___bpf_u64_5(__VA_ARGS__)
#define ___bpf_u64_7(x, ...) (unsigned long long)(x), ___bpf_u64_6(__VA_ARGS__)
#define ___bpf_u64_8(x, ...) (unsigned long long)(x), ___bpf_u64_7(__VA_ARGS__)
#define ___bpf_u64_9(x, ...) (unsigned long long)(x), ___bpf_u64_8(__VA_ARGS__)
#define ___bpf_u64_10(x, ...) (unsigned long long)(x), ___bpf_u64_9(__VA_ARGS__)
#define ___bpf_u64_11(x, ...) (unsigned long long)(x), ___bpf_u64_10(__VA_ARGS__)
#define ___bpf_u64_12(x, ...) (unsigned long long)(x), ___bpf_u64_11(__VA_ARGS__)
#define ___bpf_u64_array(...) { ___bpf_join(___bpf_u64_, ___bpf_count(__VA_ARGS__))(__VA_ARGS__) }

#ifdef BPF_NO_GLOBAL_DATA
#define BPF_PRINTK_FMT_MOD
#else
#define BPF_PRINTK_FMT_MOD static const
#endif

#define __bpf_printk(fmt, ...) \
    ({ \
        BPF_PRINTK_FMT_MOD char ____fmt[] = fmt; \
        bpf_trace_printk(____fmt, sizeof(____fmt), ##__VA_ARGS__); \
    })

#define __bpf_vprintk(fmt, ...) \
    ({ \
        static const char ___fmt[] = fmt; \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        unsigned long long ___values[] = ___bpf_u64_array(__VA_ARGS__); \
        _Pragma("GCC diagnostic pop") \
        bpf_trace_vprintk(___fmt, sizeof(___fmt), ___values, sizeof(___values)); \
    })

/* Writes a line to the trace; more than three values go through an array. */
#define ___bpf_printk_how_0 __bpf_printk
#define ___bpf_printk_how_1 __bpf_printk
#define ___bpf_printk_how_2 __bpf_printk
#define ___bpf_printk_how_3 __bpf_printk
#define ___bpf_printk_how_4 __bpf_vprintk
#define ___bpf_printk_how_5 __bpf_vprintk
#define ___bpf_printk_how_6 __bpf_vprintk
#define ___bpf_printk_how_7 __bpf_vprintk
#define ___bpf_printk_how_8 __bpf_vprintk
#define ___bpf_printk_how_9 __bpf_vprintk
#define ___bpf_printk_how_10 __bpf_vprintk
#define ___bpf_printk_how_11 __bpf_vprintk
#define ___bpf_printk_how_12 __bpf_vprintk
#define bpf_printk(fmt, args...) ___bpf_join(___bpf_printk_how_, ___bpf_count(args))(fmt, ##args)

#define BPF_SNPRINTF(out, out_size, fmt, args...) \
    ({ \
        static const char ___fmt[] = fmt; \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        unsigned long long ___values[] = ___bpf_u64_array(args); \
        _Pragma("GCC diagnostic pop") \
        bpf_snprintf(out, out_size, ___fmt, ___values, sizeof(___values)); \
    })

#define BPF_SEQ_PRINTF(seq, fmt, args...) \
    ({ \
        static const char ___fmt[] = fmt; \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        unsigned long long ___values[] = ___bpf_u64_array(args); \
        _Pragma("GCC diagnostic pop") \
        bpf_seq_printf(seq, ___fmt, sizeof(___fmt), ___values, sizeof(___values)); \
    })

/* Iterators over numbers, and the loops made of them. */
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __weak __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __weak __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __weak __ksym;

/* for (int i = start; i < end; i++), with a bound that the verifier need not know. */
#ifndef bpf_for
#define bpf_for(i, start, end) \
    for (struct bpf_iter_num ___it __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
         *___made __attribute__((unused)) = \
             (bpf_iter_num_new(&___it, (start), (end)), \
              (void)bpf_iter_num_destroy, (void *)0); \
         ({ \
             int *___value = bpf_iter_num_next(&___it); \
             ___value && ((i) = *___value, (i) >= (start) && (i) < (end)); \
         });)
#endif

/* The body, n times. */
#ifndef bpf_repeat
#define bpf_repeat(n) \
    for (struct bpf_iter_num ___it __attribute__((aligned(8), cleanup(bpf_iter_num_destroy))), \
         *___made __attribute__((unused)) = \
             (bpf_iter_num_new(&___it, 0, (n)), (void)bpf_iter_num_destroy, (void *)0); \
         bpf_iter_num_next(&___it);)
#endif

/* Over what an iterator of this kind yields: bpf_for_each(task, t, …). */
#ifndef bpf_for_each
#define bpf_for_each(type, item, args...) \
    for (struct bpf_iter_##type ___it __attribute__((aligned(8), cleanup(bpf_iter_##type##_destroy))), \
         *___made __attribute__((unused)) = \
             (bpf_iter_##type##_new(&___it, ##args), (void)bpf_iter_##type##_destroy, (void *)0); \
         ((item) = bpf_iter_##type##_next(&___it));)
#endif

/* A loop that the kernel ends after a while whatever the condition says. */
#ifndef can_loop
#define can_loop \
    ({ \
        __label__ l_break, l_continue; \
        _Bool ___more = 1; \
        asm volatile goto("may_goto %l[l_break]" :::: l_break); \
        goto l_continue; \
    l_break: \
        ___more = 0; \
    l_continue:; \
        ___more; \
    })
#endif
#ifndef cond_break
#define cond_break \
    ({ \
        __label__ l_break, l_continue; \
        asm volatile goto("may_goto %l[l_break]" :::: l_break); \
        goto l_continue; \
    l_break: \
        break; \
    l_continue:; \
    })
#endif

#endif
