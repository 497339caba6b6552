//===- Device.h - What runs a kernel ----------------------------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device runs kernels: a GPU, or the emulator.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_RUNTIME_DEVICE_H
#define DGEMM_RUNTIME_DEVICE_H

#include "dgemm/Runtime/GemmInputs.h"
#include <memory>
#include <optional>

namespace dgemm {

/// A compiled kernel: PTX, a cubin, or both.
struct KernelImage {
  std::string ptx;
  std::string cubin;
  LaunchDescriptor launch;

  /// Reads a cubin (ELF) or PTX file and a launch descriptor. Error: unreadable, or neither a cubin nor PTX.
  static llvm::Expected<KernelImage> read(llvm::StringRef imagePath, llvm::StringRef launchPath);
};

/// Exact: in f32. Hopper: with about 14 bits, as the tensor core of an H100 does.
enum class AccumulatorModel { Exact, Hopper };

/// A launch on a GPU that takes longer probably hangs.
constexpr double kLaunchTimeoutSeconds = 20;

struct RunOptions {
  /// Longest time that one launch may take. Not given: kLaunchTimeoutSeconds on a GPU, no limit on the emulator.
  std::optional<double> timeoutSeconds;
  /// Timed launches; 0 for none.
  unsigned repeat = 0;
  /// Bytes written before each timed launch, so that it finds a cold L2; 0 for four times the L2, at least 256 MiB.
  uint64_t flushBytes = 0;
  /// Emulator: seeds the order of warps and the delays of asynchronous work.
  uint64_t seed = 0;
  /// Emulator: diverged lanes of a warp reconverge only at .sync instructions.
  bool independentLanes = false;
  /// Emulator: how wgmma sums.
  AccumulatorModel accumulator = AccumulatorModel::Hopper;
  /// Emulator: writes a Chrome trace to this file; empty for none.
  std::string tracePath;
};

/// Clocks and power in the middle of a timed loop by NVML; 0 if unknown.
struct Telemetry {
  unsigned smMHz = 0, memoryMHz = 0, maxSmMHz = 0, milliwatts = 0, celsius = 0;
};

struct Timing {
  /// One per launch, ascending.
  std::vector<double> microseconds;
  /// Median time of an empty pair of events, which is part of every value above.
  double emptyMicroseconds = 0;
  uint64_t flushBytes = 0;
  Telemetry telemetry;

  /// 0.5 for the median.
  double getQuantile(double q) const;
};

struct RunResult {
  HostTensor d;
  /// The scales of a quantised D, [blocks of columns, rows]; else it has no name.
  HostTensor scaleD;
  int64_t grid = 0;
  std::optional<Timing> timing;
  /// Emulator: its time in issue slots. It orders runs; it is not a prediction.
  uint64_t ticks = 0;
  /// Additional output of the device; may be empty.
  std::string note;
};

struct DeviceInfo {
  std::string name;
  /// "sm_90"
  std::string architecture;
  /// "580.159.04 (CUDA 13.0)"
  std::string driver;
  int64_t multiprocessors = 0;
  int64_t l2Bytes = 0;
  /// True if it runs PTX and needs no cubin.
  bool isEmulator = false;
};

/// This process can no longer use the device: a kernel faulted, or hangs.
class DeviceLostError : public llvm::ErrorInfo<DeviceLostError> {
public:
  static char ID; // NOLINT(readability-identifier-naming): ErrorInfo requires it
  DeviceLostError(std::string text, bool hangs) : text(std::move(text)), hangs(hangs) {}
  /// A kernel still runs. An ordinary exit may wait for it forever; use _Exit.
  bool isHanging() const { return hangs; }
  void log(llvm::raw_ostream &os) const override;
  std::error_code convertToErrorCode() const override { return llvm::inconvertibleErrorCode(); }

private:
  std::string text;
  bool hangs;
};

class Device {
public:
  virtual ~Device();
  virtual const DeviceInfo &getInfo() const = 0;
  /// Poisons D, runs `kernel` once on `inputs`, and then options.repeat times for timing. Error: the kernel does not
  /// match the device or the sizes, wrote outside of D, did not end in time, or gave two different results.
  virtual llvm::Expected<RunResult> run(const KernelImage &kernel, const GemmInputs &inputs,
                                        const RunOptions &options) = 0;
};

/// The first GPU of compute capability 9.0. Error: no driver, or no such GPU; names the GPUs that there are.
llvm::Expected<std::unique_ptr<Device>> openGpu(llvm::StringRef driverLibrary = "libcuda.so.1");

} // namespace dgemm

#endif // DGEMM_RUNTIME_DEVICE_H
