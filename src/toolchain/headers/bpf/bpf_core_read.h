/* SPDX-License-Identifier: MIT */
/*
 * Reads of kernel structures that move with the running kernel. The playground has no kernel types to relocate
 * against: offsets are those of the declarations in the program.
 */
#ifndef PLAYGROUND_BPF_CORE_READ_H
#define PLAYGROUND_BPF_CORE_READ_H

#include <bpf/bpf_helpers.h>

enum bpf_field_info_kind {
    BPF_FIELD_BYTE_OFFSET = 0,
    BPF_FIELD_BYTE_SIZE = 1,
    BPF_FIELD_EXISTS = 2,
    BPF_FIELD_SIGNED = 3,
    BPF_FIELD_LSHIFT_U64 = 4,
    BPF_FIELD_RSHIFT_U64 = 5,
};

enum bpf_type_id_kind {
    BPF_TYPE_ID_LOCAL = 0,
    BPF_TYPE_ID_TARGET = 1,
};

enum bpf_type_info_kind {
    BPF_TYPE_EXISTS = 0,
    BPF_TYPE_SIZE = 1,
    BPF_TYPE_MATCHES = 2,
};

enum bpf_enum_value_kind {
    BPF_ENUMVAL_EXISTS = 0,
    BPF_ENUMVAL_VALUE = 1,
};

/* A field is named as `pointer->member` or as `struct type, member`. */
#define ___bpf_field_of_1(field) (field)
#define ___bpf_field_of_2(type, field) (((typeof(type) *)0)->field)
#define ___bpf_field_of(args...) ___bpf_join(___bpf_field_of_, ___bpf_count(args))(args)

#define bpf_core_field_exists(field...) __builtin_preserve_field_info(___bpf_field_of(field), BPF_FIELD_EXISTS)
#define bpf_core_field_size(field...) __builtin_preserve_field_info(___bpf_field_of(field), BPF_FIELD_BYTE_SIZE)
#define bpf_core_field_offset(field...) __builtin_preserve_field_info(___bpf_field_of(field), BPF_FIELD_BYTE_OFFSET)
#define bpf_core_type_id_local(type) __builtin_btf_type_id(*(typeof(type) *)0, BPF_TYPE_ID_LOCAL)
#define bpf_core_type_id_kernel(type) __builtin_btf_type_id(*(typeof(type) *)0, BPF_TYPE_ID_TARGET)
#define bpf_core_type_exists(type) __builtin_preserve_type_info(*(typeof(type) *)0, BPF_TYPE_EXISTS)
#define bpf_core_type_matches(type) __builtin_preserve_type_info(*(typeof(type) *)0, BPF_TYPE_MATCHES)
#define bpf_core_type_size(type) __builtin_preserve_type_info(*(typeof(type) *)0, BPF_TYPE_SIZE)
#define bpf_core_enum_value_exists(type, value) \
    __builtin_preserve_enum_value(*(typeof(type) *)value, BPF_ENUMVAL_EXISTS)
#define bpf_core_enum_value(type, value) __builtin_preserve_enum_value(*(typeof(type) *)value, BPF_ENUMVAL_VALUE)

#define bpf_core_cast(ptr, type) ((typeof(type) *)bpf_rdonly_cast((ptr), bpf_core_type_id_kernel(type)))
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __weak __ksym;

