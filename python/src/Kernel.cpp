//===- Kernel.cpp - A compiled kernel as seen from Python -----------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Kernel.h"
#include "Bindings.h"
#include "TensorView.h"
#include "dgemm/Analysis/Machine.h"
#include "llvm/Support/FormatVariadic.h"
#include <chrono>
#include <cstring>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unordered_map.h>
#include <nanobind/stl/vector.h>

using namespace dgemm;
using namespace dgemm::python;

using SizeMap = std::unordered_map<std::string, int64_t>;

static Sizes toSizes(const SizeMap &map) {
  Sizes sizes;
  for (const auto &[name, value] : map)
    sizes[name] = value;
  return sizes;
}

static std::shared_ptr<Kernel> makeKernel(std::string ptx, nb::bytes cubin, const std::string &launch) {
  KernelImage image;
  image.ptx = std::move(ptx);
  image.cubin.assign(cubin.c_str(), cubin.size());
  image.launch = take(LaunchDescriptor::fromJSON(launch));
  return std::make_shared<Kernel>(std::move(image));
}

static std::shared_ptr<Launch> prepare(const std::shared_ptr<Kernel> &kernel, int device, const SizeMap &sizes,
                                       int64_t maxMultiprocessors) {
  nb::gil_scoped_release release;
  auto launch = std::make_shared<Launch>();
  launch->kernel = kernel;
  launch->cuda = take(kernel->cuda.prepare(device, toSizes(sizes), maxMultiprocessors));
  return launch;
}

/// (operand, address, bytes)
using Buffer = std::tuple<std::string, uint64_t, uint64_t>;

namespace {
/// A check of the emulator stopped a kernel.
struct HazardError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Ends a run after a signal, such as Ctrl-C, or when its time is over.
class Watch {
public:
  explicit Watch(double seconds) : seconds(seconds) {}

  /// On the thread that runs, without the GIL.
  bool goesOn() {
    isLate = seconds > 0 && std::chrono::steady_clock::now() - start > std::chrono::duration<double>(seconds);
    if (isLate)
      return false;
    nb::gil_scoped_acquire gil;
    isInterrupted = PyErr_CheckSignals() != 0;
    return !isInterrupted;
  }
  /// Raises the exception of the signal or the time limit, if one ended the run.
  void raise() const {
    if (isLate)
      PyErr_SetString(
          PyExc_TimeoutError,
          llvm::formatv("the kernel ran longer than {0:f2} s on the emulator and was stopped", seconds).str().c_str());
    if (isLate || isInterrupted)
      throw nb::python_error();
  }

private:
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  double seconds;
  bool isLate = false, isInterrupted = false;
};
} // namespace

/// Parsed on first use.
static const emulator::Program &getProgram(Kernel &kernel) {
  const KernelImage &image = kernel.cuda.getImage();
  std::lock_guard<std::mutex> lock(kernel.mutex);
  if (!kernel.program)
    kernel.program = take(emulator::Program::parse(image.ptx, image.launch.entry));
  return *kernel.program;
}

/// Runs on the CPU; returns the counts of the emulator's report.
static nb::dict emulate(Kernel &kernel, const SizeMap &given, const std::vector<Buffer> &operands, uint64_t seed,
                        int64_t multiprocessors, double timeout) {
  const LaunchDescriptor &launch = kernel.cuda.getImage().launch;
  std::vector<emulator::HostBuffer> buffers;
  for (const auto &[operand, address, bytes] : operands)
    buffers.push_back({operand, reinterpret_cast<void *>(uintptr_t(address)), bytes, 0});
  llvm::Expected<Sizes> sizes = launch.bindSizes(toSizes(given));
  if (!sizes)
    throw nb::value_error(llvm::toString(sizes.takeError()).c_str());
  Watch watch(timeout);
  emulator::Options options;
  options.seed = seed;
  options.multiprocessors = multiprocessors;
  options.progress = [&](const emulator::Progress &) { return watch.goesOn(); };
  llvm::Expected<emulator::Report> report = [&]() -> llvm::Expected<emulator::Report> {
    nb::gil_scoped_release release;
    return emulator::run(getProgram(kernel), launch, *sizes, buffers, options);
  }();
  if (!report) {
    std::string message = llvm::toString(report.takeError());
    watch.raise();
    throw std::runtime_error(message);
  }
  if (report->hazard)
    throw HazardError("the emulator stopped the kernel: " + report->hazard->str());
  nb::dict result;
  result["warp_instructions"] = report->warpInstructions;
  result["wgmmas"] = report->wgmmas;
  result["ctas"] = report->ctas;
  result["seconds"] = report->seconds;
  return result;
}

