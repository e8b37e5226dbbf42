/* SPDX-License-Identifier: MIT */
/* Families, types and options that programs on sockets compare with. */
#ifndef PLAYGROUND_LINUX_SOCKET_H
#define PLAYGROUND_LINUX_SOCKET_H

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3

#define SOL_SOCKET 1
#define SO_REUSEADDR 2
#define SO_SNDBUF 7
#define SO_RCVBUF 8
#define SO_KEEPALIVE 9
#define SO_PRIORITY 12
#define SO_REUSEPORT 15
#define SO_RCVLOWAT 18
#define SO_MARK 36

#endif
