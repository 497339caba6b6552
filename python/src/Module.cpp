//===- Module.cpp - The extension module dgemm._dgemm ---------------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Bindings.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include <link.h>

/// The ID that the linker gave to this module, in hexadecimal: it tells cached kernels of other builds apart. Empty if
/// there is none.
static std::string getBuildID() {
  std::string id;
  auto visit = [](dl_phdr_info *object, size_t, void *data) -> int {
    auto isIn = [&](const ElfW(Phdr) & segment, uintptr_t address) {
      uintptr_t start = object->dlpi_addr + segment.p_vaddr;
      return segment.p_type == PT_LOAD && address >= start && address < start + segment.p_memsz;
    };
    llvm::ArrayRef segments(object->dlpi_phdr, object->dlpi_phnum);
    if (llvm::none_of(segments, [&](auto &segment) { return isIn(segment, reinterpret_cast<uintptr_t>(&getBuildID)); }))
      return 0;
    for (const ElfW(Phdr) &segment : segments) {
      if (segment.p_type != PT_NOTE)
        continue;
      const char *at = reinterpret_cast<const char *>(object->dlpi_addr + segment.p_vaddr);
      const char *end = at + segment.p_memsz;
      while (at + sizeof(ElfW(Nhdr)) <= end) {
        const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
        const char *name = at + sizeof(*note), *content = name + llvm::alignTo(note->n_namesz, 4);
        if (note->n_type == NT_GNU_BUILD_ID && llvm::StringRef(name, 3) == "GNU")
          *static_cast<std::string *>(data) = llvm::toHex(llvm::StringRef(content, note->n_descsz), /*LowerCase=*/true);
        at = content + llvm::alignTo(note->n_descsz, 4);
      }
    }
    return 1;
  };
  dl_iterate_phdr(visit, &id);
  return id;
}

NB_MODULE(_dgemm, module) {
  // A dispatcher and the Python object that it calls refer to each other until the process ends.
  nanobind::set_leak_warnings(false);
  module.doc() = "Compiler, CUDA launches and emulator of dgemm; the package dgemm is the interface to use.";
  module.attr("__version__") = DGEMM_VERSION;
  std::string id = getBuildID();
  module.attr("build_id") = nanobind::str(id.data(), id.size());
  dgemm::python::bindCompiler(module);
  dgemm::python::bindKernel(module);
  dgemm::python::bindTensor(module);
  dgemm::python::bindDispatcher(module);
  dgemm::python::bindJax(module);
}
