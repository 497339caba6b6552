//===- Bindings.h - Parts of the extension module ---------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_PYTHON_BINDINGS_H
#define DGEMM_PYTHON_BINDINGS_H

#include "llvm/Support/Error.h"
#include <nanobind/nanobind.h>
#include <stdexcept>

namespace dgemm::python {

namespace nb = nanobind;

/// Each adds its part to the module. No exception passes through frames of LLVM, which is built without exceptions.
void bindCompiler(nb::module_ &module);
void bindKernel(nb::module_ &module);
void bindTensor(nb::module_ &module);
void bindDispatcher(nb::module_ &module);
void bindJax(nb::module_ &module);

/// Raises RuntimeError; needs no GIL.
inline void check(llvm::Error error) {
  if (error)
    throw std::runtime_error(llvm::toString(std::move(error)));
}
template <typename T>
T take(llvm::Expected<T> value) {
  if (!value)
    throw std::runtime_error(llvm::toString(value.takeError()));
  return std::move(*value);
}

} // namespace dgemm::python

#endif // DGEMM_PYTHON_BINDINGS_H
