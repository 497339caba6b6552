//===- HopperLimits.h - Numbers of the sm_90a machine -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every hardware number that the compiler relies on, with its source. No other file defines such numbers.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_HOPPERLIMITS_H
#define DGEMM_IR_HOPPERLIMITS_H

#include <cstdint>

namespace dgemm::hopper {

// Warps and warpgroups (PTX ISA 9.0, "wgmma": a warpgroup is four contiguous warps).
constexpr int64_t kWarpThreads = 32;
constexpr int64_t kWarpgroupThreads = 128;
constexpr int64_t kWarpgroupWarps = 4;

// wgmma.mma_async m64nNk32 for e4m3 (PTX ISA 9.0, "Register Fragments and Shared Memory Matrix Layouts").
constexpr int64_t kWgmmaM = 64;
constexpr int64_t kWgmmaK = 32;
constexpr int64_t kWgmmaNStep = 8;
constexpr int64_t kWgmmaMaxN = 256;

// Register file and setmaxnreg (PTX ISA 9.0, "setmaxnreg": 24 to 256, a multiple of 8; CUDA Programming Guide,
// compute capability 9.0: 64 K registers for each multiprocessor, 255 for each thread).
constexpr int64_t kRegisterFile = 65536;
constexpr int64_t kRegisterStep = 8;
constexpr int64_t kMinSetMaxRegisters = 24;
constexpr int64_t kMaxSetMaxRegisters = 256;

// Shared memory that one CTA can have (CUDA Programming Guide, compute capability 9.0: 227 KiB).
constexpr int64_t kMaxSharedMemory = 232448;

// TMA (cuda.h, cuTensorMapEncodeTiled; PTX ISA 9.0, "Tensor swizzling modes").
constexpr int64_t kTmaAlignment = 16;
constexpr int64_t kTmaMaxBox = 256;
constexpr int64_t kSwizzleBytes = 128;
/// Eight rows of 128 bytes: the period of the 128-byte swizzle, and so the alignment of a swizzled tile.
constexpr int64_t kSwizzleAtom = 1024;
/// Alignment of an unswizzled shared-memory destination of a bulk copy.
constexpr int64_t kBulkAlignment = 128;

constexpr int64_t kMbarrierBytes = 8;

/// The largest cluster, in CTAs, that every GPU of the target supports (CUDA Programming Guide, thread block clusters).
constexpr int64_t kMaxCluster = 8;

/// L2 cache policy of loads that are not read again (CUTLASS, cute/arch/copy_sm90_desc.hpp, TMA::CacheHintSm90).
constexpr int64_t kEvictFirst = 0x12F0000000000000;

} // namespace dgemm::hopper

#endif // DGEMM_IR_HOPPERLIMITS_H
