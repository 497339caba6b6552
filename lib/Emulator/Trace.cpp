//===- Trace.cpp - Chrome trace of a run ----------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trace.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

using namespace dgemm::emulator;

uint32_t Trace::intern(llvm::StringRef name) {
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return i;
  names.push_back(name.str());
  return names.size() - 1;
}

void Trace::add(uint64_t cta, unsigned lane, llvm::StringRef name, uint64_t from, uint64_t to, unsigned line) {
  if (!enabled)
    return;
  if (slices.size() >= maxEvents) {
    ++dropped;
    return;
  }
  slices.push_back({intern(name), uint32_t(cta), uint16_t(lane), line, from, std::max(to, from + 1)});
}

static std::string laneName(unsigned lane) {
  if (lane == Trace::Copies)
    return "copy engine: loads";
  if (lane == Trace::Stores)
    return "copy engine: stores";
  if (lane >= Trace::TensorCore)
    return "tensor core: warpgroup " + std::to_string(lane - Trace::TensorCore);
  return "warp " + std::to_string(lane);
}

static void writeMetadata(llvm::json::OStream &json, llvm::StringRef kind, uint64_t cta, unsigned lane,
                          llvm::StringRef key, llvm::json::Value value) {
  json.object([&] {
    json.attribute("ph", "M");
    json.attribute("name", kind);
    json.attribute("pid", int64_t(cta));
    json.attribute("tid", int64_t(lane));
    json.attributeObject("args", [&] { json.attribute(key, value); });
  });
}

llvm::Error Trace::write(llvm::StringRef path) const {
  return dgemm::writeFile(path, [&](llvm::raw_ostream &out) { print(out); });
}

void Trace::print(llvm::raw_ostream &out) const {
  std::set<std::pair<uint32_t, unsigned>> lanes;
  for (const Slice &slice : slices)
    lanes.insert({slice.cta, slice.lane});
  llvm::json::OStream json(out);
  json.objectBegin();
  json.attribute("displayTimeUnit", "ns");
  json.attribute("droppedEvents", int64_t(dropped));
  json.attributeBegin("traceEvents");
  json.arrayBegin();
  for (auto [cta, lane] : lanes) {
    writeMetadata(json, "process_name", cta, lane, "name", "CTA " + std::to_string(cta));
    writeMetadata(json, "thread_name", cta, lane, "name", laneName(lane));
    writeMetadata(json, "thread_sort_index", cta, lane, "sort_index", int64_t(lane));
  }
  for (const Slice &slice : slices)
    json.object([&] {
      json.attribute("ph", "X");
      json.attribute("name", names[slice.name]);
      json.attribute("pid", int64_t(slice.cta));
      json.attribute("tid", int64_t(slice.lane));
      json.attribute("ts", int64_t(slice.from));
      json.attribute("dur", int64_t(slice.to - slice.from));
      if (slice.line)
        json.attributeObject("args", [&] { json.attribute("ptx line", int64_t(slice.line)); });
    });
  json.arrayEnd();
  json.attributeEnd();
  json.objectEnd();
  out << "\n";
}
