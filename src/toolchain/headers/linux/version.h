/* SPDX-License-Identifier: MIT */
#ifndef PLAYGROUND_LINUX_VERSION_H
#define PLAYGROUND_LINUX_VERSION_H

#define KERNEL_VERSION(major, minor, patch) (((major) << 16) + ((minor) << 8) + ((patch) > 255 ? 255 : (patch)))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 18, 0)

#endif
