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

/// Where the rows of a group lie, in A and D of all groups, or where each group has its own, in these; or its columns
/// of K.
struct GroupRows {
  Value begin, end;
};

/// The rows (columns of K) of `group` that the ends of groups say, within `limit`: from the end of the group before it
/// on, rounded up to the alignment of the problem. Whatever the operand holds, there are no fewer than none.
GroupRows loadRange(NVVMBuilder &b, ForEachTileOp op, Value group, Value limit);

/// A group, its rows, and the number of its first tile, counted over the clusters' tiles of all groups.
struct GroupTiles {
  Value group;
  GroupRows rows;
  Value firstTile;
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
  /// Whatever the group operand holds, rows lie within M, and there are no fewer than none.
  GroupRows loadRows(Value group);
  /// Tiles along M of these rows.
  Value countTilesM(GroupRows rows);
  Value countAllTiles();
  /// The group that has tile number `tile`, not before `from.group`, whose first tile is number `from.firstTile`. Where
  /// there is none, the number of groups.
  GroupTiles find(Value tile, GroupTiles from);

private:
  /// Rows are counted in A and D of all groups.
  bool hasBegins() { return op.getLayout() == Layout::Offsets; }
  /// Groups that a lane looks at in one step, one after the other.
  int64_t getGroupsOfLane() const;
  SmallVector<GroupRows> loadRowsOfLane(Value first);
  Value countTiles(GroupRows rows) { return arith::MulIOp::create(b, countTilesM(rows), tilesN); }
  Value countTilesOfLane(ArrayRef<GroupRows> rows);
  Value sumOverWarp(Value value);
  /// The groups of this lane in the step of the search that is the last.
  struct Step {
    Value first, firstTile;
    SmallVector<GroupRows> rows;
  };
  Step skipGroups(Value tile, GroupTiles from);

  NVVMBuilder &b;
  ForEachTileOp op;
  Value tilesN, groups;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_GROUPSEARCH_H
