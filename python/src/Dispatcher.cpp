//===- Dispatcher.cpp - From tensors to a prepared launch, quickly ---------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

//
// Launches calls with tensors whose shapes, strides, types and devices have been seen before, without further checks.
// Any other call goes to a Python function, which checks its arguments, finds or compiles the kernel, and adds the
// launch here.
//
//===----------------------------------------------------------------------===//

#include "Bindings.h"
#include "Kernel.h"
#include "TensorView.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/xxhash.h"
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <optional>
#include <unordered_map>
#include <vector>

using namespace dgemm;
using namespace dgemm::python;

namespace {

/// a, scale_a, b, scale_b, d, m_indices, masked_m or offsets, those of an epilogue, and scale_d: in the order of the
/// descriptor's operands.
constexpr size_t kGroupsOperand = 5, kMaxOperands = 15;
using Operands = llvm::SmallVector<nb::handle, kMaxOperands>;
/// Of the base addresses of all operands but the groups, as the launch descriptor wants it
/// (docs/launch-descriptor.md).
constexpr uint64_t kAlignment = 16;

/// The key of a call: everything except the addresses.
struct Call {
  llvm::SmallVector<uint64_t, kMaxOperands> addresses;
  llvm::SmallVector<int64_t, 64> facts;
  int device = 0;
  bool isAligned = true;

  void add(const TensorView &view, bool mustAlign) {
    isAligned &= !mustAlign || view.address % kAlignment == 0;
    addresses.push_back(view.address);
    device = view.device.id;
    facts.push_back(int64_t(view.dtype.code) << 32 | int64_t(view.dtype.bits) << 24 | view.ndim);
    facts.push_back(int64_t(view.device.type) << 32 | view.device.id);
    facts.append(view.shape, view.shape + view.ndim);
    facts.append(view.strides, view.strides + view.ndim);
  }
  uint64_t getHash() const {
    return llvm::xxh3_64bits(llvm::ArrayRef(reinterpret_cast<const uint8_t *>(facts.data()), facts.size() * 8));
  }
};

class Dispatcher {
public:
  explicit Dispatcher(nb::callable onMiss) : onMiss(std::move(onMiss)) {}

  nb::object call(nb::handle a, nb::handle scaleA, nb::handle b, nb::handle scaleB, nb::handle d, nb::handle groups,
                  nb::handle expectedM) {
    return callAll({a, scaleA, b, scaleB, d, groups}, expectedM, {});
  }
  /// With operands of an epilogue.
  nb::object callWith(nb::handle a, nb::handle scaleA, nb::handle b, nb::handle scaleB, nb::handle d, nb::handle groups,
                      nb::handle expectedM, const nb::tuple &others) {
    return callAll(join({a, scaleA, b, scaleB, d, groups}, others), expectedM, others);
  }

  nb::object callAll(const Operands &operands, nb::handle expectedM, const std::optional<nb::tuple> &others) {
    nb::handle a = operands[0];
    const TensorReader *reader = TensorReader::find(Py_TYPE(a.ptr()));
    Call call;
    void *stream = nullptr;
    int64_t rows;
    if (reader && readInteger(expectedM, rows) && gather(operands, rows, call) && call.isAligned)
      if (std::shared_ptr<Launch> launch = find(call); launch && reader->getCurrentStream(call.device, stream)) {
        run(*launch, call, stream);
        return nb::none();
      }
    const Operands &o = operands;
    return onMiss(o[0], o[1], o[2], o[3], o[4], o[5], expectedM, others.value_or(nb::tuple()));
  }

  /// The same for views, on a given stream. False if no such launch has been added.
  bool callOn(nb::handle a, nb::handle scaleA, nb::handle b, nb::handle scaleB, nb::handle d, nb::handle groups,
              int64_t expectedM, uint64_t stream, const nb::tuple &others) {
    Call call;
    if (!gather(join({a, scaleA, b, scaleB, d, groups}, others), expectedM, call))
      return false;
    std::shared_ptr<Launch> launch = find(call);
    if (launch)
      run(*launch, call, reinterpret_cast<void *>(uintptr_t(stream)));
    return bool(launch);
  }