static nb::dict describeDevice(int device) {
  CudaDeviceInfo info = [&] {
    nb::gil_scoped_release release;
    return take(getCudaDeviceInfo(device));
  }();
  nb::dict result;
  result["name"] = info.name;
  result["capability"] = std::pair(info.major, info.minor);
  result["multiprocessors"] = info.multiprocessors;
  const Machine *machine = Machine::findGpu(info.name);
  result["machine"] = (machine ? *machine : Machine::getDefault()).name;
  result["shared_memory_per_cta"] = info.maxSharedMemory;
  return result;
}

void dgemm::python::bindKernel(nb::module_ &module) {
  nb::class_<Launch>(module, "Launch", "A kernel prepared for one combination of sizes on one device.")
      .def_prop_ro("grid", [](const Launch &self) { return self.cuda->getGrid(); })
      .def(
          "launch",
          [](Launch &self, const std::vector<uint64_t> &addresses, uint64_t stream) {
            nb::gil_scoped_release release;
            check(self.cuda->launch(addresses, reinterpret_cast<void *>(uintptr_t(stream))));
          },
          nb::arg("addresses"), nb::arg("stream"),
          "Queues one launch on a CUstream; addresses in the order of the kernel's operands.");

  nb::class_<Kernel>(module, "Kernel", "A compiled kernel.")
      .def(nb::new_(&makeKernel), nb::arg("ptx"), nb::arg("cubin"), nb::arg("launch"))
      .def_prop_ro("operands",
                   [](const Kernel &self) {
                     std::vector<std::string> names;
                     for (const OperandInfo &operand : self.cuda.getImage().launch.operands)
                       names.push_back(operand.name);
                     return names;
                   })
      .def(
          "load",
          [](Kernel &self, int device) {
            nb::gil_scoped_release release;
            check(self.cuda.load(device));
          },
          nb::arg("device"), "Loads the kernel into a device unless it is loaded.")
      .def("prepare", &prepare, nb::arg("device"), nb::arg("sizes"), nb::arg("max_multiprocessors") = 0)
      .def("emulate", &emulate, nb::arg("sizes"), nb::arg("buffers"), nb::arg("seed") = 1,
           nb::arg("multiprocessors") = 132, nb::arg("timeout") = 0.0);
  nb::exception<HazardError>(module, "HazardError", PyExc_RuntimeError).attr("__doc__") =
      "A check of the emulator stopped a kernel: an access out of bounds or out of order, a barrier that nobody "
      "reaches. "
      "Values of the operands can cause it, such as a label without a group.";

  module.def("driver_version", [] {
    nb::gil_scoped_release release;
    return take(getCudaDriverVersion());
  });
  module.def("device_count", [] {
    nb::gil_scoped_release release;
    return take(countCudaDevices());
  });
  module.def("device_info", &describeDevice, nb::arg("device"));
  module.def(
      "zero",
      [](const TensorView &view, uint64_t rows, uint64_t rowBytes, uint64_t pitchBytes, uint64_t stream) {
        nb::gil_scoped_release release;
        if (view.device.type == dlpack::kCUDA)
          return check(zeroCudaMemory(view.device.id, view.address, rows, rowBytes, pitchBytes,
                                      reinterpret_cast<void *>(uintptr_t(stream))));
        for (uint64_t row = 0; row < rows; ++row)
          std::memset(reinterpret_cast<char *>(uintptr_t(view.address)) + row * pitchBytes, 0, rowBytes);
      },
      nb::arg("view"), nb::arg("rows"), nb::arg("row_bytes"), nb::arg("pitch_bytes"), nb::arg("stream"),
      "Writes zeros into rows of a tensor, on a CUstream for one of a GPU.");
  module.def(
      "synchronize",
      [](int device, uint64_t stream) {
        nb::gil_scoped_release release;
        check(synchronizeCudaStream(device, reinterpret_cast<void *>(uintptr_t(stream))));
      },
      nb::arg("device"), nb::arg("stream"));
}
