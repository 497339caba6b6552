//===- TensorView.h - Where a tensor lies and how ----------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PYTHON_TENSORVIEW_H
#define DGEMM_PYTHON_TENSORVIEW_H

#include "DLPack.h"
#include <nanobind/nanobind.h>
#include <string>

namespace dgemm::python {

/// A tensor of another library, not owned.
struct TensorView {
  /// No operand has more.
  static constexpr int kMaxRank = 4;

  uint64_t address = 0;
  dlpack::Device device = {dlpack::kCUDA, 0};
  dlpack::DataType dtype = {dlpack::kFloat, 32, 1};
  int ndim = 0;
  int64_t shape[kMaxRank] = {};
  /// In elements.
  int64_t strides[kMaxRank] = {};

  /// "float8_e4m3fn", "bfloat16", "int32", ...
  std::string getTypeName() const;
  /// "cuda:0", "cpu"
  std::string getDeviceName() const;
};

/// A reader of the tensors of one Python type.
class TensorReader {
public:
  virtual ~TensorReader() = default;
  /// False, without a Python error, if `object` cannot be read this way.
  virtual bool read(PyObject *object, TensorView &view) const = 0;
  /// The current stream, a CUstream, of the library; false as above.
  virtual bool getCurrentStream(int device, void *&stream) const = 0;

  /// The reader for objects of exactly this type, null if there is no fast one. Cached per type.
  static const TensorReader *find(PyTypeObject *type);
};

} // namespace dgemm::python

#endif // DGEMM_PYTHON_TENSORVIEW_H
