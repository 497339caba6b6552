//===- Hazard.cpp - What the emulator found wrong with a kernel -----------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Emulator/Hazard.h"

using namespace dgemm::emulator;

static constexpr const char *kNames[] = {"deadlock",
                                         "read-before-written",
                                         "overwrite-in-use",
                                         "missing-proxy-fence",
                                         "accumulator-in-flight",
                                         "missing-wgmma-fence",
                                         "transaction-overrun",
                                         "phase-lapped",
                                         "barrier-misuse",
                                         "out-of-bounds",
                                         "misaligned",
                                         "illegal-descriptor",
                                         "illegal-tensor-map",
                                         "peer-exited",
                                         "exit-in-flight",
                                         "missing-grid-wait",
                                         "uninitialised-predicate",
                                         "insufficient-scope",
                                         "register-budget",
                                         "output-not-written",
                                         "output-written-twice",
                                         "shared-memory-limit",
                                         "divergent-warp",
                                         "illegal-launch",
                                         "illegal-instruction",
                                         "trap"};

llvm::StringRef dgemm::emulator::toString(HazardKind kind) { return kNames[unsigned(kind)]; }

std::optional<HazardKind> dgemm::emulator::parseHazardKind(llvm::StringRef name) {
  for (unsigned i = 0; i <= unsigned(HazardKind::Trap); ++i)
    if (name == kNames[i])
      return HazardKind(i);
  return std::nullopt;
}

std::string Hazard::str() const {
  std::string text = toString(kind).str();
  if (cta >= 0)
    text += ": CTA " + std::to_string(cta);
  if (warp >= 0)
    text += ", warp " + std::to_string(warp);
  if (line)
    text += ", PTX line " + std::to_string(line);
  text += ": " + message;
  if (!source.empty())
    text += "\n  " + std::to_string(line) + " | " + (source.size() > 160 ? source.substr(0, 157) + "..." : source);
  if (!context.empty())
    text += "\n" + context;
  return text;
}
