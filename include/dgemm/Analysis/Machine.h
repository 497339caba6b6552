//===- Machine.h - The GPUs that configs are chosen for -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A machine is data: lib/Analysis/Machines/NAME.json has one file for each. docs/cost-model.md explains the costs, and
// each file names the source of its figures.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_MACHINE_H
#define DGEMM_ANALYSIS_MACHINE_H

#include "dgemm/IR/DGemm.h"
#include "llvm/Support/Error.h"

namespace dgemm {

/// Constants of the cost model: microseconds, or bytes in a microsecond.
struct MachineCosts {
  double launch = 0;
  /// The end of a tile: a constant, and a cost for each element.
  double tile = 0, tileElement = 0;
  /// A K block of one warpgroup: the wait for its mma and the promotion, and the factor of the wait in a rotated loop.
  double wait = 0, waitRotated = 0;
  /// Time of the tensor cores for 32 elements of a tile and a K block, by math warpgroups.
  double tensor1 = 0, tensor2 = 0, tensor3 = 0;
  /// Extra time of a K block: a second mma of a warpgroup; a loop that is neither rotated nor unrolled.
  double secondMma = 0, plainLoop = 0;
  /// Extra time of a K block: columns of two scale blocks in an mma; columns that are not a multiple of 16, with one
  /// warpgroup and with more.
  double twoScales = 0, oddColumns1 = 0, oddColumns = 0;
  /// Filling shared memory with 128 bytes of a row.
  double row = 0;
  /// Bytes in a microsecond from the L2 and from DRAM, for the chip.
  double l2 = 1, dram = 1;
  /// Latency of a stage, from the request to the data.
  double latency = 0;
  /// Bytes in a microsecond of distributed shared memory, for one multiprocessor and for all.
  double dsmem = 1, dsmemAll = 1;
  /// Share of B that another row tile of a masked group reads from DRAM again.
  double reread = 0;
  /// Factor of the time in a cluster that shares tiles.
  double multicast = 1;
  /// Exponents of the norm by which the parts of a K block, and compute and DRAM, overlap.
  double overlap = 1, dramOverlap = 1;
};

struct Machine {
  /// As --machine spells it.
  std::string name;
  /// Prefixes of CUDA's names of such GPUs; the longest match counts.
  std::vector<std::string> gpus;
  int64_t multiprocessors = 0;
  /// Names of the machines whose tuned tables serve it, in order of precedence.
  std::vector<std::string> tables;
  /// Clusters of 1, 2, ... 8 CTAs that run at a time, if each CTA takes a multiprocessor, with all multiprocessors.
  std::vector<int64_t> clusters;
  MachineCosts costs;

  /// Reads a machine; members that it leaves out are those of `like`, which may be null. Error: malformed, or a member
  /// is missing.
  static llvm::Expected<Machine> read(StringRef json, const Machine *like);
  /// All machines of the target.
  static ArrayRef<Machine> getKnown();
  /// The default machine.
  static const Machine &getDefault();
  /// Null for an unknown name.
  static const Machine *find(StringRef name);
  /// The machine of a module. Error: an unknown name.
  static llvm::Expected<Machine> get(MachineAttr attribute);
  /// The machine of --machine=`name`; the default for an empty name. Error: an unknown name.
  static llvm::Expected<Machine> parse(StringRef name);
  /// The machine of a GPU by CUDA's name ("NVIDIA H100 80GB HBM3"), null for another.
  static const Machine *findGpu(StringRef gpu);

  /// Clusters of `ctas` CTAs that run at a time on `multiprocessors`, at least 1.
  int64_t countClusters(int64_t ctas) const;
};

} // namespace dgemm

#endif // DGEMM_ANALYSIS_MACHINE_H
