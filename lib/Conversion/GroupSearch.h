//===- GroupSearch.h - Which group has a tile -------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_LIB_CONVERSION_GROUPSEARCH_H
#define DGEMM_LIB_CONVERSION_GROUPSEARCH_H

#include "NVVMBuilder.h"
#include "dgemm/IR/DGemm.h"

namespace dgemm {

/// The number of groups of a grouped kernel: the constant, or the argument.
Value getNumGroups(NVVMBuilder &b, KernelOp kernel);
/// i32 element `position` of the group operand of `op`.
Value loadGroupValue(NVVMBuilder &b, ForEachTileOp op, Value position);

/// A group, its rows, and the number of its first tile, counted over the clusters' tiles of all groups.
struct GroupTiles {
  Value group, rows, firstTile;
};

/// Finds groups by their tiles, where a group has as many as its rows want. All lanes of a warp search together, each
/// in groups of its own: the number of groups costs a load for each 128.
class GroupSearch {
public:
  /// `tilesN`: tiles along N.
  GroupSearch(NVVMBuilder &b, ForEachTileOp op, Value tilesN);

  Value getGroups() const { return groups; }
  /// Whether it is known that there is one group.
  bool hasOneGroup() const;
  /// Whatever masked_m holds, a group has no more than M rows, and no fewer than none.
  Value loadRows(Value group);
  /// Tiles along M of so many rows.
  Value countTilesM(Value rows);
  Value countAllTiles();
  /// The group that has tile number `tile`, not before `from.group`, whose first tile is number `from.firstTile`. Where
  /// there is none, the number of groups.
  GroupTiles find(Value tile, GroupTiles from);

private:
  /// Groups that a lane looks at in one step, one after the other.
  int64_t getGroupsOfLane() const;
  SmallVector<Value> loadRowsOfLane(Value first);
  Value countTiles(Value rows) { return arith::MulIOp::create(b, countTilesM(rows), tilesN); }
  Value countTilesOfLane(ArrayRef<Value> rows);
  Value sumOverWarp(Value value);
  SmallVector<Value> skipGroups(Value tile, GroupTiles from);

  NVVMBuilder &b;
  ForEachTileOp op;
  Value tilesN, groups;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_GROUPSEARCH_H
