//===- Warp.cpp - Registers and control flow of a warp --------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Warp.h"

using namespace dgemm::emulator;

void Warp::start(const Kernel &kernel, LaneMask lanes) {
  // Garbage that is noticed: NaN as a float, far out of every range as an address.
  reg32.assign(size_t(kernel.numReg32) * kLanes, 0x7fbadbadu);
  reg64.assign(size_t(kernel.numReg64) * kLanes, 0x7fbadbad7fbadbadull);
  preds.assign(kernel.numPred, 0);
  predsWritten.assign(kernel.numPred, 0);
  for (auto [slot, value] : kernel.constants32)
    std::fill_n(&reg32[size_t(slot) * kLanes], kLanes, value);
  for (auto [slot, value] : kernel.constants64)
    std::fill_n(&reg64[size_t(slot) * kLanes], kLanes, value);
  lastTouch.assign(kernel.numAccumulators, 0);
  touchLine.assign(kernel.numAccumulators, 0);
  inFlight.assign(kernel.numAccumulators, 0);
  inFlightShape.assign(kernel.numAccumulators, 0);
  splits.clear();
  splits.push_back(Split{0, lanes, -1, {}, 0, false});
}

LaneMask Warp::alive() const {
  LaneMask lanes = 0;
  for (const Split &split : splits)
    lanes |= split.mask;
  for (const Frame &frame : frames)
    if (frame.live)
      lanes |= frame.arrived;
  return lanes;
}

int32_t Warp::makeFrame(uint32_t pc, int32_t parent, LaneMask expected) {
  size_t index = 0;
  while (index < frames.size() && frames[index].live)
    ++index;
  if (index == frames.size())
    frames.emplace_back();
  frames[index] = Frame{pc, parent, expected, 0, true};
  return int32_t(index);
}

void Warp::branch(size_t index, LaneMask taken, uint32_t target, uint32_t next, uint32_t reconverge) {
  Split &split = splits[index];
  LaneMask rest = split.mask & ~taken;
  if (meetsAtSync) {
    split.pc = next;
    split.mask = rest;
    splits.push_back(Split{target, taken, -1, {}, 0, false});
    return;
  }
  // Threads that leave a loop one by one meet once, at its end, so the inner branches reuse the frame.
  if (split.frame < 0 || frames[split.frame].pc != reconverge)
    split.frame = makeFrame(reconverge, split.frame, split.mask);
  split.pc = next;
  split.mask = rest;
  Split other{target, taken, split.frame, {}, 0, false};
  splits.push_back(other);
  gather(splits.size() - 1);
  gather(index);
}

void Warp::arrive(int32_t frame, LaneMask lanes) { frames[frame].arrived |= lanes; }

bool Warp::completeFrame(int32_t index) {
  Frame &frame = frames[index];
  if (!frame.live || frame.arrived != frame.expected)
    return false;
  frame.live = false;
  if (!frame.expected)
    return true;
  splits.push_back(Split{frame.pc, frame.expected, frame.parent, {}, 0, false});
  gather(splits.size() - 1);
  return true;
}

bool Warp::gather(size_t index) {
  Split &split = splits[index];
  if (split.frame < 0 || frames[split.frame].pc != split.pc)
    return false;
  int32_t frame = split.frame;
  arrive(frame, split.mask);
  splits.erase(splits.begin() + index);
  completeFrame(frame);
  return true;
}

void Warp::exit(size_t index, LaneMask lanes) {
  splits[index].mask &= ~lanes;
  if (!splits[index].mask)
    splits.erase(splits.begin() + index);
  for (Frame &frame : frames)
    if (frame.live)
      frame.expected &= ~lanes;
  for (size_t i = 0; i < frames.size(); ++i)
    completeFrame(int32_t(i));
}

BulkGroups::Group &BulkGroups::get(uint32_t group) {
  if (group - first >= groups.size())
    groups.resize(group - first + 1);
  return groups[group - first];
}

uint32_t BulkGroups::doneUpTo(bool read) const {
  uint32_t group = first;
  while (group < open) {
    uint32_t index = group - first;
    if (index < groups.size() && (read ? groups[index].reads : groups[index].writes))
      break;
    ++group;
  }
  return group - 1;
}
