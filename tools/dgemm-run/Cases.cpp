//===- Cases.cpp - What dgemm-run is to run -------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Cases.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace dgemm::run {

/// Paths in the file are relative to it, so that a folder of cases can be moved.
static std::string resolvePath(StringRef path, StringRef directory) {
  if (sys::path::is_absolute(path))
    return path.str();
  SmallString<256> resolved(directory);
  sys::path::append(resolved, path);
  return std::string(resolved);
}

/// "lda=640": a leading dimension that is given at launch.
static Error parseLeadingDimension(StringRef word, GemmSizes &sizes) {
  auto [name, value] = word.split('=');
  for (auto [known, size] : {std::pair("lda", &sizes.lda), {"ldb", &sizes.ldb}, {"ldd", &sizes.ldd}})
    if (name == known && !value.getAsInteger(10, *size) && *size > 0)
      return Error::success();
  return createStringError(formatv("'{0}' is not a leading dimension (lda=, ldb= or ldd= and its elements)", word));
}

static Expected<Case> parseLine(StringRef line, StringRef directory) {
  SmallVector<StringRef, 6> words;
  SplitString(line, words);
  Case entry;
  for (; !words.empty() && words.back().contains('='); words.pop_back())
    if (Error error = parseLeadingDimension(words.back(), entry.sizes))
      return error;
  if (words.size() != 5 && words.size() != 6)
    return createStringError("expected `kernel launch.json m n k [seed] [lda=... ldb=... ldd=...]`");
  entry.sizes.groups = -1; // taken from the launch descriptor
  entry.kernel = resolvePath(words[0], directory);
  entry.launch = resolvePath(words[1], directory);
  for (auto [index, size] : {std::pair(2, &entry.sizes.m), {3, &entry.sizes.n}, {4, &entry.sizes.k}})
    if (words[index].getAsInteger(10, *size) || *size < (index == 2 ? 0 : 1))
      return createStringError(formatv("'{0}' is not a size of at least {1}", words[index], index == 2 ? 0 : 1));
  if (words.size() == 6 && words[5].getAsInteger(10, entry.seed))
    return createStringError(formatv("'{0}' is not a seed", words[5]));
  return entry;
}

static Expected<std::vector<Case>> readCases(StringRef path, uint64_t seed) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return createStringError(formatv("cannot read '{0}': {1}", path, buffer.getError().message()));
  std::vector<Case> cases;
  for (line_iterator line(**buffer, /*SkipBlanks=*/true, '#'); !line.is_at_end(); ++line) {
    if (line->trim().empty())
      continue;
    Expected<Case> entry = parseLine(*line, sys::path::parent_path(path));
    if (!entry)
      return createStringError(formatv("{0}:{1}: {2}", path, line.line_number(), toString(entry.takeError())));
    entry->seed += seed;
    cases.push_back(std::move(*entry));
  }
  if (cases.empty())
    return createStringError(formatv("'{0}' has no case", path));
  return cases;
}

Expected<std::vector<Case>> makeCases(const Options &options) {
  std::vector<Case> cases = {{options.kernel, options.launch, options.sizes, options.seed}};
  if (!options.cases.empty())
    if (Error error = readCases(options.cases, options.seed).moveInto(cases))
      return error;
  std::vector<Case> all;
  for (const Case &entry : cases)
    for (unsigned i = 0; i < options.seeds; ++i) {
      all.push_back(entry);
      all.back().seed += i;
    }
  return all;
}

} // namespace dgemm::run
