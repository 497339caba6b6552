//===- DGemmConfig.td - What tuning may choose ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parameters of the parts are the only table of config fields. Parsers, printers and documentation come from it.
// So does the struct `Fields` of each part, which serves to read configs from options, and to match, list, describe and
// vary them (ConfigFields.h).
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_CONFIG
#define DGEMM_IR_CONFIG

include "DGemmDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def DGemm_CachePolicy : I32EnumAttr<"CachePolicy", "how the L2 keeps loaded lines", [
    I32EnumAttrCase<"Normal", 0, "normal">,
    I32EnumAttrCase<"EvictFirst", 1, "evict_first">]> {
  let cppNamespace = "::dgemm";
}

/// A required field.
class DGemm_Field<string type, string summary> : AttrParameter<type, summary>;
/// A field that has this value if it is left out.
class DGemm_DefaultField<string type, string value, string summary> : AttrParameter<type, summary> {
  let defaultValue = value;
}

/// "split_k" as a C++ member, splitK.
class DGemm_CamelCase<string name> {
  string ret = !foldl(name, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
                             "s", "t", "u", "v", "w", "x", "y", "z"],
                      text, letter, !subst("_" # letter, !toupper(letter), text));
}
/// The C++ member of a field, and the getter for the field in the attribute.
class DGemm_FieldMember<string name> {
  string member = DGemm_CamelCase<name>.ret;
  string getter = "get" # !toupper(!substr(member, 0, 1)) # !substr(member, 1) # "()";
}

/// A part of #dgemm.config. Each parameter is a DGemm_Field or a DGemm_DefaultField; its type is an integer, bool, an
/// enum or Extents.
class DGemm_ConfigPart<string className, string part> : AttrDef<DGemm_Dialect, className> {
  let mnemonic = part;
  let assemblyFormat = "`<` struct(params) `>`";

