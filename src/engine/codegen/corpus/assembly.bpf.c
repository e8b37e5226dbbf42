#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Inline assembly in LLVM's syntax, with every kind of operand; naked functions; asm goto. */
SEC("syscall") int plain(__u64 *p) { __u64 x = p[0], y; asm volatile("%0 = %1\n\t%0 <<= 3" : "=r"(y) : "r"(x)); return y >> 2; }
SEC("syscall") int tied(__u64 *p) { __u64 x = p[0]; asm volatile("%0 += 5; %0 *= 3" : "+r"(x)); return x; }
SEC("syscall") int immediate(__u64 *p) { __u64 x = p[0]; asm volatile("%0 += %1" : "+r"(x) : "i"(77)); return x; }
SEC("syscall") int narrow_reg(__u32 *p) { __u32 x = p[0], y; asm volatile("%0 = %1; %0 >>= 1" : "=r"(y) : "r"(x)); return y; }
SEC("syscall") int memory_operand(__u64 *p) { __u64 v = p[0], r; asm volatile("%0 = *(u64 *)%1; %0 += 1" : "=r"(r) : "m"(v)); return r; }
SEC("syscall") int clobbers(__u64 *p) { __u64 a = p[0], b = p[1], c = p[2]; asm volatile("r5 = %0; r5 += %1; r4 = r5" : : "r"(a), "r"(b) : "r4", "r5", "memory"); return a + b + c; }
SEC("syscall") int early(__u64 *p) { __u64 a = p[0], b = p[1], r; asm volatile("%0 = 1; %0 += %1; %0 += %2" : "=&r"(r) : "r"(a), "r"(b)); return r; }
SEC("syscall") int labels(__u64 *p) { __u64 x = p[0]; asm volatile("if %0 s> 10 goto 1f; %0 += 100; goto 2f; 1: %0 -= 1; 2: %0 += 1" : "+r"(x)); return x; }
SEC("syscall") int jumping(__u64 *p) { __u64 x = p[0]; asm goto("if %0 == 0 goto %l[zero]" : : "r"(x) : : zero); return 5; zero: return 6; }
SEC("syscall") int helper_call(void *ctx) { __u64 r; asm volatile("call %[f]; %[r] = r0" : [r] "=r"(r) : [f] "i"(BPF_FUNC_get_smp_processor_id) : "r0", "r1", "r2", "r3", "r4", "r5"); return r; }
static __attribute__((naked, noinline)) int bare(__u64 x) { asm volatile("r0 = r1; r0 += 41; exit"); }
SEC("syscall") int call_naked(__u64 *p) { return bare(p[0]); }
SEC("syscall") __attribute__((naked)) int whole(void *ctx) { asm volatile("r6 = r1; r0 = *(u32 *)(r6 + 0); r0 &= 7; if r0 > 3 goto l_%=; r0 = 9; l_%=: exit" :::); }
SEC("syscall") int bounds(__u8 *p) { __u32 i = p[0]; asm volatile("" : "+r"(i)); i &= 15; asm volatile("%0 &= 31" : "+r"(i)); return p[i]; }
SEC("syscall") int register_variables(__u64 *p) { register __u64 a asm("r2") = p[0]; register __u64 r asm("r0"); asm volatile("r0 = r2; r0 += 3" : "=r"(r) : "r"(a)); return r; }

char LICENSE[] SEC("license") = "GPL";
