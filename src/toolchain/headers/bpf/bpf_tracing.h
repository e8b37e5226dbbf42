/* SPDX-License-Identifier: MIT */
/* Programs with named arguments, for tracing on x86-64. */
#ifndef PLAYGROUND_BPF_TRACING_H
#define PLAYGROUND_BPF_TRACING_H

#include <bpf/bpf_helpers.h>

/* Registers that carry arguments; `struct pt_regs` is spelled as in the kernel (vmlinux.h) or as in <linux/ptrace.h>. */
#ifdef PLAYGROUND_VMLINUX_H
#define ___pt_1 di
#define ___pt_2 si
#define ___pt_3 dx
#define ___pt_4 cx
#define ___pt_ret bp
#define ___pt_result ax
#define ___pt_sp sp
#define ___pt_ip ip
#else
#include <linux/ptrace.h>
#define ___pt_1 rdi
#define ___pt_2 rsi
#define ___pt_3 rdx
#define ___pt_4 rcx
#define ___pt_ret rbp
#define ___pt_result rax
#define ___pt_sp rsp
#define ___pt_ip rip
#endif

#define PT_REGS_PARM1(regs) ((regs)->___pt_1)
#define PT_REGS_PARM2(regs) ((regs)->___pt_2)
#define PT_REGS_PARM3(regs) ((regs)->___pt_3)
#define PT_REGS_PARM4(regs) ((regs)->___pt_4)
#define PT_REGS_PARM5(regs) ((regs)->r8)
#define PT_REGS_PARM6(regs) ((regs)->r9)
#define PT_REGS_RET(regs) ((regs)->___pt_sp)
#define PT_REGS_FP(regs) ((regs)->___pt_ret)
#define PT_REGS_RC(regs) ((regs)->___pt_result)
#define PT_REGS_SP(regs) ((regs)->___pt_sp)
#define PT_REGS_IP(regs) ((regs)->___pt_ip)

/* `ctx` is an array of 64-bit values; each argument is cast to what the program declares. */
#define ___bpf_ctx_args_0() ctx
#define ___bpf_ctx_args_1(x) ___bpf_ctx_args_0(), (void *)ctx[0]
#define ___bpf_ctx_args_2(x, args...) ___bpf_ctx_args_1(args), (void *)ctx[1]
#define ___bpf_ctx_args_3(x, args...) ___bpf_ctx_args_2(args), (void *)ctx[2]
#define ___bpf_ctx_args_4(x, args...) ___bpf_ctx_args_3(args), (void *)ctx[3]
#define ___bpf_ctx_args_5(x, args...) ___bpf_ctx_args_4(args), (void *)ctx[4]
#define ___bpf_ctx_args_6(x, args...) ___bpf_ctx_args_5(args), (void *)ctx[5]
#define ___bpf_ctx_args_7(x, args...) ___bpf_ctx_args_6(args), (void *)ctx[6]
#define ___bpf_ctx_args_8(x, args...) ___bpf_ctx_args_7(args), (void *)ctx[7]
#define ___bpf_ctx_args_9(x, args...) ___bpf_ctx_args_8(args), (void *)ctx[8]
#define ___bpf_ctx_args_10(x, args...) ___bpf_ctx_args_9(args), (void *)ctx[9]
#define ___bpf_ctx_args_11(x, args...) ___bpf_ctx_args_10(args), (void *)ctx[10]
#define ___bpf_ctx_args_12(x, args...) ___bpf_ctx_args_11(args), (void *)ctx[11]
#define ___bpf_ctx_args(args...) ___bpf_join(___bpf_ctx_args_, ___bpf_count(args))(args)

#define BPF_PROG(name, args...) \
    name(unsigned long long *ctx); \
    static __always_inline typeof(name(0)) ____##name(unsigned long long *ctx, ##args); \
    typeof(name(0)) name(unsigned long long *ctx) \
    { \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        return ____##name(___bpf_ctx_args(args)); \
        _Pragma("GCC diagnostic pop") \
    } \
    static __always_inline typeof(name(0)) ____##name(unsigned long long *ctx, ##args)

struct pt_regs;

#define ___bpf_regs_args_0() ctx
#define ___bpf_regs_args_1(x) ___bpf_regs_args_0(), (void *)PT_REGS_PARM1(ctx)
#define ___bpf_regs_args_2(x, args...) ___bpf_regs_args_1(args), (void *)PT_REGS_PARM2(ctx)
#define ___bpf_regs_args_3(x, args...) ___bpf_regs_args_2(args), (void *)PT_REGS_PARM3(ctx)
#define ___bpf_regs_args_4(x, args...) ___bpf_regs_args_3(args), (void *)PT_REGS_PARM4(ctx)
#define ___bpf_regs_args_5(x, args...) ___bpf_regs_args_4(args), (void *)PT_REGS_PARM5(ctx)
#define ___bpf_regs_args_6(x, args...) ___bpf_regs_args_5(args), (void *)PT_REGS_PARM6(ctx)
#define ___bpf_regs_args(args...) ___bpf_join(___bpf_regs_args_, ___bpf_count(args))(args)

#define BPF_KPROBE(name, args...) \
    name(struct pt_regs *ctx); \
    static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args); \
    typeof(name(0)) name(struct pt_regs *ctx) \
    { \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        return ____##name(___bpf_regs_args(args)); \
        _Pragma("GCC diagnostic pop") \
    } \
    static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args)

#define ___bpf_result_args_0() ctx
#define ___bpf_result_args_1(x) ___bpf_result_args_0(), (void *)PT_REGS_RC(ctx)
#define ___bpf_result_args(args...) ___bpf_join(___bpf_result_args_, ___bpf_count(args))(args)

#define BPF_KRETPROBE(name, args...) \
    name(struct pt_regs *ctx); \
    static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args); \
    typeof(name(0)) name(struct pt_regs *ctx) \
    { \
        _Pragma("GCC diagnostic push") \
        _Pragma("GCC diagnostic ignored \"-Wint-conversion\"") \
        return ____##name(___bpf_result_args(args)); \
        _Pragma("GCC diagnostic pop") \
    } \
    static __always_inline typeof(name(0)) ____##name(struct pt_regs *ctx, ##args)

#define BPF_UPROBE(name, args...) BPF_KPROBE(name, ##args)
#define BPF_URETPROBE(name, args...) BPF_KRETPROBE(name, ##args)

#endif
