//===- DGemmProblem.td - What a kernel computes ---*- tablegen -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_IR_PROBLEM
#define DGEMM_IR_PROBLEM

include "DGemmDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def DGemm_Layout : I32EnumAttr<"Layout", "how the rows of a problem are grouped", [
    I32EnumAttrCase<"Dense", 0, "dense">,
    I32EnumAttrCase<"Contiguous", 1, "contiguous">,
    I32EnumAttrCase<"Masked", 2, "masked">,
    I32EnumAttrCase<"Offsets", 3, "offsets">,
    I32EnumAttrCase<"KGrouped", 4, "k_grouped">,
    I32EnumAttrCase<"Batched", 5, "batched">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_Operand : I32EnumAttr<"Operand", "an operand of a problem", [
    I32EnumAttrCase<"A", 0, "a">,
    I32EnumAttrCase<"ScaleA", 1, "scale_a">,
    I32EnumAttrCase<"B", 2, "b">,
    I32EnumAttrCase<"ScaleB", 3, "scale_b">,
    I32EnumAttrCase<"D", 4, "d">,
    I32EnumAttrCase<"MIndices", 5, "m_indices">,
    I32EnumAttrCase<"MaskedM", 6, "masked_m">,
    I32EnumAttrCase<"Offsets", 15, "offsets">,
    // The operands of the epilogue, in order. getEpilogueOperand and getEpilogueIndex convert from and to their
    // numbers.
    I32EnumAttrCase<"Epilogue0", 7, "epilogue0">,
    I32EnumAttrCase<"Epilogue1", 8, "epilogue1">,
    I32EnumAttrCase<"Epilogue2", 9, "epilogue2">,
    I32EnumAttrCase<"Epilogue3", 10, "epilogue3">,
    I32EnumAttrCase<"Epilogue4", 11, "epilogue4">,
    I32EnumAttrCase<"Epilogue5", 12, "epilogue5">,
    I32EnumAttrCase<"Epilogue6", 13, "epilogue6">,
    I32EnumAttrCase<"Epilogue7", 14, "epilogue7">,
    // The scales of a quantised D.
    I32EnumAttrCase<"ScaleD", 16, "scale_d">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_EpilogueAxis : I32EnumAttr<"EpilogueAxisKind", "what an operand of an epilogue has a value for", [
    I32EnumAttrCase<"N", 0, "n">,
    I32EnumAttrCase<"M", 1, "m">,
    I32EnumAttrCase<"MN", 2, "mn">,
    I32EnumAttrCase<"G", 3, "g">,
    I32EnumAttrCase<"None", 4, "none">]> {
  let cppNamespace = "::dgemm";
}

def DGemm_AccuracyKind : I32EnumAttr<"AccuracyKind", "what is promised of D", [
    I32EnumAttrCase<"Exact", 0, "exact">,
    I32EnumAttrCase<"Fast", 1, "fast">,
    I32EnumAttrCase<"Balanced", 2, "balanced">]> {
  let cppNamespace = "::dgemm";
}

// A parameter of this enum that is left out if it has this value.
class DGemm_DefaultedEnum<EnumInfo enumInfo, string value> : EnumParameter<enumInfo> {
  let defaultValue = value;
}

def DGemm_DivisorsAttr : AttrDef<DGemm_Dialect, "Divisors"> {
  let mnemonic = "divisors";
  let summary = "what dynamic sizes are promised to be multiples of";
  let description = [{
    Divisors are in elements. A divisor that is left out is 1, which promises nothing. `lda`, `ldb` and `ldd` are
    leading dimensions that are given at launch. A launch with a size that breaks the promise is refused.

    Example: `#dgemm.divisors<n = 8, k = 16>`.
  }];
  let parameters = (ins DefaultValuedParameter<"int64_t", "1">:$n, DefaultValuedParameter<"int64_t", "1">:$k,
                        DefaultValuedParameter<"int64_t", "1">:$lda, DefaultValuedParameter<"int64_t", "1">:$ldb,
                        DefaultValuedParameter<"int64_t", "1">:$ldd);
  let extraClassDeclaration = [{
    /// The divisors in the order of kSizeNames.
    std::array<int64_t, 7> getAll() const { return {1, getN(), getK(), 1, getLda(), getLdb(), getLdd()}; }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DGemm_ScaledAttr : AttrDef<DGemm_Dialect, "Scaled"> {
  let mnemonic = "scaled";
  let summary = "the elements of A or B, and how they are scaled";
  let description = [{
    Each block of `rows` rows and `k` columns has a scale. `full` stands for all rows, or for all of K.

    | block | a scale for each | shape of the scales |
    | --- | --- | --- |
    | `[1, 128]` | row and 128 columns | [ceil(K/128), rows] |
    | `[128, 128]` | block of 128 x 128 | [ceil(rows/128), ceil(K/128)] |
    | `[1, full]` | row (of A: a token; of B: a channel) | [1, rows] |
    | `[full, full]` | tensor | [1, 1] |

    Without a block, the operand has no scales, and its elements are used as they are.

    - C1: the elements are f8E4M3FN or f8E5M2, which wgmma takes in any combination (PTX ISA 9.0, wgmma.mma_async). The
      scales are f32.
    - C2: the block is one of these.

    Examples: `#dgemm.scaled<f8E4M3FN by [1, 128] of f32>`, the default of A, and `#dgemm.scaled<f8E4M3FN>`.
  }];
  let parameters = (ins "::mlir::Type":$element, DefaultValuedParameter<"int64_t", "ScaledAttr::kFull">:$rows,
                        DefaultValuedParameter<"int64_t", "ScaledAttr::kFull">:$k,
                        OptionalParameter<"::mlir::Type">:$scale);
  let extraClassDeclaration = [{
    /// Extent of a block that covers the whole dimension.
    static constexpr int64_t kFull = -1;
    bool hasScales() const { return !!getScale(); }
    /// True if each K block has its own scales; otherwise a scale is for all of K, or there are none.
    bool variesAlongK() const { return getK() != kFull; }
    bool isForEachRow() const { return getRows() == 1; }
    /// True if each K block has a scale for each row. TMA loads the scales of a tile with it, if their strides allow.
    bool isForEachRowOfKBlock() const { return isForEachRow() && variesAlongK(); }
    /// The defaults. A: a scale for each row and 128 columns. B: a scale for each block of 128 x 128.
    static ScaledAttr getOfA(::mlir::MLIRContext *context);
    static ScaledAttr getOfB(::mlir::MLIRContext *context);
    static ScaledAttr getWithoutScales(::mlir::Type element) {
      return get(element.getContext(), element, kFull, kFull, ::mlir::Type());
    }
    /// The number of scales along the rows that a tile of `tileRows` rows can overlap. Tiles start at multiples of
    /// `tileRows`.
    int64_t getScalesOfTile(int64_t tileRows) const {
      return getRows() == kFull ? 1 : getScaleBlocksOfTile(tileRows, getRows());
    }
  }];
  let assemblyFormat = "`<` $element (`by` custom<Granularity>($rows, $k) `of` $scale^)? `>`";
  let genVerifyDecl = 1;
}

def DGemm_QuantizedAttr : AttrDef<DGemm_Dialect, "Quantized"> {
  let mnemonic = "quantized";
  let summary = "how D is quantised";
  let description = [{
    Each block of `rows` rows and `columns` columns of D has a scale, which the kernel computes from the elements. The
    scale of a block is its largest magnitude, at least 1e-4, times the reciprocal of the largest number of D's type. An
    element is multiplied by the reciprocal of its scale and rounded to D's type. All operations round to nearest. If an
    element is NaN, the scale and the whole block are NaN.

    Scales have the shape [ceil(columns of D / 128), rows of D], as those of A by [1, 128], with groups in front.

    - C1: the block is [1, 128], and scales are f32.

    Example: `#dgemm.quantized<by [1, 128] of f32>`.
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::mlir::Type":$scale);
  let assemblyFormat = "`<` `by` custom<Granularity>($rows, $columns) `of` $scale `>`";
  let genVerifyDecl = 1;
}

def DGemm_EpilogueOperandAttr : AttrDef<DGemm_Dialect, "EpilogueOperand"> {
  let mnemonic = "epilogue_operand";
  let summary = "an operand of an epilogue";
  let description = [{
    `along` says what the operand has a value for, which gives its shape:

    | along | a value for each | dense | contiguous | masked |
    | --- | --- | --- | --- | --- |
    | `n` | column of D | [N] | [G, N] | [G, N] |
    | `m` | row of D | [M] | [M] | [G, M] |
    | `mn` | element of D | [M, N] | [M, N] | [G, M, N] |
    | `g` | group | | [G] | [G] |
    | `none` | problem | [1] | [1] | [1] |

    `name` is the name of the operand in a launch descriptor.

    - C1: elements are f32, bf16 or f16.
    - C2: the name is a letter or _, followed by letters, digits and _. It is not the name of another kind of operand.

    Example: `#dgemm.epilogue_operand<name = "bias", along = n, element = f32>`.
  }];
  let parameters = (ins StringRefParameter<"in launch descriptors">:$name, EnumParameter<DGemm_EpilogueAxis>:$along,
                        "::mlir::Type":$element);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def DGemm_EpilogueStepAttr : AttrDef<DGemm_Dialect, "EpilogueStep"> {
  let mnemonic = "epilogue_step";
  let summary = "an op of an epilogue";
  let description = [{
    `args` are the numbers of the values that the op takes (see `#dgemm.epilogue`). `value` is the value of an
    `arith.constant` or the predicate of an `arith.cmpf`. `fastmath` has the flags of the op, in the spelling of the
    arith dialect.

    Example: `#dgemm.epilogue_step<op = "math.tanh", args = [0], fastmath = "afn">`.
  }];
  let parameters = (ins StringRefParameter<"name of the op">:$op, OptionalParameter<"::mlir::DenseI64ArrayAttr">:$args,
                        OptionalParameter<"::mlir::Attribute">:$value,
                        StringRefParameter<"flags", "\"\"">:$fastmath);
  let builders = [AttrBuilder<(ins "::llvm::StringRef":$op, "::llvm::ArrayRef<int64_t>":$args,
                                   "::mlir::Attribute":$value, "::llvm::StringRef":$fastmath), [{
    auto numbers = args.empty() ? ::mlir::DenseI64ArrayAttr() : ::mlir::DenseI64ArrayAttr::get($_ctxt, args);
    return $_get($_ctxt, op, numbers, value, fastmath);
  }]>];
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<int64_t> getArgNumbers() const {
      return getArgs() ? getArgs().asArrayRef() : ::llvm::ArrayRef<int64_t>();
    }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
}

def DGemm_EpilogueAttr : AttrDef<DGemm_Dialect, "Epilogue"> {
  let mnemonic = "epilogue";
  let summary = "what becomes of a sum before it is stored";
  let description = [{
    The attribute holds the epilogue region of a `dgemm.gemm` as data. Values have numbers: 0 is the scaled sum, then
    come the operands, and then one value for each op. `result` is the number of the value that is stored. With `gated`
    there are two sums, 0 and 1: those of column n and of column N/2 + n of B.

    - C1: there are at most 8 operands, with distinct names.
    - C2: an op takes only values that come before it, and `result` is the number of a value.

    Example:
    ```mlir
    #dgemm.epilogue<operands = [<name = "bias", along = n, element = f32>],
                    ops = [<op = "arith.addf", args = [0, 1]>], result = 2>
    ```
  }];
  let parameters = (ins OptionalArrayRefParameter<"::dgemm::EpilogueOperandAttr">:$operands,
                        OptionalArrayRefParameter<"::dgemm::EpilogueStepAttr">:$ops, "int64_t":$result,
                        DefaultValuedParameter<"bool", "false">:$gated);
  let extraClassDeclaration = [{
    static constexpr unsigned kMaxOperands = 8;
    int64_t getNumSums() const { return getGated() ? 2 : 1; }
    /// The number of values before the first op: sums and operands.
    int64_t getNumArguments() const { return getNumSums() + static_cast<int64_t>(getOperands().size()); }
  }];
  let assemblyFormat = [{
    `<` (`operands` `=` `[` $operands^ `]` `,` ` `)? (`ops` `=` `[` $ops^ `]` `,` ` `)? `result` `=` $result (`,` `gated` `=` $gated^)? `>`
  }];
  let genVerifyDecl = 1;
}

def DGemm_ProblemAttr : AttrDef<DGemm_Dialect, "Problem"> {
  let mnemonic = "problem";
  let summary = "what a kernel computes";
  let description = [{
    The attribute is derived from the operand types and attributes of a `dgemm.gemm`. A `dgemm.kernel` and the launch
    attribute carry it. Types of operands, tensor maps, addresses, the choice of the config and the launch descriptor
    all follow from it.

    | field | meaning |
    | --- | --- |
    | `sizes` | M, N and K, and G if there are groups; -1 for a size that is given at launch |
    | `layout` | how the rows are grouped; `dense` if left out |
    | `strides` | strides of the operands that are not packed, in elements, -1 for `?` (see `dgemm.gemm`) |
    | `divisors` | what dynamic sizes are multiples of |
    | `lhs`, `rhs` | the elements of A and B and their scales |
    | `out` | the elements of D |
    | `quantized` | the scales of an FP8 D; not given for other types |
    | `accuracy` | `exact`: each partial sum over 128 of K is promoted to f32; `balanced`: one over 256 at most; `fast`: the tensor cores sum along all of K; `exact` if left out |
    | `pdl` | whether programmatic dependent launch is requested; false if left out |
    | `epilogue` | what is computed from the sums before they are stored; nothing if left out |
    | `alignment` | for the layouts `offsets` and `k_grouped`: the first row, or column of K, of each group is a multiple of it; 1 if left out |
    | `accumulate` | whether the product is added to D; false if left out |

    - C1: sizes are 1 to 2147483647, or -1.
    - C2: strides are at least 1, or -1. The innermost stride of A, B and D is 1; that of scales is static.
    - C3: `fast` and `balanced` require that no scales vary along K.
    - C4: D is bf16, f16 or f32, or with `quantized` f8E4M3FN or f8E5M2. (`out` is bf16 if left out. `lhs` is scaled
      by [1, 128] if left out, `rhs` by [128, 128].)
    - C5: an operand of the epilogue along `g` requires a grouped layout.
    - C6: with a gated epilogue, B is scaled by [128, 128] and N is a multiple of 256, or B is scaled by [full, full]
      or not at all and N is a multiple of 2. `divisors` promise this of a dynamic N.
    - C7: `alignment` is at least 1. It is a multiple of 128 for `k_grouped`, and 1 for layouts other than `offsets` and
      `k_grouped`.
    - C8: an epilogue requires a dense, contiguous, masked or batched layout, and no `accumulate`.
    - C9: `quantized` comes without `accumulate` and `k_grouped`.

    Example: `#dgemm.problem<sizes = [-1, 384, 512], strides = {a = array<i64: 1024, 1>}>`.
  }];
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$sizes, DGemm_DefaultedEnum<DGemm_Layout, "Layout::Dense">:$layout,
                        OptionalParameter<"::mlir::DictionaryAttr">:$strides,
                        OptionalParameter<"::dgemm::DivisorsAttr">:$divisors,
                        DefaultValuedParameter<"::dgemm::ScaledAttr", "ScaledAttr::getOfA($_ctxt)">:$lhs,
                        DefaultValuedParameter<"::dgemm::ScaledAttr", "ScaledAttr::getOfB($_ctxt)">:$rhs,
                        DefaultValuedParameter<"::mlir::Type", "::mlir::BFloat16Type::get($_ctxt)">:$out,
                        DGemm_DefaultedEnum<DGemm_AccuracyKind, "AccuracyKind::Exact">:$accuracy,
                        DefaultValuedParameter<"bool", "false">:$pdl,
                        DefaultValuedParameter<"int64_t", "1">:$alignment,
                        DefaultValuedParameter<"bool", "false">:$accumulate,
                        OptionalParameter<"::dgemm::EpilogueAttr">:$epilogue,
                        OptionalParameter<"::dgemm::QuantizedAttr">:$quantized);
  let builders = [AttrBuilder<(ins "Layout":$layout, "::llvm::ArrayRef<int64_t>":$sizes,
                                   "::mlir::DictionaryAttr":$strides, "DivisorsAttr":$divisors)>];
  let extraClassDeclaration = [{
    /// A problem all of whose sizes are dynamic.
    static ProblemAttr getSymbolic(Layout layout, ScaledAttr lhs, ScaledAttr rhs, ::mlir::Type out,
                                   EpilogueAttr epilogue, QuantizedAttr quantized);
    /// The scaling of A, B or a quantised D; `operand` is one of these or its scales.
    ScaledAttr getScaledOf(Operand operand) const;
    /// Scales of A that a stage holds before the first one of a tile. A TMA box starts at a multiple of 16 bytes, so
    /// where a group may start at any row, the box of a tile's scales may start up to 3 rows before.
    int64_t getScalesBeforeTile() const;
    /// The operand that says where groups lie; none for a dense layout.
    static ::std::optional<Operand> getGroupOperand(Layout layout);
    /// The operands in order.
    ::llvm::SmallVector<Operand> getOperands() const;
    /// The operand that says where the groups lie; none for a dense problem.
    ::std::optional<Operand> getGroupsOperand() const { return getGroupOperand(getLayout()); }
    /// The operand of the epilogue that `operand` is; null for any other operand.
    EpilogueOperandAttr getEpilogueOperand(Operand operand) const;
    /// True if the epilogue is gated: D then has half as many columns as B has rows, each made from two sums.
    bool isGated() const { return getEpilogue() && getEpilogue().getGated(); }
    /// The number of columns of D that `columns` columns of the sum give; -1 stays -1.
    int64_t getColumnsOfD(int64_t columns) const { return isGated() && columns > 0 ? columns / 2 : columns; }
    /// Scales of B along `rows` rows of a tile. With a gated epilogue, they are those of each half of the tile.
    int64_t getScalesOfTileOfB(int64_t rows) const;
    bool hasOperand(Operand operand) const { return ::llvm::is_contained(getOperands(), operand); }
    /// Explicit strides in elements, -1 for `?`; empty for an operand that is packed.
    ::llvm::ArrayRef<int64_t> getStridesOf(Operand operand) const;
    ::mlir::Type getElementOf(Operand operand) const;
    /// Names of the sizes that are given at launch, from kSizeNames.
    ::llvm::SmallVector<::llvm::StringRef> getDynamicSizes() const;
    int64_t getM() const { return getSizes()[0]; }
    int64_t getN() const { return getSizes()[1]; }
    int64_t getK() const { return getSizes()[2]; }
    /// 1 for a dense problem.
    int64_t getNumGroups() const { return getLayout() == Layout::Dense ? 1 : getSizes()[3]; }
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // DGEMM_IR_PROBLEM
