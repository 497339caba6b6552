//===- Trace.cpp - Chrome trace of a run ----------------------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Trace.h"
#include "dgemm/Support/OutputFile.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"
#include <map>
#include <numeric>
#include <tuple>

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

/// The thread of a row: lanes keep their order, and rows of a lane are adjacent.
static int64_t getThread(unsigned lane, unsigned row) { return int64_t(lane) * 1000 + row; }

static void writeMetadata(llvm::json::OStream &json, llvm::StringRef kind, uint64_t cta, int64_t thread,
                          llvm::StringRef key, llvm::json::Value value) {
  json.object([&] {
    json.attribute("ph", "M");
    json.attribute("name", kind);
    json.attribute("pid", int64_t(cta));
    json.attribute("tid", thread);
    json.attributeObject("args", [&] { json.attribute(key, value); });
  });
}

// A reader drops a slice that overlaps another one of its thread and does not lie within it. Copies and wgmmas overlap,
// so each slice goes to the first row of its lane in which it fits.
std::vector<unsigned> Trace::getRows() const {
  std::vector<size_t> order(slices.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](size_t a, size_t b) {
    return std::make_tuple(slices[a].from, slices[b].to, a) < std::make_tuple(slices[b].from, slices[a].to, b);
  });
  std::vector<unsigned> rows(slices.size());
  // The ends of the open slices of each row of each lane, the innermost last.
  std::map<std::pair<uint32_t, unsigned>, std::vector<std::vector<uint64_t>>> open;
  for (size_t index : order) {
    const Slice &slice = slices[index];
    auto &lane = open[{slice.cta, slice.lane}];
    unsigned row = 0;
    for (; row < lane.size(); ++row) {
      while (!lane[row].empty() && lane[row].back() <= slice.from)
        lane[row].pop_back();
      if (lane[row].empty() || slice.to <= lane[row].back())
        break;
    }
    if (row == lane.size())
      lane.emplace_back();
    lane[row].push_back(slice.to);
    rows[index] = row;
  }
  return rows;
}

llvm::Error Trace::write(llvm::StringRef path) const {
  return dgemm::writeFile(path, [&](llvm::raw_ostream &out) { print(out); });
}

void Trace::print(llvm::raw_ostream &out) const {
  std::vector<unsigned> rows = getRows();
  std::set<std::tuple<uint32_t, unsigned, unsigned>> threads;
  for (auto [slice, row] : llvm::zip(slices, rows))
    threads.insert({slice.cta, slice.lane, row});
  llvm::json::OStream json(out);
  json.objectBegin();
  json.attribute("displayTimeUnit", "ns");
  json.attribute("droppedEvents", int64_t(dropped));
  json.attributeBegin("traceEvents");
  json.arrayBegin();
  for (auto [cta, lane, row] : threads) {
    int64_t thread = getThread(lane, row);
    std::string name = laneName(lane) + (row ? ", " + std::to_string(row + 1) : "");
    writeMetadata(json, "process_name", cta, thread, "name", "CTA " + std::to_string(cta));
    writeMetadata(json, "thread_name", cta, thread, "name", name);
    writeMetadata(json, "thread_sort_index", cta, thread, "sort_index", thread);
  }
  for (size_t index = 0; index < slices.size(); ++index)
    json.object([&] {
      const Slice &slice = slices[index];
      json.attribute("ph", "X");
      json.attribute("name", names[slice.name]);
      json.attribute("pid", int64_t(slice.cta));
      json.attribute("tid", getThread(slice.lane, rows[index]));
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
