#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Packet programs: bounds checks, byte order, rewriting. */
struct flow { __be32 saddr, daddr; __be16 sport, dport; __u8 proto; };
struct stats { __u64 packets, bytes, last; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, struct flow); __type(value, struct stats); } flows SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 256); __type(key, __u32); __type(value, __u64); } protos SEC(".maps");

static __always_inline void *eth_end(struct xdp_md *ctx, struct ethhdr **eth) {
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	*eth = data;
	return data + sizeof(struct ethhdr) > end ? NULL : data + sizeof(struct ethhdr);
}

SEC("xdp") int count_protocols(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct iphdr *ip = eth_end(ctx, &eth);
	if (!ip || eth->h_proto != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end) return XDP_PASS;
	__u32 key = ip->protocol; __u64 *n = bpf_map_lookup_elem(&protos, &key);
	if (n) *n += 1;
	return XDP_PASS;
}
SEC("xdp") int drop_udp_port(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct iphdr *ip = eth_end(ctx, &eth);
	if (!ip || eth->h_proto != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end || ip->protocol != IPPROTO_UDP) return XDP_PASS;
	struct udphdr *udp = (void *)ip + ip->ihl * 4;
	if ((void *)(udp + 1) > end) return XDP_PASS;
	return bpf_ntohs(udp->dest) == 53 || bpf_ntohs(udp->dest) - 5000u < 100 ? XDP_DROP : XDP_PASS;
}
SEC("xdp") int swap_mac(struct xdp_md *ctx) {
	struct ethhdr *eth; if (!eth_end(ctx, &eth)) return XDP_DROP;
	__u8 t[6]; __builtin_memcpy(t, eth->h_dest, 6); __builtin_memcpy(eth->h_dest, eth->h_source, 6); __builtin_memcpy(eth->h_source, t, 6);
	return XDP_TX;
}
SEC("xdp") int flow_account(struct xdp_md *ctx) {
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct iphdr *ip = eth_end(ctx, &eth);
	if (!ip || eth->h_proto != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end) return XDP_PASS;
	struct flow f = { .saddr = ip->saddr, .daddr = ip->daddr, .proto = ip->protocol };
	if (ip->protocol == IPPROTO_TCP) { struct tcphdr *t = (void *)(ip + 1); if ((void *)(t + 1) > end) return XDP_DROP; f.sport = t->source; f.dport = t->dest; }
	else if (ip->protocol == IPPROTO_UDP) { struct udphdr *u = (void *)(ip + 1); if ((void *)(u + 1) > end) return XDP_DROP; f.sport = u->source; f.dport = u->dest; }
	struct stats *s = bpf_map_lookup_elem(&flows, &f);
	if (s) { s->packets++; s->bytes += end - data; s->last = bpf_ktime_get_ns(); }
	else { struct stats n = { 1, end - data, bpf_ktime_get_ns() }; bpf_map_update_elem(&flows, &f, &n, BPF_ANY); }
	return XDP_PASS;
}
SEC("xdp") int ttl_dec(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct iphdr *ip = eth_end(ctx, &eth);
	if (!ip || (void *)(ip + 1) > end) return XDP_DROP;
	if (ip->ttl <= 1) return XDP_ABORTED;
	__u32 check = ip->check; check += bpf_htons(0x0100); ip->check = check + (check >= 0xffff); ip->ttl--;
	return XDP_TX;
}
SEC("xdp") int vlan_walk(struct xdp_md *ctx) {
	void *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	if (p + 14 > end) return XDP_DROP;
	__u16 proto = *(__u16 *)(p + 12); p += 14;
	for (int i = 0; i < 3; i++) { if (proto != bpf_htons(0x8100) && proto != bpf_htons(0x88a8)) break; if (p + 4 > end) return XDP_DROP; proto = *(__u16 *)(p + 2); p += 4; }
	return proto == bpf_htons(ETH_P_IPV6) ? XDP_DROP : XDP_PASS;
}
SEC("xdp") int ipv6_hops(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct ipv6hdr *ip = eth_end(ctx, &eth);
	if (!ip || eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip + 1) > end) return XDP_PASS;
	__u32 s = 0; for (int i = 0; i < 4; i++) s ^= ip->saddr.in6_u.u6_addr32[i] ^ ip->daddr.in6_u.u6_addr32[i];
	return ip->hop_limit < 2 ? XDP_DROP : s & 1 ? XDP_TX : XDP_PASS;
}
SEC("xdp") int checksum_loop(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; __u16 *p = eth_end(ctx, &eth); __u32 s = 0;
	if (!p || (void *)(p + 10) > end) return XDP_DROP;
	for (int i = 0; i < 10; i++) s += p[i];
	s = (s >> 16) + (s & 0xffff); return (__u16)~(s + (s >> 16)) ? XDP_DROP : XDP_PASS;
}
SEC("tc") int classify(struct __sk_buff *skb) {
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	if (data + sizeof(struct ethhdr) + sizeof(struct iphdr) > end) return TC_ACT_OK;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	skb->mark = ip->tos >> 2; skb->priority = ip->protocol == IPPROTO_ICMP ? 7 : 1;
	return skb->len > 1500 ? TC_ACT_SHOT : TC_ACT_OK;
}
SEC("tc") int load_bytes(struct __sk_buff *skb) {
	struct { __u8 a[14]; struct iphdr ip; } __attribute__((packed)) h;
	if (bpf_skb_load_bytes(skb, 0, &h, sizeof(h)) < 0) return TC_ACT_SHOT;
	return h.ip.version == 4 && h.ip.ihl >= 5 ? TC_ACT_OK : TC_ACT_SHOT;
}
SEC("tc") int cb_fields(struct __sk_buff *skb) { skb->cb[0] = skb->ifindex; skb->cb[1] = skb->hash ^ skb->cb[3]; skb->tc_classid = skb->cb[0] + skb->cb[1]; return skb->cb[2] ? TC_ACT_PIPE : TC_ACT_OK; }
SEC("socket") int legacy_ip_proto(struct __sk_buff *skb) { return skb->len > 64 ? skb->pkt_type : skb->protocol; }
SEC("xdp") int find_byte(struct xdp_md *ctx) {
	__u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	for (int i = 0; i < 100; i++) { if (p + i + 1 > end) break; if (p[i] == 0x7f) return XDP_DROP; }
	return XDP_PASS;
}
SEC("xdp") int tcp_options(struct xdp_md *ctx) {
	void *end = (void *)(long)ctx->data_end; struct ethhdr *eth; struct iphdr *ip = eth_end(ctx, &eth);
	if (!ip || (void *)(ip + 1) > end) return XDP_PASS;
	struct tcphdr *t = (void *)(ip + 1); if ((void *)(t + 1) > end) return XDP_PASS;
	__u8 *o = (void *)(t + 1); int mss = 0;
	for (int i = 0; i < 8; i++) { if ((void *)(o + 2) > end) break; if (o[0] == 0) break; if (o[0] == 1) { o++; continue; } if (o[0] == 2) { if ((void *)(o + 4) > end) break; mss = o[2] << 8 | o[3]; break; } __u8 n = o[1]; if (n < 2 || n > 40) break; o += n; }
	return mss > 1460 ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