  list<int> indices = !range(!size(parameters));
  string members = !interleave(!foreach(i, indices,
      "    std::optional<" # !getdagarg<AttrOrTypeParameter>(parameters, i).cppType # "> "
      # DGemm_FieldMember<!getdagname(parameters, i)>.member # ";"), "\n");
  string visits = !interleave(!foreach(i, indices,
      "      visit(ConfigField{\"" # part # "\", \"" # !getdagname(parameters, i) # "\", \""
      # !getdagarg<AttrOrTypeParameter>(parameters, i).summary # "\"}, fields."
      # DGemm_FieldMember<!getdagname(parameters, i)>.member # "...);"), "\n");
  string values = !interleave(!foreach(i, indices, DGemm_FieldMember<!getdagname(parameters, i)>.getter), ", ");
  string arguments = !interleave(!foreach(i, indices,
      !if(!empty(!getdagarg<AttrOrTypeParameter>(parameters, i).defaultValue),
          "*fields." # DGemm_FieldMember<!getdagname(parameters, i)>.member,
          "fields." # DGemm_FieldMember<!getdagname(parameters, i)>.member # ".value_or("
          # !getdagarg<AttrOrTypeParameter>(parameters, i).defaultValue # ")")), ", ");
  string missing = !interleave(!foreach(i, indices,
      !if(!empty(!getdagarg<AttrOrTypeParameter>(parameters, i).defaultValue),
          "      if (!" # DGemm_FieldMember<!getdagname(parameters, i)>.member # ")\n        return \""
          # !getdagname(parameters, i) # "\";\n", "")), "");
  string accessors = "";

  let extraClassDeclaration = "  /// The fields; one without a value is left to choose.\n"
    # "  struct Fields {\n" # members # "\n"
    # "    /// Calls `visit` for each field with its description and its value in each of `fields`.\n"
    # "    template <typename Visit, typename... All> static void forEach(Visit visit, All &...fields) {\n"
    # visits # "\n    }\n"
    # "    /// The name of a required field that has no value; \"\" if there is none.\n"
    # "    ::llvm::StringRef findMissing() const {\n" # missing # "      return \"\";\n    }\n"
    # "  };\n"
    # "  Fields getFields() const { return {" # values # "}; }\n"
    # "  /// A field without a value gets its default. Every required field must have a value.\n"
    # "  static " # cppClassName # " get(::mlir::MLIRContext *context, const Fields &fields) {\n"
    # "    return get(context, " # arguments # ");\n  }\n" # accessors;
}

def DGemm_TileAttr : DGemm_ConfigPart<"Tile", "tile"> {
  let summary = "which part of D a CTA or a cluster computes at a time";
  let parameters = (ins
      DGemm_Field<"Extents<3>", "tile of D of a CTA and K depth of a stage, M x N x K elements">:$block,
      DGemm_DefaultField<"Extents<2>", "Extents<2>({1, 1})",
          "M x N adjacent tiles whose CTAs form a cluster: TMA multicasts the tile of A along N and the tile of B along M">:$cluster,
      DGemm_DefaultField<"int64_t", "1",
          "CTAs of a cluster that share a tile, each with its part of the K blocks; their sums are added through distributed shared memory">:$split_k);
  let description = [{
    - C2: block N is a multiple of 8 from 8 to 256. Above 200 it is a multiple of 16, because each half of the columns
      has its own mma there (a partial accumulator of all columns would leave too few registers for the final one).
    - C3: block K is 128, the depth of a scale block.
    - C9: cluster is 1x1, 1x2, 2x1 or 2x2. With two CTAs along M, block N is a multiple of 16: each CTA fetches half of
      B's tile, and a half holds whole swizzle atoms of 8 rows.
    - C10: split_k is 1 to 8 (8 is the largest cluster that every GPU of the target supports), and 1 with a cluster of
      several tiles. Each CTA has columns of block N to sum, in groups of 8.
  }];
  let accessors = [{
    int64_t getBlockM() const { return getBlock()[0]; }
    int64_t getBlockN() const { return getBlock()[1]; }
    int64_t getBlockK() const { return getBlock()[2]; }
    int64_t getClusterM() const { return getCluster()[0]; }
    int64_t getClusterN() const { return getCluster()[1]; }
  }];
}

def DGemm_OrderAttr : DGemm_ConfigPart<"Order", "order"> {
  let summary = "in which order tiles and K blocks are walked";
  let parameters = (ins
      DGemm_DefaultField<"int64_t", "8",
          "tile rows that are walked together before the next tile column, so that L2 keeps B">:$group_m,
      DGemm_DefaultField<"bool", "false",
          "every second tile of a CTA walks its K blocks backwards from the last one, so that it starts with what the previous wave of tiles left in the L2; its partial sums are added in that order">:$serpentine,
      DGemm_DefaultField<"bool", "false",
          "use only as many CTAs as the number of waves requires; otherwise one for each multiprocessor">:$even_waves);
  let description = [{
    - C6: group_m is at least 1.
  }];
}

def DGemm_ScheduleAttr : DGemm_ConfigPart<"Schedule", "schedule"> {
  let summary = "how loads, tensor cores, promotion and stores of a CTA overlap";
  let parameters = (ins
      DGemm_Field<"int64_t", "depth of the ring between TMA and tensor cores">:$stages,
      DGemm_Field<"int64_t", "math warpgroups, which share the rows of a tile unless they take turns; the producer is one more warpgroup">:$warpgroups,
      DGemm_DefaultField<"int64_t", "1",
          "K blocks in an iteration of the math warpgroups' K loop; applies if the number of K blocks is known (not with split_k) and at least twice this value, or, with early_store, less than this value">:$unroll,
      DGemm_DefaultField<"bool", "false",
          "math warpgroups wait for a stage and load its scales one K block ahead">:$rotate,
      DGemm_DefaultField<"bool", "false",
          "a math warpgroup stores the first slice, or the first half of the columns, of its part of a tile while the tensor cores compute the last K block of the second (only if the number of K blocks is known; if scales multiply the sum after the K loop, only with several slices and no promotions); D goes through shared memory in halves, which leaves room for stages">:$early_store,
      DGemm_DefaultField<"bool", "false",
          "two math warpgroups take turns: each computes whole tiles, and one stores its tile while the tensor cores compute that of the other">:$pingpong);
  let description = [{
    - C4: 1 to 3 math warpgroups.
    - C5: 2 to 32 stages.
    - C11: unroll is 1, 2 or 4.
    - C14: pingpong requires 2 math warpgroups and early_store = false.
  }];
  let accessors = [{
    /// Math warpgroups that share the rows of a tile.
    int64_t getTileWarpgroups() const { return getPingpong() ? 1 : getWarpgroups(); }
    /// What is staged of D at a time.
    Staging getStaging() const { return ::dgemm::getStaging(getEarlyStore(), getPingpong()); }
  }];
}

def DGemm_LoadsAttr : DGemm_ConfigPart<"Loads", "loads"> {
  let summary = "what the L2 does with tiles that are loaded";
  let parameters = (ins
      DGemm_DefaultField<"CachePolicy", "CachePolicy::Normal",
          "normal, or evict_first: the L2 evicts tiles of B first, for a B that is read once">:$b);
}

def DGemm_ConfigAttr : AttrDef<DGemm_Dialect, "Config"> {
  let mnemonic = "config";
  let summary = "every choice that tuning may make for a kernel";
  let description = [{
    `dgemm-gen --config=help` lists the fields of the parts. The constraints between the parts follow from PTX ISA 9.0
    (wgmma, setmaxnreg) and from the memories of a multiprocessor:

    - C1: block M is 64 or 128 rows for each math warpgroup that shares a tile.
    - C7: partial and final accumulators fit in the registers of a math thread.
    - C8: stages, output staging and barriers fit in the shared memory of a CTA.
    - C12: early_store requires split_k = 1. If a math warpgroup has one mma in a K block, early_store divides the last
      one; it then also requires a block N that is a multiple of 16, and rotate = false.
    - C13: serpentine requires split_k = 1, because with split_k a CTA may have no K block.
    - C15: pingpong requires split_k = 1.

    Example:
    ```mlir
    #dgemm.config<tile = <block = 128x192x128, cluster = 2x1>, order = <group_m = 16>,
                  schedule = <stages = 4, warpgroups = 2, unroll = 4>, loads = <b = evict_first>>
    ```
  }];
  let parameters = (ins
      AttrParameter<"TileAttr", "which part of D a CTA computes at a time">:$tile,
      DGemm_DefaultField<"OrderAttr", "OrderAttr::get($_ctxt, OrderAttr::Fields())", "order of tiles">:$order,
      AttrParameter<"ScheduleAttr", "what overlaps">:$schedule,
      DGemm_DefaultField<"LoadsAttr", "LoadsAttr::get($_ctxt, LoadsAttr::Fields())", "cache policies">:$loads);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    int64_t getBlockM() const { return getTile().getBlockM(); }
    int64_t getBlockN() const { return getTile().getBlockN(); }
    int64_t getBlockK() const { return getTile().getBlockK(); }
    int64_t getClusterM() const { return getTile().getClusterM(); }
    int64_t getClusterN() const { return getTile().getClusterN(); }
    int64_t getSplitK() const { return getTile().getSplitK(); }
    int64_t getStages() const { return getSchedule().getStages(); }
    int64_t getWarpgroups() const { return getSchedule().getWarpgroups(); }
    /// Math warpgroups that share the rows of a tile.
    int64_t getTileWarpgroups() const { return getSchedule().getTileWarpgroups(); }
    /// CTAs of a cluster.
    int64_t getClusterSize() const { return getClusterM() * getClusterN() * getSplitK(); }
    /// True if CTAs of a cluster share tiles of A or B.
    bool isMulticast() const { return getClusterM() * getClusterN() > 1; }
  }];
}

#endif // DGEMM_IR_CONFIG
