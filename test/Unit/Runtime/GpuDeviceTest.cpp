//===- GpuDeviceTest.cpp - Everything around a launch, without a GPU ------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "dgemm/Runtime/Report.h"
#include "gtest/gtest.h"
#include <cstdlib>

using namespace dgemm;
using namespace llvm;
using Op = SizeExpr::Op;

namespace {

ParameterInfo makeMap(StringRef operand, ElementType type, SizeExpr columns, SizeExpr rows, SizeExpr stride,
                      int64_t box, int64_t swizzle) {
  ParameterInfo parameter;
  parameter.kind = ParameterInfo::Kind::TensorMap;
  parameter.name = ("map_" + operand).str();
  parameter.tensorMap = {operand.str(), type, {columns, rows}, {stride}, {box, 1}, {1, 1}, swizzle, 0, 256, false};
  return parameter;
}

/// What FakeCuda.cpp takes.
LaunchDescriptor makeLaunch(StringRef entry) {
  SizeExpr m = SizeExpr::name("M"), n = SizeExpr::name("N"), k = SizeExpr::name("K");
  SizeExpr blocks = SizeExpr::binary(Op::CeilDiv, k, 128);
  SizeExpr paddedM = SizeExpr::binary(Op::Mul, SizeExpr::binary(Op::CeilDiv, m, 4), 4);
  LaunchDescriptor launch;
  launch.entry = entry.str();
  launch.target = "sm_90a";
  launch.sizes = {{"M", -1}, {"N", -1}, {"K", -1}};
  launch.operands = {
      {"a", ElementType::F8E4M3FN, {m, k}, {k, 1}, false},
      {"scale_a", ElementType::F32, {blocks, m}, {paddedM, 1}, false, {{1, 128}}},
      {"b", ElementType::F8E4M3FN, {n, k}, {k, 1}, false},
      {"scale_b", ElementType::F32, {SizeExpr::binary(Op::CeilDiv, n, 128), blocks}, {blocks, 1}, false, {{128, 128}}},
      {"d", ElementType::BF16, {m, n}, {n, 1}, true}};
  launch.threads = 384;
  launch.sharedMemory = 200000;
  launch.tiles = SizeExpr::binary(Op::CeilDiv, m, 8);
  ParameterInfo scaleB;
  scaleB.name = scaleB.operand = "scale_b";
  ParameterInfo size;
  size.kind = ParameterInfo::Kind::Size;
  size.name = "k";
  size.value = k;
  launch.parameters = {
      makeMap("a", ElementType::F8E4M3FN, k, m, k, 128, 128),
      makeMap("scale_a", ElementType::F32, m, blocks, SizeExpr::binary(Op::Mul, paddedM, 4), 128, 0),
      makeMap("b", ElementType::F8E4M3FN, k, n, k, 128, 128),
      makeMap("d", ElementType::BF16, n, m, SizeExpr::binary(Op::Mul, n, 2), 64, 128),
      scaleB,
      size,
  };
  return launch;
}

KernelImage makeImage(StringRef entry) {
  return {"",
          "\x7f"
          "ELF",
          makeLaunch(entry)};
}

class GpuDevice : public ::testing::Test {
protected:
  void SetUp() override { device = cantFail(openGpu(DGEMM_FAKE_CUDA)); }

  Expected<RunResult> run(const KernelImage &image, unsigned repeat = 0) {
    RunOptions options;
    options.timeoutSeconds = 0.05;
    options.repeat = repeat;
    options.flushBytes = 4096;
    return device->run(image, inputs, options);
  }
  std::string runError(const KernelImage &image, unsigned repeat = 0) {
    Expected<RunResult> result = run(image, repeat);
    return result ? "" : toString(result.takeError());
  }
  std::string runError(StringRef entry, unsigned repeat = 0) { return runError(makeImage(entry), repeat); }

