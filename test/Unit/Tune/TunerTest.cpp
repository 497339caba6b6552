//===- TunerTest.cpp - Measures on a device that is made up ---------------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tuner.h"
#include "dgemm/Runtime/Formats.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <functional>

using namespace dgemm;
using namespace dgemm::tune;
using namespace llvm;

namespace {

/// Runs nothing: D is the reference, and `behave` says how long a config takes, or what is wrong with it.
class MadeUpDevice : public Device {
public:
  MadeUpDevice() {
    info.name = "made up";
    info.multiprocessors = 4;
    info.isEmulator = true;
  }
  const DeviceInfo &getInfo() const override { return info; }
  Expected<RunResult> run(const KernelImage &kernel, const GemmInputs &inputs, const RunOptions &options) override {
    ++runs[kernel.launch.config];
    RunResult result;
    Expected<uint64_t> ticks = behave(kernel.launch.config);
    if (!ticks)
      return ticks.takeError();
    result.ticks = *ticks;
    Reference reference = Reference::compute(inputs, CheckMode::Full, 0);
    result.d = cantFail(HostTensor::create("d", ElementType::BF16, {inputs.sizes.m, inputs.sizes.n}));
    MutableArrayRef<uint16_t> d = result.d.as<uint16_t>();
    for (auto [i, row] : enumerate(reference.getRows()))
      for (auto [j, value] : enumerate(reference.getRow(i)))
        d[row * inputs.sizes.n + j] = encodeBF16(float(value));
    if (*ticks < kWrongBelow)
      d[0] = kPoison << 8 | kPoison; // not written
    return result;
  }

  static constexpr uint64_t kWrongBelow = 10;
  std::function<Expected<uint64_t>(StringRef)> behave = [](StringRef config) -> Expected<uint64_t> {
    return 1000 + config.size();
  };
  std::map<std::string, unsigned> runs;
  DeviceInfo info;
};

class TunerTest : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createTemporaryFile("dgemm-tuner", "journal", path));
    options.compile.multiprocessors = 4;
    options.best = 4;
    options.finalists = 3;
  }
  void TearDown() override { sys::fs::remove(path); }

  Expected<TunedEntry> tune() {
    Journal journal = cantFail(Journal::open(path));
    return Tuner(device, journal, options).tune(cantFail(Problem::parse("64x64x256")));
  }

  SmallString<128> path;
  MadeUpDevice device;
  Options options;
};

TEST_F(TunerTest, PicksTheQuickest) {
  std::string quickest;
  device.behave = [&](StringRef config) -> Expected<uint64_t> {
    if (quickest.empty() && device.runs.size() == 6) // a neighbour of the first four
      quickest = config.str();
    return config == quickest ? 100 : 1000 + device.runs.size();
  };
  TunedEntry entry = cantFail(tune());
  EXPECT_EQ(entry.microseconds, 100);
  EXPECT_EQ("#dgemm.config" + entry.config, quickest);
  EXPECT_EQ(entry.m, 64);
  EXPECT_EQ(device.runs[quickest], 2u);
}

TEST_F(TunerTest, LeavesOutWhatIsWrongOrFails) {
  unsigned tried = 0;
  std::string right;
  device.behave = [&](StringRef config) -> Expected<uint64_t> {
    if (++tried == 3)
      right = config.str();
    if (config == right)
      return 5000;
    if (tried % 2)
      return createStringError("cannot be launched");
    return MadeUpDevice::kWrongBelow - 1;
  };
  EXPECT_EQ("#dgemm.config" + cantFail(tune()).config, right);
}

TEST_F(TunerTest, SaysThatNothingWasRight) {
  device.behave = [](StringRef) -> Expected<uint64_t> { return 1; };
  EXPECT_EQ(toString(tune().takeError()), "64x64x256: no config ran and was correct");
}

TEST_F(TunerTest, EndsWithTheDeviceAndGoesOnWithoutTheCulprit) {
  std::string culprit;
  device.behave = [&](StringRef config) -> Expected<uint64_t> {
    if (device.runs.size() < 3)
      return 1000;
    culprit = config.str();
    return make_error<DeviceLostError>("it hangs", /*hangs=*/true);
  };
  Error lost = tune().takeError();
  EXPECT_TRUE(lost.isA<DeviceLostError>());
  EXPECT_EQ(toString(std::move(lost)), "it hangs");
  ASSERT_FALSE(culprit.empty());

  device.runs.clear();
  device.behave = [](StringRef) -> Expected<uint64_t> { return 1000; };
  cantFail(tune().takeError());
  EXPECT_EQ(device.runs.count(culprit), 0u);
}

} // namespace
