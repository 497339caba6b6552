//===- TunedTable.h - Configurations that were measured best ----*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The configs that a tuner found on a GPU, by problem. lib/Analysis/TunedTables has the tables that ship with the
// library. docs/tuning.md describes the format and the lookup.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_TUNEDTABLE_H
#define DGEMM_ANALYSIS_TUNEDTABLE_H

#include "dgemm/Analysis/CostModel.h"

namespace dgemm {

/// The name of scales and output in tuned tables: empty for A scaled by [1, 128], B by [128, 128] and D of 16 bits,
/// else, for example, "row x row", "tensor x tensor fast" and "1x128 x 1x128 f32". The FP8 types of elements make no
/// difference.
std::string getRecipeName(ProblemAttr problem);
/// The same for scales and accuracy as options name them: tensor, row, 1x128, 128x128 or none; exact, balanced or fast.
std::string getRecipeName(StringRef lhs, StringRef rhs, StringRef accuracy, bool isF32);

struct TunedEntry {
  Layout layout;
  int64_t groups;
  /// Rows that were measured; masked: expected rows of a group.
  int64_t m;
  int64_t n, k;
  /// "<tile = <block = 128x192x128>, ...>", all fields that differ from their default.
  std::string config;
  /// Its measured time; informative, 0 if unknown.
  double microseconds = 0;
  /// See getRecipeName.
  std::string recipe = {};
};

class TunedTable {
public:
  /// Reads a JSON table. Error: malformed, another version, or an unknown layout.
  static llvm::Expected<TunedTable> parse(StringRef json);
  /// The same from a file. Error: also if it cannot be read; the message names the file.
  static llvm::Expected<TunedTable> read(StringRef path);
  explicit TunedTable(std::string machine = "", int64_t multiprocessors = 0, std::string gpu = "")
      : machine(std::move(machine)), multiprocessors(multiprocessors), gpu(std::move(gpu)) {}
  /// The document that parse reads, one entry a line.
  std::string toJSON() const;
  /// Adds `entry`, or replaces that of the same problem.
  void insert(TunedEntry entry);

  /// The tables of the library, parsed once.
  static ArrayRef<TunedTable> getShipped();

  /// The entry of the same recipe, layout, groups, N and K whose M is nearest to the problem's within the same bucket;
  /// for a dynamic M, the entry with the largest M. Null if there is none, if another size is dynamic, or if A and B
  /// are not loaded by TMA, as those of the measured kernels were.
  const TunedEntry *find(const ProblemSize &size) const;

  ArrayRef<TunedEntry> getEntries() const { return entries; }
  /// Name of the machine that it serves.
  StringRef getMachine() const { return machine; }
  /// Multiprocessors of the GPU that it was measured on.
  int64_t getMultiprocessors() const { return multiprocessors; }
  /// Name of that GPU; may be empty.
  StringRef getGPU() const { return gpu; }

private:
  std::string machine;
  int64_t multiprocessors;
  /// Name of the GPU; informative.
  std::string gpu;
  std::vector<TunedEntry> entries;
};

/// All M of a bucket share an entry. A bucket is the next power of two, or above 512 the nearest by ratio.
int64_t getRowBucket(int64_t m);

/// The config for the problem from `data.own`, if that is for `machine`, or else from the shipped tables that serve it
/// (Machine::tables). The config is legal, has the given fields and is not left out; empty if there is none. If the
/// tuned config is left out because it spills, the same tile without rotation or with another unrolling takes its
/// place.
std::optional<ConfigAttr> findTunedConfig(MLIRContext *context, const ProblemSize &size, const ConfigFields &fields,
                                          const Machine &machine, const ChoiceData &data = {});

} // namespace dgemm

#endif // DGEMM_ANALYSIS_TUNEDTABLE_H