  std::unique_ptr<Device> device;
  GemmInputs inputs = cantFail(makeRandomInputs({18, 136, 272}, 1));
  Reference reference = Reference::compute(inputs, CheckMode::Full, 1);
};

TEST_F(GpuDevice, DescribesItself) {
  EXPECT_EQ(device->getInfo().name, "Fake");
  EXPECT_EQ(device->getInfo().driver, "CUDA 13.0");
  EXPECT_EQ(device->getInfo().multiprocessors, 4);
}

TEST_F(GpuDevice, RunsAGoodKernel) {
  Expected<RunResult> result = run(makeImage("good"));
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  CheckResult check = reference.compare(result->d);
  EXPECT_TRUE(check.passed()) << check.describe();
  EXPECT_EQ(result->grid, 3);
  EXPECT_FALSE(result->timing.has_value());
}

TEST_F(GpuDevice, LaunchesNothingForNoRows) {
  inputs = cantFail(makeRandomInputs({0, 136, 272}, 1));
  for (unsigned repeat : {0u, 2u}) {
    Expected<RunResult> result = run(makeImage("good"), repeat);
    ASSERT_TRUE(bool(result)) << toString(result.takeError());
    EXPECT_EQ(result->grid, 0);
    EXPECT_EQ(result->d.getNumElements(), 0);
    CheckResult check = Reference::compute(inputs, CheckMode::Full, 1).compare(result->d);
    EXPECT_TRUE(check.passed());
    EXPECT_EQ(check.describe(), "D has no element that is computed");
  }
}

TEST_F(GpuDevice, RefusesASizeThatBreaksAPromise) {
  KernelImage image = makeImage("good");
  image.launch.divisors = {{"K", 32}};
  EXPECT_EQ(runError(image),
            "size K = 272 is not a multiple of 32, as kernel 'good' was promised when it was compiled");
}

TEST_F(GpuDevice, LaunchesClusters) {
  KernelImage image = makeImage("good");
  image.launch.cluster = {2, 1, 1};
  Expected<RunResult> result = run(image);
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  EXPECT_TRUE(reference.compare(result->d).passed());
  EXPECT_EQ(result->grid, 2);
}

TEST_F(GpuDevice, LaunchesBeforeTheKernelInFrontHasEnded) {
  for (int64_t cluster : {1, 2}) {
    KernelImage image = makeImage("dependent");
    image.launch.cluster = {cluster, 1, 1};
    image.launch.programmaticStreamSerialization = true;
    Expected<RunResult> result = run(image);
    ASSERT_TRUE(bool(result)) << toString(result.takeError());
    EXPECT_TRUE(reference.compare(result->d).passed());
  }
}

TEST_F(GpuDevice, TimesAKernel) {
  for (unsigned repeat : {1u, 3u, 20u}) {
    Expected<RunResult> result = run(makeImage("good"), repeat);
    ASSERT_TRUE(bool(result)) << toString(result.takeError());
    ASSERT_TRUE(result->timing.has_value());
    const Timing &timing = *result->timing;
    EXPECT_EQ(timing.microseconds.size(), repeat);
    EXPECT_TRUE(std::is_sorted(timing.microseconds.begin(), timing.microseconds.end()));
    EXPECT_GT(timing.getQuantile(0.5), timing.emptyMicroseconds);
    EXPECT_LE(timing.getQuantile(0), timing.getQuantile(0.1));
  }
}

TEST_F(GpuDevice, FindsAWrongResult) {
  Expected<RunResult> result = run(makeImage("wrong"));
  ASSERT_TRUE(bool(result));
  CheckResult check = reference.compare(result->d);
  EXPECT_FALSE(check.passed());
  EXPECT_EQ(check.worstColumn, 3);
}

TEST_F(GpuDevice, PoisonsD) {
  Expected<RunResult> result = run(makeImage("idle"));
  ASSERT_TRUE(bool(result));
  EXPECT_EQ(reference.compare(result->d).unwritten, 18 * 136);
}

TEST_F(GpuDevice, GuardsD) {
  EXPECT_EQ(runError("overruns"), "the kernel wrote outside of 'd': 8 bytes after its end");
}

/// The fake writes no scales: they are taken as they were before, without the padding between their rows.
TEST_F(GpuDevice, TakesTheScalesOfD) {
  KernelImage image = makeImage("good");
  image.launch.operands.push_back({"scale_d", ElementType::F32, {2, SizeExpr::name("M")}, {20, 1}, true, {{1, 128}}});
  Expected<RunResult> result = run(image, 1);
  ASSERT_TRUE(bool(result)) << toString(result.takeError());
  EXPECT_TRUE(reference.compare(result->d).passed());
  EXPECT_EQ(result->scaleD.name, "scale_d");
  EXPECT_EQ(result->scaleD.shape, (std::vector<int64_t>{2, 18}));
  EXPECT_EQ(count(result->scaleD.data, kPoison), 2 * 18 * 4);
}

TEST_F(GpuDevice, FindsARace) {
  EXPECT_EQ(runError("races", 1),
            "two launches on the same inputs gave 1 different elements of 'd', the first at [0, 3]: "
            "the kernel has a race");
}

TEST_F(GpuDevice, GivesUpAHangingKernel) {
  Expected<RunResult> result = run(makeImage("hangs"));
  ASSERT_FALSE(bool(result));
  Error error = result.takeError();
  ASSERT_TRUE(error.isA<DeviceLostError>());
  handleAllErrors(std::move(error), [](const DeviceLostError &lost) {
    EXPECT_TRUE(lost.isHanging());
    EXPECT_EQ(lost.message(), "kernel 'hangs' did not end within 0.05 s; it probably hangs at a barrier");
  });
  EXPECT_EQ(runError("good"), "the GPU cannot be used after an earlier failure of this process");
}

TEST_F(GpuDevice, ReportsAFaultingKernel) {
  Expected<RunResult> result = run(makeImage("faults"));
  ASSERT_FALSE(bool(result));
  Error error = result.takeError();
  ASSERT_TRUE(error.isA<DeviceLostError>());
  EXPECT_EQ(toString(std::move(error)), "kernel 'faults' failed: CUDA_ERROR_ILLEGAL_ADDRESS (700, described)");
}

TEST_F(GpuDevice, RefusesWhatDoesNotFit) {
  KernelImage image = makeImage("good");
  image.launch.sharedMemory = 300000;
  EXPECT_EQ(runError(image), "kernel 'good' needs 300000 bytes of dynamic shared memory; Fake has 232448 per CTA");
  image = makeImage("good");
  image.launch.target = "sm_100a";
  EXPECT_EQ(runError(image), "kernel 'good' is for sm_100a; only sm_90a is supported");
  image = makeImage("missing");
  EXPECT_EQ(runError(image), "looking for the kernel 'missing' in its module failed: CUDA_ERROR_SOME (500, described)");
  image = makeImage("good");
  image.cubin.clear();
  image.ptx = "garbage";
  EXPECT_EQ(runError(image), "loading the PTX of 'good' (ptxas said no) failed: CUDA_ERROR_SOME (209, described)");
  image = makeImage("good");
  image.launch.sizes[1].second = 4096;
  EXPECT_EQ(runError(image), "size N = 136 was given but kernel 'good' was compiled for N = 4096");
  image = makeImage("good");
  image.launch.operands[3].name = image.launch.parameters[4].operand = "bias";
  EXPECT_EQ(runError(image),
            "no input for operand 'bias'; there are a, scale_a, b, scale_b, m_indices, masked_m and offsets");
}

TEST(OpenGpu, NamesAMissingDriver) {
  Expected<std::unique_ptr<Device>> device = openGpu("libno-such-cuda.so.1");
  ASSERT_FALSE(bool(device));
  std::string message = toString(device.takeError());
  EXPECT_EQ(message, "no NVIDIA driver (cannot load libno-such-cuda.so.1)");
}

TEST(OpenGpu, NamesAnotherGpu) {
  setenv("FAKE_CUDA_ARCH", "89", 1);
  Expected<std::unique_ptr<Device>> device = openGpu(DGEMM_FAKE_CUDA);
  unsetenv("FAKE_CUDA_ARCH");
  ASSERT_FALSE(bool(device));
  EXPECT_EQ(toString(device.takeError()), "GPU 'Fake' is sm_89; dgemm kernels need sm_90a (Hopper)");
}

TEST(OpenGpu, NamesAnOldDriver) {
  Expected<std::unique_ptr<Device>> device = openGpu("libm.so.6"); // has none of the functions
  ASSERT_FALSE(bool(device));
  EXPECT_EQ(toString(device.takeError()),
            "the NVIDIA driver is too old: it is for CUDA 0.0 and has no cuInit; expected "
            "one for CUDA 12.0 (525.60) or later");
}

TEST(Report, IsOneLineAndADocument) {
  RunReport report;
  report.kernel = "k.cubin";
  report.sizes = {4096, 7168, 16384};
  report.check.mode = CheckMode::Full;
  report.check.difference = 1e-6;
  report.check.rows = 4096;
  report.check.elements = 4096 * 7168;
  report.timing.emplace();
  report.timing->microseconds = {900, 1000, 1100};
  std::string line = report.getLine();
  EXPECT_EQ(line.find("PASS 4096x7168x16384 seed 0: 1000.00 us median (900.00 min, "), 0u) << line;
  EXPECT_NE(line.find("962 TFLOPS"), std::string::npos) << line;
  json::Object document = makeReport("dgemm-run 0.1.0", DeviceInfo(), report);
  EXPECT_EQ(document.getInteger("failed"), 0);
  const json::Object *run = (*document.getArray("runs"))[0].getAsObject();
  EXPECT_EQ(run->getObject("timing")->getNumber("median_us"), 1000.0);
  report.error = "it broke";
  EXPECT_EQ(report.getLine(), "FAIL 4096x7168x16384 seed 0: it broke");
}

} // namespace