#define bpf_core_read(dst, size, src) \
    bpf_probe_read_kernel(dst, size, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user(dst, size, src) \
    bpf_probe_read_user(dst, size, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_str(dst, size, src) \
    bpf_probe_read_kernel_str(dst, size, (const void *)__builtin_preserve_access_index(src))
#define bpf_core_read_user_str(dst, size, src) \
    bpf_probe_read_user_str(dst, size, (const void *)__builtin_preserve_access_index(src))

/* a->b->c, one read for each arrow: the pointers in between go through a local. */
#define ___bpf_chase_type_1(src, a) typeof((src)->a)
#define ___bpf_chase_type_2(src, a, b) typeof((src)->a->b)
#define ___bpf_chase_type_3(src, a, b, c) typeof((src)->a->b->c)
#define ___bpf_chase_type_4(src, a, b, c, d) typeof((src)->a->b->c->d)
#define ___bpf_chase_type_5(src, a, b, c, d, e) typeof((src)->a->b->c->d->e)
#define ___bpf_chase_type_6(src, a, b, c, d, e, f) typeof((src)->a->b->c->d->e->f)
#define ___bpf_chase_type(src, path...) ___bpf_join(___bpf_chase_type_, ___bpf_count(path))(src, ##path)

#define ___bpf_chase_1(read, last, dst, size, src, a) last((dst), size, &(src)->a)
#define ___bpf_chase_step(read, next, src, a) \
    typeof((src)->a) next; \
    read(&next, sizeof(next), &(src)->a)
#define ___bpf_chase_2(read, last, dst, size, src, a, b) \
    ({ \
        ___bpf_chase_step(read, ___p1, src, a); \
        last((dst), size, &___p1->b); \
    })
#define ___bpf_chase_3(read, last, dst, size, src, a, b, c) \
    ({ \
        ___bpf_chase_step(read, ___p1, src, a); \
        ___bpf_chase_step(read, ___p2, ___p1, b); \
        last((dst), size, &___p2->c); \
    })
#define ___bpf_chase_4(read, last, dst, size, src, a, b, c, d) \
    ({ \
        ___bpf_chase_step(read, ___p1, src, a); \
        ___bpf_chase_step(read, ___p2, ___p1, b); \
        ___bpf_chase_step(read, ___p3, ___p2, c); \
        last((dst), size, &___p3->d); \
    })
#define ___bpf_chase_5(read, last, dst, size, src, a, b, c, d, e) \
    ({ \
        ___bpf_chase_step(read, ___p1, src, a); \
        ___bpf_chase_step(read, ___p2, ___p1, b); \
        ___bpf_chase_step(read, ___p3, ___p2, c); \
        ___bpf_chase_step(read, ___p4, ___p3, d); \
        last((dst), size, &___p4->e); \
    })
#define ___bpf_chase_6(read, last, dst, size, src, a, b, c, d, e, f) \
    ({ \
        ___bpf_chase_step(read, ___p1, src, a); \
        ___bpf_chase_step(read, ___p2, ___p1, b); \
        ___bpf_chase_step(read, ___p3, ___p2, c); \
        ___bpf_chase_step(read, ___p4, ___p3, d); \
        ___bpf_chase_step(read, ___p5, ___p4, e); \
        last((dst), size, &___p5->f); \
    })
#define ___bpf_chase(read, last, dst, size, src, path...) \
    ___bpf_join(___bpf_chase_, ___bpf_count(path))(read, last, dst, size, src, ##path)

#define BPF_CORE_READ_INTO(dst, src, path...) \
    ({ ___bpf_chase(bpf_core_read, bpf_core_read, dst, sizeof(*(dst)), src, path); })
#define BPF_CORE_READ_USER_INTO(dst, src, path...) \
    ({ ___bpf_chase(bpf_core_read_user, bpf_core_read_user, dst, sizeof(*(dst)), src, path); })
#define BPF_PROBE_READ_INTO(dst, src, path...) \
    ({ ___bpf_chase(bpf_probe_read_kernel, bpf_probe_read_kernel, dst, sizeof(*(dst)), src, path); })
#define BPF_CORE_READ_STR_INTO(dst, src, path...) \
    ({ ___bpf_chase(bpf_core_read, bpf_core_read_str, dst, sizeof(*(dst)), src, path); })

#define BPF_CORE_READ(src, path...) \
    ({ \
        ___bpf_chase_type((src), path) ___result; \
        BPF_CORE_READ_INTO(&___result, (src), path); \
        ___result; \
    })
#define BPF_CORE_READ_USER(src, path...) \
    ({ \
        ___bpf_chase_type((src), path) ___result; \
        BPF_CORE_READ_USER_INTO(&___result, (src), path); \
        ___result; \
    })
#define BPF_PROBE_READ(src, path...) \
    ({ \
        ___bpf_chase_type((src), path) ___result; \
        BPF_PROBE_READ_INTO(&___result, (src), path); \
        ___result; \
    })

#endif
