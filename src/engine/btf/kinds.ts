/** Numbers of the BTF format, as the kernel's documentation of it gives them. */
export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
export const BTF_HEADER_BYTES = 24;

export const BTF_KINDS = {
  void: 0,
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  /** On disk a kind of its own; in {@link BtfType} an `enum` that is `wide`. */
  enum64: 19,
} as const;

export const BTF_INT_SIGNED = 1;
export const BTF_INT_CHAR = 2;
export const BTF_INT_BOOL = 4;

/** By number: linkage of functions and variables. */
export const BTF_LINKAGES = ["static", "global", "extern"] as const;
