//===- Emulator.h - Run and check a kernel with no GPU ----------*- C++ -*-===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the PTX of one kernel, exactly as emitted, on the CPU and checks it while it runs. Knows PTX (the subset of
// docs/emulator.md) and the launch descriptor, but not the compiler. Depends only on LLVM Support and DGemmLaunch.
// Nothing here prints, exits or aborts.
//
//===----------------------------------------------------------------------===//

#ifndef DGEMM_EMULATOR_EMULATOR_H
#define DGEMM_EMULATOR_EMULATOR_H

#include "dgemm/Emulator/Hazard.h"
#include "dgemm/Launch/LaunchDescriptor.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dgemm::emulator {

/// Host memory of one operand of the launch descriptor. The emulator reads and writes it in place.
struct HostBuffer {
  std::string operand;
  void *data = nullptr;
  uint64_t bytes = 0;
  /// Device address of the buffer modulo 256, to test operands with an unaligned base.
  unsigned addressOffset = 0;
};

/// State of a run, for a progress line.
struct Progress {
  uint64_t ctasDone = 0;
  uint64_t ctasTotal = 0;
  uint64_t warpInstructions = 0;
  uint64_t ticks = 0;
};

/// Where diverged lanes of a warp reconverge.
enum class Reconvergence {
  PostDominator, ///< where their paths meet, as ptxas usually has them do
  Sync           ///< at instructions with .sync and at barriers, which is all that PTX promises
};

/// How wgmma sums.
enum class Accumulator {
  Exact, ///< in f32, one product after the other
  Hopper ///< as the tensor core of an H100 does, bit for bit (about 14 bits)
};

struct Options {
  /// Seeds the order of warps and the delays of asynchronous work; equal seeds give equal runs.
  uint64_t seed = 1;
  /// Caps the persistent grid as the number of multiprocessors does on a GPU.
  int64_t multiprocessors = 132;
  /// CTAs that run at a time; more are admitted when all of these wait. Bounds memory.
  unsigned residentCtas = 8;
  Reconvergence reconvergence = Reconvergence::PostDominator;
  Accumulator accumulator = Accumulator::Hopper;
  /// Writes a Chrome trace (chrome://tracing, ui.perfetto.dev) to this file; empty for none.
  std::string tracePath;
  /// Events kept in the trace.
  uint64_t maxTraceEvents = 2000000;
  /// A run without a store, a barrier or an asynchronous completion for this many warp instructions is a livelock.
  uint64_t livelockInstructions = 20000000;
  /// Checks that each element of an output operand is written exactly once.
  bool checkOutputs = true;
  /// Wall time in seconds after which the run ends with an error; 0 for no limit.
  double timeoutSeconds = 0;
  /// Called about ten times a second on the thread that runs. False ends the run with the error "stopped", so that a
  /// caller can be interrupted.
  std::function<bool(const Progress &)> progress;
};

/// The result of a run. `hazard` is set if a check stopped it.
struct Report {
  std::optional<Hazard> hazard;
  uint64_t warpInstructions = 0;
  uint64_t threadInstructions = 0;
  uint64_t wgmmas = 0;
  uint64_t bulkCopies = 0;
  uint64_t bulkBytes = 0;
  uint64_t ctas = 0;
  /// Emulated time, in units of about one issue slot. It shows order and overlap; it is not a prediction.
  uint64_t ticks = 0;
  double seconds = 0;
};

/// A decoded kernel; made once, run many times.
class Program {
public:
  /// Error: a syntax error, or PTX that the emulator does not know; names the line of the PTX.
  static llvm::Expected<Program> parse(llvm::StringRef ptx, llvm::StringRef entry);

  Program(Program &&);
  Program &operator=(Program &&);
  ~Program();

  struct Impl;
  const Impl &getImpl() const { return *impl; }

private:
  explicit Program(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl;
};

/// Runs one launch. A hazard is a result, not an error; the report has it. Error: the launch descriptor does not match
/// the PTX or the buffers, the time limit or the progress callback ended the run, or the trace cannot be written.
llvm::Expected<Report> run(const Program &program, const LaunchDescriptor &launch, const Sizes &sizes,
                           llvm::ArrayRef<HostBuffer> buffers, const Options &options = {});

/// Parses and runs.
llvm::Expected<Report> run(llvm::StringRef ptx, const LaunchDescriptor &launch, const Sizes &sizes,
                           llvm::ArrayRef<HostBuffer> buffers, const Options &options = {});

} // namespace dgemm::emulator

#endif // DGEMM_EMULATOR_EMULATOR_H
