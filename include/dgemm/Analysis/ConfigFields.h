//===- ConfigFields.h - Partial configs -*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Configs as plain data, without IR. Nothing here names a field: the table of fields is
// dialects/dgemm/IR/DGemmConfig.td.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_ANALYSIS_CONFIGFIELDS_H
#define DGEMM_ANALYSIS_CONFIGFIELDS_H

#include "dgemm/IR/DGemm.h"
#include "llvm/Support/Error.h"
#include <optional>

namespace dgemm {

/// Fields of #dgemm.config, each given or open.
struct ConfigFields {
  TileAttr::Fields tile;
  OrderAttr::Fields order;
  ScheduleAttr::Fields schedule;
  LoadsAttr::Fields loads;

  ConfigFields() = default;
  /// All fields of `config`.
  explicit ConfigFields(ConfigAttr config);

  /// Reads "block = 128x192x128, stages = 4": fields of any part in any order, also within their part as in
  /// "tile = <tile = <block = 128x192x128>>", with or without < > around all. Error: an unknown or repeated field, or a
  /// malformed value.
  static llvm::Expected<ConfigFields> parse(llvm::StringRef text);
  /// True if every given field has that value in `config`.
  bool match(ConfigAttr config) const;
  /// The config of these fields; fields that are not given have their default. Null after an error: it is not legal, or
  /// a field without a default is not given.
  ConfigAttr get(llvm::function_ref<mlir::InFlightDiagnostic()> emitError, mlir::MLIRContext *context) const;

  /// Calls `visit` for each field with a ConfigField and its value in each of `configs`, optionals of one type.
  template <typename Visit, typename... All>
  static void forEach(Visit visit, All &...configs) {
    TileAttr::Fields::forEach(visit, configs.tile...);
    OrderAttr::Fields::forEach(visit, configs.order...);
    ScheduleAttr::Fields::forEach(visit, configs.schedule...);
    LoadsAttr::Fields::forEach(visit, configs.loads...);
  }
};

/// A line for each field: its name and what it means.
std::string describeConfigFields();

/// True for "<tile = <tile = <block = 128x192x128>>, ...>", the text of a complete #dgemm.config: fields that it does
/// not give have their default, while ConfigFields leaves them open.
bool isWholeConfig(llvm::StringRef text);
/// Reads such a text. Null after an error: it is malformed or not a legal config.
ConfigAttr parseWholeConfig(llvm::function_ref<mlir::InFlightDiagnostic()> emitError, mlir::MLIRContext *context,
                            llvm::StringRef text);

} // namespace dgemm

#endif // DGEMM_ANALYSIS_CONFIGFIELDS_H