  void add(nb::handle a, nb::handle scaleA, nb::handle b, nb::handle scaleB, nb::handle d, nb::handle groups,
           int64_t expectedM, std::shared_ptr<Launch> launch, const nb::tuple &others) {
    Call call;
    if (!gather(join({a, scaleA, b, scaleB, d, groups}, others), expectedM, call))
      throw nb::value_error("views of all operands are needed");
    if (count >= kMaxLaunches)
      clear();
    std::vector<Slot> &slots = launches[call.getHash()];
    for (Slot &slot : slots)
      if (llvm::ArrayRef(slot.facts) == llvm::ArrayRef(call.facts)) {
        slot.launch = std::move(launch);
        return;
      }
    slots.push_back({std::vector<int64_t>(call.facts.begin(), call.facts.end()), std::move(launch)});
    ++count;
  }

  void clear() {
    launches.clear();
    count = 0;
  }
  size_t size() const { return count; }

private:
  struct Slot {
    std::vector<int64_t> facts;
    std::shared_ptr<Launch> launch;
  };
  /// Bounds the memory of a process in which no shape repeats; a launch needs about 2 KB.
  static constexpr size_t kMaxLaunches = 8192;

  /// False for a value that is not a Python integer of 64 bits; `onMiss` then reports the error.
  static bool readInteger(nb::handle object, int64_t &value) {
    if (!PyLong_CheckExact(object.ptr()))
      return false;
    int overflow = 0;
    value = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
    return overflow == 0;
  }

  static Operands join(Operands operands, const nb::tuple &others) {
    for (nb::handle other : others)
      operands.push_back(other);
    return operands;
  }

  static bool gather(const Operands &operands, int64_t expectedM, Call &call) {
    call.facts.push_back(expectedM);
    for (auto [index, operand] : llvm::enumerate(operands)) {
      if (operand.is_none())
        continue;
      TensorView view;
      const TensorReader *reader = TensorReader::find(Py_TYPE(operand.ptr()));
      if (!reader || !reader->read(operand.ptr(), view))
        return false;
      call.add(view, /*mustAlign=*/index != kGroupsOperand);
    }
    return true;
  }

  std::shared_ptr<Launch> find(const Call &call) const {
    auto it = launches.find(call.getHash());
    if (it != launches.end())
      for (const Slot &slot : it->second)
        if (llvm::ArrayRef(slot.facts) == llvm::ArrayRef(call.facts))
          return slot.launch;
    return nullptr;
  }

  static void run(Launch &launch, const Call &call, void *stream) {
    // A full queue blocks, and a host callback that needs the GIL may have to empty it.
    nb::gil_scoped_release release;
    check(launch.cuda->launch(call.addresses, stream));
  }

  nb::callable onMiss;
  /// Under the GIL.
  std::unordered_map<uint64_t, std::vector<Slot>> launches;
  size_t count = 0;
};

} // namespace

void dgemm::python::bindDispatcher(nb::module_ &module) {
  nb::class_<Dispatcher>(module, "Dispatcher",
                         "Launches calls that it has seen before and passes all others to `on_miss`.")
      .def(nb::init<nb::callable>(), nb::arg("on_miss"))
      .def("__call__", &Dispatcher::call, nb::arg("a").none(), nb::arg("scale_a").none(), nb::arg("b").none(),
           nb::arg("scale_b").none(), nb::arg("d").none(), nb::arg("groups").none(), nb::arg("expected_m").none())
      .def("call_with", &Dispatcher::callWith, nb::arg("a").none(), nb::arg("scale_a").none(), nb::arg("b").none(),
           nb::arg("scale_b").none(), nb::arg("d").none(), nb::arg("groups").none(), nb::arg("expected_m").none(),
           nb::arg("others"), "A call with the operands of an epilogue, and the scales of D.")
      .def("launch", &Dispatcher::callOn, nb::arg("a").none(), nb::arg("scale_a").none(), nb::arg("b").none(),
           nb::arg("scale_b").none(), nb::arg("d").none(), nb::arg("groups").none(), nb::arg("expected_m"),
           nb::arg("stream"), nb::arg("others") = nb::tuple())
      .def("add", &Dispatcher::add, nb::arg("a").none(), nb::arg("scale_a").none(), nb::arg("b").none(),
           nb::arg("scale_b").none(), nb::arg("d").none(), nb::arg("groups").none(), nb::arg("expected_m"),
           nb::arg("launch"), nb::arg("others") = nb::tuple())
      .def("clear", &Dispatcher::clear)
      .def("__len__", &Dispatcher::size);
}
