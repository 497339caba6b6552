//===- AssemblerLog.cpp - What ptxas says ---------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel in the output of `ptxas -v` (13.0):
//
//   ptxas info    : 0 bytes gmem
//   ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized due to ...
//   ptxas info    : Compiling entry function 'gemm' for 'sm_90a'
//   ptxas info    : Function properties for gemm
//       0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
//   ptxas info    : Used 168 registers, used 3 barriers, 16 bytes smem
//
//===----------------------------------------------------------------------===//

#include "AssemblerLog.h"
#include "llvm/ADT/StringExtras.h"

using namespace dgemm;

/// Reads "MAJOR.MINOR" at the head of `text`.
static std::optional<Version> parseVersion(llvm::StringRef text) {
  unsigned major = 0, minor = 0;
  if (text.consumeInteger(10, major) || !text.consume_front(".") || text.consumeInteger(10, minor))
    return std::nullopt;
  return Version{major, minor};
}

/// The integer that ends right before `suffix` in `line`, 0 when there is none: 24 for "used 24 bytes smem" and
/// " bytes smem".
static unsigned getNumberBefore(llvm::StringRef line, llvm::StringRef suffix) {
  size_t end = line.find(suffix);
  if (end == llvm::StringRef::npos)
    return 0;
  llvm::StringRef head = line.take_front(end);
  unsigned number = 0;
  head.take_back(end - head.find_last_not_of("0123456789") - 1).getAsInteger(10, number);
  return number;
}

std::optional<Version> dgemm::parseRelease(llvm::StringRef output, llvm::StringRef title) {
  if (!output.contains(title))
    return std::nullopt;
  size_t at = output.find(", release ");
  if (at == llvm::StringRef::npos)
    return std::nullopt;
  return parseVersion(output.substr(at + llvm::StringRef(", release ").size()));
}

std::optional<Version> dgemm::parsePTXVersion(llvm::StringRef ptx) {
  // Only comments and blank lines may precede the directive.
  while (!ptx.empty()) {
    auto [line, rest] = ptx.split('\n');
    line = line.ltrim();
    if (line.consume_front(".version"))
      return parseVersion(line.ltrim());
    if (!line.empty() && !line.starts_with("//"))
      return std::nullopt;
    ptx = rest;
  }
  return std::nullopt;
}

std::optional<Version> dgemm::getFirstRelease(Version version) {
  // PTX ISA manual, "Release Notes", table "PTX Release History": both increase in step since 7.0 = 11.0, except for
  // 8.6 to 8.8.
  auto [major, minor] = version;
  if (major == 8 && minor >= 6)
    return minor <= 8 ? std::optional<Version>({12, minor + 1}) : std::nullopt;
  if (major >= 7 && major <= 9)
    return Version{major + 4, minor};
  return std::nullopt;
}

std::optional<KernelResources> dgemm::parseResources(llvm::StringRef log, llvm::StringRef entry) {
  std::optional<KernelResources> resources;
  bool inEntry = false;
  for (llvm::StringRef line : llvm::split(log, '\n')) {
    if (line.contains("Compiling entry function '")) {
      inEntry = line.contains(("'" + entry + "'").str());
      if (inEntry)
        resources.emplace();
    } else if (line.contains("Function properties for ")) {
      // Functions that were not inlined follow their kernel.
      inEntry = resources && line.rtrim().ends_with((" " + entry).str());
    } else if (inEntry) {
      if (line.contains(" bytes stack frame")) {
        resources->stackBytes = getNumberBefore(line, " bytes stack frame");
        resources->spillStoreBytes = getNumberBefore(line, " bytes spill stores");
        resources->spillLoadBytes = getNumberBefore(line, " bytes spill loads");
      } else if (line.contains("Used ")) {
        resources->registers = getNumberBefore(line, " registers");
        resources->barriers = getNumberBefore(line, " barriers");
        resources->staticSharedBytes = getNumberBefore(line, " bytes smem");
      }
    }
  }
  return resources;
}

/// True for a line that says that wgmma or setmaxnreg do not run as written. Codes differ more between releases than
/// texts: "(C7508) Potential Performance Loss: 'setmaxnreg' ignored", "(C7517) warpgroup.wait is injected".
static bool isLoss(llvm::StringRef line) {
  return line.contains("Potential Performance Loss") || line.contains("warpgroup.wait is injected") ||
         line.contains("warpgroup.arrive is injected");
}

/// The remedy for a line that isLoss.
static llvm::StringRef getRemedy(llvm::StringRef line) {
  // Several messages share "serialized due to", so the more specific ones come first.
  static constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral> kRemedies[] = {
      {"insufficient register",
       "give a thread fewer accumulators: a smaller block or more math warpgroups in the config"},
      {"function boundary", "inline every function into the kernel"},
      {"Extern calls", "the kernel must not call external functions"},
      {"input registers", "write the registers of A before the first wgmma of a group"},
      {"accumulator registers", "use the accumulators of a wgmma only after wgmma.wait_group"},
      {"warpgroup.wait is injected", "put wgmma.wait_group before the accumulators are used"},
      {"warpgroup.arrive is injected", "put wgmma.fence between other writes of the accumulators and a wgmma"},
      {"compiler-inserted WG.DP", "wait for each wgmma (wgmma.wait_group) on every path before its results are used"},
      {"compiler-inserted WG.AR", "put wgmma.fence before the first wgmma on every path"},
      {"ill formed pipeline stage",
       "put wgmma.fence before, and commit_group and wait_group after, each group of wgmmas"},
      {"register count at entry", "state .reqntid with .minnctapersm or .maxnreg on the kernel"},
      {"allow debugging", "assemble without -g"},
      {"minimum register requirements", "let the producer keep more registers (setmaxnreg.dec)"},
  };
  for (const auto &[words, remedy] : kRemedies)
    if (line.contains(words))
      return remedy;
  return "change the kernel so that ptxas need not do this";
}

llvm::SmallVector<Complaint> dgemm::findComplaints(llvm::StringRef log) {
  llvm::SmallVector<Complaint> complaints;
  llvm::StringRef function;
  for (llvm::StringRef line : llvm::split(log, '\n')) {
    line = line.trim();
    if (line.contains("Function properties for "))
      function = line;
    if (isLoss(line))
      complaints.push_back({line.str(), getRemedy(line)});
    if (!line.contains(" bytes stack frame"))
      continue;
    bool spills = getNumberBefore(line, " bytes spill stores") || getNumberBefore(line, " bytes spill loads");
    if (spills)
      complaints.push_back({(function + "\n" + line).str(), "registers spill: choose a smaller block in the config"});
    else if (getNumberBefore(line, " bytes stack frame"))
      complaints.push_back(
          {(function + "\n" + line).str(),
           "local memory is in use: index register arrays with constants and do not take their address"});
  }
  return complaints;
}
