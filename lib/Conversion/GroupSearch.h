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

/// The number of groups of a grouped kernel (index): a constant, or an argument of the kernel.
Value getNumGroups(NVVMBuilder &b, KernelOp kernel);
/// Loads the i32 element at `position` of the group operand of `op`.
Value loadGroupValue(NVVMBuilder &b, ForEachTileOp op, Value position);

/// The rows of a group, from `begin` to `end` (index, exclusive). They are counted in the A and D of all groups, or in
/// those of the group if each group has its own. If the groups divide K, they are columns of K.
struct GroupRows {
  Value begin, end;
};

/// Loads the rows (or columns of K) of `group` from a group operand that holds the ends of the groups. They begin at
/// the end of the previous group, rounded up to the alignment of the problem, and lie within `limit`. Whatever the
/// operand holds, `end` is never below `begin`.
GroupRows loadRange(NVVMBuilder &b, ForEachTileOp op, Value group, Value limit);

/// A group, its rows, and the number of its first tile (all index). Tile numbers count the tiles of whole clusters over
/// all groups.
struct GroupTiles {
  Value group;
  GroupRows rows;
  Value firstTile;
};

/// True if the number of groups is known and so small that each thread loads the rows of all of them before its first
/// tile. A search is then a few comparisons.
bool hasFewGroups(ForEachTileOp op);

/// Finds the group of a tile where the number of tiles of a group depends on its rows. Unless there are few groups, all
/// lanes of a warp search together, each in groups of its own, so the search costs one load for each 128 groups.
class GroupSearch {
public:
  /// `tilesN`: number of tiles along N (index). Loads the rows of few groups here.
  GroupSearch(NVVMBuilder &b, ForEachTileOp op, Value tilesN);

  Value getGroups() const { return groups; }
  /// True if the number of groups is known to be one.
  bool hasOneGroup() const;
  const GroupTiles &getOnlyGroup() const { return few.front(); }
  /// Number of tiles along M for these rows.
  Value countTilesM(GroupRows rows);
  /// Number of tiles of all groups.
  Value countAllTiles();
  /// Finds the group that has tile number `tile`. The search starts at `from.group`, whose first tile is number
  /// `from.firstTile`. If no group has the tile, `group` of the result is the number of groups.
  GroupTiles find(Value tile, GroupTiles from);

private:
  /// Loads the rows of `group`. Whatever the group operand holds, they lie within M, and `end` is never below `begin`.
  GroupRows loadRows(Value group);
  /// True if the rows of a group are counted in the A and D of all groups.
  bool hasBegins() { return op.getLayout() == Layout::Offsets; }
  /// Number of groups that a lane looks at in one step, one after the other.
  int64_t getGroupsOfLane() const;
  SmallVector<GroupRows> loadRowsOfLane(Value first);
  Value countTiles(GroupRows rows) { return arith::MulIOp::create(b, countTilesM(rows), tilesN); }
  Value countTilesOfLane(ArrayRef<GroupRows> rows);
  Value sumOverWarp(Value value);
  /// The last step of a search: its first group, the first tile of that group, and the rows of the groups of this lane.
  struct Step {
    Value first, firstTile;
    SmallVector<GroupRows> rows;
  };
  Step skipGroups(Value tile, GroupTiles from);
  GroupTiles findAmongFew(Value tile);

  NVVMBuilder &b;
  ForEachTileOp op;
  Value tilesN, groups;
  /// The groups in order, if there are few, and the number of tiles of all of them.
  SmallVector<GroupTiles> few;
  Value allTiles;
};

} // namespace dgemm

#endif // DGEMM_LIB_CONVERSION_GROUPSEARCH_H
