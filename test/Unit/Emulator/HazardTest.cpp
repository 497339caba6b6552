//===- HazardTest.cpp - Each check finds its fault, and only that ---------===//
//
// Part of the DGemm project, under the Apache License v2.0 with LLVM Exceptions.
// See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "EmulatorTest.h"

using namespace dgemm::emulator;
using namespace dgemm::emulator::test;

namespace {

/// %r1 = smem, %p1 = thread 0 of the CTA.
const std::string kStart = "mov.b32 %r1, smem;\nsetp.eq.s32 %p1, %tid, 0;\n";

SmallKernel make(const std::string &body, int64_t threads = 64, int64_t shared = 4096) {
  SmallKernel kernel;
  kernel.body = kStart + body;
  kernel.threads = threads;
  kernel.sharedMemory = shared;
  kernel.outWords = 64;
  return kernel;
}

/// Barrier at 2048 with `count`, known to all.
std::string init(const std::string &count) {
  return "@%p1 mbarrier.init.shared::cta.b64 [%r1+2048], " + count +
         ";\n@%p1 fence.mbarrier_init.release.cluster;\nbar.sync 0;\n";
}
std::string wait(const std::string &label, const std::string &parity) {
  return label + ":\nmbarrier.try_wait.parity.shared::cta.b64 %p9, [%r1+2048], " + parity + ";\n@!%p9 bra " + label +
         ";\n";
}
const std::string kLoad = "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%in], 64, "
                          "[%r1+2048];\n";
const std::string kReadAll = "shl.b32 %r2, %lane, 1;\nand.b32 %r2, %r2, 60;\nadd.s32 %r2, %r2, %r1;\n"
                             "ld.shared.b32 %r3, [%r2];\n";

} // namespace

TEST(Deadlock, BarrierThatNobodyCompletes) {
  make(init("1") + wait("$W", "0")).expectHazard(HazardKind::Deadlock);
  SmallKernel kernel = make(init("1") + wait("$W", "0"));
  kernel.run();
  EXPECT_NE(kernel.report.hazard->context.find("waits for parity 0 of the mbarrier at byte 2048"), std::string::npos)
      << kernel.report.hazard->str();
  EXPECT_NE(kernel.report.hazard->context.find("1 of 1 arrivals missing"), std::string::npos);
}
TEST(Deadlock, WarpMissingAtNamedBarrier) {
  make("setp.eq.s32 %p2, %warp, 0;\n@%p2 bar.sync 1, 64;").expectHazard(HazardKind::Deadlock);
  make("bar.sync 1, 64;").expectClean();
}
TEST(Deadlock, SpinOnMemoryThatNobodyWrites) {
  make("$L:\nld.acquire.gpu.global.b32 %r2, [%in];\nsetp.eq.s32 %p2, %r2, 0;\n@%p2 bra $L;")
      .expectHazard(HazardKind::Deadlock, 2);
}
TEST(Deadlock, OneLaneMayWaitForAnother) {
  // Lanes of a warp make progress on their own.
  SmallKernel kernel = make(init("1") + "setp.eq.s32 %p3, %lane, 0;\n@!%p3 bra $OTHER;\n" + wait("$W", "0") +
                                "bra $END;\n$OTHER:\nsetp.eq.s32 %p4, %tid, 1;\n"
                                "@%p4 mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n$END:\n",
                            32);
  kernel.expectClean();
}

TEST(ReadBeforeWritten, NeverWritten) {
  make("ld.shared.b32 %r2, [%r1];").expectHazard(HazardKind::ReadBeforeWritten);
  make("st.shared.b32 [%r1], %tid;\nld.shared.b32 %r2, [%r1];", 1).expectClean();
}
TEST(ReadBeforeWritten, OtherWarpNotWaitedFor) {
  std::string body = "@%p1 st.shared.b32 [%r1], %tid;\n@SYNC@ld.shared.b32 %r2, [%r1];";
  std::string good = body;
  good.replace(good.find("@SYNC@"), 6, "bar.sync 0;\n");
  body.replace(body.find("@SYNC@"), 6, "");
  make(body).expectHazard(HazardKind::ReadBeforeWritten);
  make(good).expectClean();
}
TEST(ReadBeforeWritten, BulkCopyNotWaitedFor) {
  std::string expect = "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 64;\n";
  make(init("1") + expect + kLoad + wait("$W", "0") + kReadAll).expectClean();
  make(init("1") + expect + kLoad + kReadAll + wait("$W", "0")).expectHazard(HazardKind::ReadBeforeWritten);
  // Parity 1 passes at once on a fresh barrier.
  make(init("1") + expect + kLoad + wait("$W", "1") + kReadAll).expectHazard(HazardKind::ReadBeforeWritten);
}
TEST(ReadBeforeWritten, AsyncCopyNotWaitedFor) {
  std::string copy = "@%p1 cp.async.ca.shared.global [%r1], [%in], 4;\n";
  std::string arrive = "@%p1 cp.async.mbarrier.arrive.noinc.shared.b64 [%r1+2048];\n",
              read = "ld.shared.b32 %r3, [%r1];\n";
  make(init("1") + copy + arrive + wait("$W", "0") + read).expectClean();
  make(init("1") + copy + arrive + read + wait("$W", "0")).expectHazard(HazardKind::ReadBeforeWritten);
  make(init("1") + copy + wait("$W", "0") + read).expectHazard(HazardKind::Deadlock);
  make(init("2") + copy + arrive + wait("$W", "0") + read).expectHazard(HazardKind::Deadlock);
}

TEST(OverwriteInUse, OtherWarpStillReads) {
  std::string body = "@%p1 st.shared.b32 [%r1], %tid;\nbar.sync 0;\nld.shared.b32 %r2, [%r1];\n";
  make(body + "setp.eq.s32 %p2, %warp, 1;\n@%p2 nanosleep.u32 1000;\n@%p2 st.shared.b32 [%r1], %tid;")
      .expectHazard(HazardKind::OverwriteInUse);
  make(body + "bar.sync 0;\nsetp.eq.s32 %p2, %tid, 32;\n@%p2 st.shared.b32 [%r1], %tid;").expectClean();
}
TEST(OverwriteInUse, BulkStoreStillReads) {
  std::string fill = "shl.b32 %r2, %lane, 2;\nadd.s32 %r2, %r2, %r1;\nst.shared.b32 [%r2], %lane;\n"
                     "fence.proxy.async.shared::cta;\nbar.sync 0;\n";
  std::string store = "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [%r1], 128;\n"
                      "@%p1 cp.async.bulk.commit_group;\n";
  std::string drain = "@%p1 cp.async.bulk.wait_group.read 0;\n";
  std::string again = "st.shared.b32 [%r2], %lane;\n";
  make(fill + store + again, 32).expectHazard(HazardKind::OverwriteInUse);
  make(fill + store + drain + again, 32).expectClean();
  // The wait of another thread says nothing.
  make(fill + store + "setp.eq.s32 %p2, %tid, 1;\n@%p2 cp.async.bulk.wait_group.read 0;\n" + again, 32)
      .expectHazard(HazardKind::OverwriteInUse);
  SmallKernel kernel = make(fill + store + drain, 32);
  kernel.expectClean();
  EXPECT_EQ(kernel.out[31], 31u);
}

TEST(MissingProxyFence, GenericWriteBulkRead) {
  std::string fill = "shl.b32 %r2, %lane, 2;\nadd.s32 %r2, %r2, %r1;\nst.shared.b32 [%r2], %lane;\n";
  std::string store = "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [%r1], 128;\n";
  make(fill + "bar.sync 0;\n" + store, 32).expectHazard(HazardKind::MissingProxyFence);
  // A fence before the last write does not cover it.
  make("fence.proxy.async.shared::cta;\n" + fill + "bar.sync 0;\n" + store, 32)
      .expectHazard(HazardKind::MissingProxyFence);
  std::string finish = "@%p1 cp.async.bulk.commit_group;\n@%p1 cp.async.bulk.wait_group.read 0;\n";
  make(fill + "fence.proxy.async.shared::cta;\nbar.sync 0;\n" + store + finish, 32).expectClean();
}
TEST(MissingProxyFence, BarrierInitialised) {
  std::string bare = "@%p1 mbarrier.init.shared::cta.b64 [%r1+2048], 1;\nbar.sync 0;\n";
  std::string rest = "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 64;\n" + kLoad + wait("$W", "0");
  make(bare + rest).expectHazard(HazardKind::MissingProxyFence);
}

TEST(TransactionOverrun, MoreBytesThanExpected) {
  std::string body = init("1") + "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], ";
  make(body + "48;\n" + kLoad + wait("$W", "0")).expectHazard(HazardKind::TransactionOverrun);
  make(body + "64;\n" + kLoad + wait("$W", "0")).expectClean();
  // Too many expected: nobody will ever send the rest.
  make(body + "80;\n" + kLoad + wait("$W", "0")).expectHazard(HazardKind::Deadlock);
}
TEST(TransactionOverrun, PhaseEndsBeforeTheCopy) {
  make(init("1") + kLoad + "@%p1 mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n" + wait("$W", "0"))
      .expectHazard(HazardKind::TransactionOverrun);
}

TEST(PhaseLapped, WaiterTwoPhasesBehind) {
  // Warp 1 waits for phase 0 after thread 0 has completed two phases and more.
  std::string twice = "@%p1 mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n";
  std::string late = "setp.eq.s32 %p2, %warp, 0;\n@%p2 bra $END;\nnanosleep.u32 5000;\n" + wait("$W", "0") + "$END:\n";
  make(init("1") + twice + twice + late).expectHazard(HazardKind::PhaseLapped);
  make(init("1") + twice + late).expectClean();
}

TEST(BarrierMisuse, NotInitialised) {
  make("@%p1 mbarrier.arrive.shared::cta.b64 _, [%r1+2048];").expectHazard(HazardKind::BarrierMisuse);
  make("@%p1 mbarrier.init.shared::cta.b64 [%r1+2048], 64;\n@%p1 fence.mbarrier_init.release.cluster;\n"
       "mbarrier.arrive.shared::cta.b64 _, [%r1+2048];")
      .expectHazard(HazardKind::BarrierMisuse); // no bar.sync
  make(init("64") + "mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n" + wait("$W", "0")).expectClean();
}
TEST(BarrierMisuse, TooManyArrivalsAtOnce) {
  make(init("2") + "@%p1 mbarrier.arrive.shared::cta.b64 %rd1, [%r1+2048], 3;").expectHazard(HazardKind::BarrierMisuse);
}
TEST(BarrierMisuse, TouchedAsData) {
  make(init("1") + "@%p1 st.shared.b32 [%r1+2048], 0;").expectHazard(HazardKind::BarrierMisuse);
}
TEST(BarrierMisuse, NamedBarrierCounts) {
  make("bar.sync 1, 48;").expectHazard(HazardKind::BarrierMisuse);
  make("bar.sync 16, 64;").expectHazard(HazardKind::BarrierMisuse);
  make("add.s32 %r2, %warp, 1;\nshl.b32 %r2, %r2, 5;\nadd.s32 %r2, %r2, 32;\nbar.sync 1, %r2;", 96)
      .expectHazard(HazardKind::BarrierMisuse);
}
TEST(BarrierMisuse, ArrivalBesideSyncWithoutCount) {
  const std::string arrive = "setp.eq.s32 %p2, %warp, 0;\n@%p2 bar.arrive 1, 64;\n";
  make(arrive + "@!%p2 bar.sync 1, 64;").expectClean();
  make(arrive + "@!%p2 bar.sync 1;").expectHazard(HazardKind::BarrierMisuse);
  make("setp.eq.s32 %p2, %warp, 0;\n@%p2 bar.sync 1;\n@!%p2 bar.arrive 1, 64;").expectHazard(HazardKind::BarrierMisuse);
  make("bar.sync 1;\n" + arrive + "@!%p2 bar.sync 1, 64;").expectClean(); // one round after the other
}

TEST(OutOfBounds, GlobalAndShared) {
  make("ld.global.b32 %r2, [%in+256];").expectHazard(HazardKind::OutOfBounds);
  make("ld.global.b32 %r2, [%in+-4];").expectHazard(HazardKind::OutOfBounds);
  make("ld.global.b32 %r2, [%in+252];").expectClean();
  make("st.shared.b32 [%r1+4096], %tid;", 1).expectHazard(HazardKind::OutOfBounds);
  make("st.shared.b32 [%r1+4092], %tid;", 1).expectClean();
}
TEST(Misaligned, GlobalSharedBulk) {
  make("ld.global.b32 %r2, [%in+2];").expectHazard(HazardKind::Misaligned);
  make("ld.global.v2.b32 {%r2, %r3}, [%in+4];").expectHazard(HazardKind::Misaligned);
  make("st.shared.v2.b32 [%r1+4], {%tid, %tid};", 1).expectHazard(HazardKind::Misaligned);
  make(init("1") + "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%in+8], 64, "
                   "[%r1+2048];")
      .expectHazard(HazardKind::Misaligned);
}

namespace {
/// Loads a box of 8x4 words of "in", which is 8x8, from `start` to [`to`] and writes its rows to "out".
SmallKernel makeTensor(const std::string &start = "-4, 6", const std::string &to = "%r1") {
  SmallKernel kernel = make(init("1") +
                                "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 128;\n"
                                "mov.b64 %rd1, k_param_2;\n"
                                "@%p1 cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes "
                                "[" +
                                to + "], [%rd1, {" + start + "}], [%r1+2048];\n" + wait("$W", "0") +
                                "shl.b32 %r2, %lane, 2;\nadd.s32 %r2, %r2, %r1;\nld.shared.b32 %r3, [%r2];\n"
                                "mul.wide.u32 %rd2, %lane, 4;\nadd.s64 %rd2, %rd2, %out;\nst.global.b32 [%rd2], %r3;",
                            32);
  kernel.map.operand = "in";
  kernel.map.dims = {8, 8};
  kernel.map.strides = {32};
  kernel.map.box = {8, 4};
  kernel.map.elementStrides = {1, 1};
  for (unsigned i = 0; i < 64; ++i)
    kernel.in[i] = i + 100;
  return kernel;
}
} // namespace

TEST(TensorMap, BoxReachesOutside) {
  SmallKernel kernel = makeTensor();
  kernel.expectClean();
  EXPECT_EQ(kernel.out[3], 0u);   // column -1
  EXPECT_EQ(kernel.out[4], 148u); // row 6, column 0
  EXPECT_EQ(kernel.out[15], 159u);
  EXPECT_EQ(kernel.out[20], 0u); // row 8
}
TEST(TensorMap, FillWithNaN) {
  SmallKernel kernel = makeTensor();
  kernel.map.oobFillNaN = true;
  kernel.expectClean();
  EXPECT_EQ(kernel.out[0], 0xffffffffu);
}
TEST(TensorMap, LastUnitInPart) {
  SmallKernel kernel = makeTensor("0, 6");
  kernel.map.dims = {6, 8};
  kernel.expectClean();
  EXPECT_EQ(kernel.out[5], 153u);
  EXPECT_EQ(kernel.out[6], 0u);
}
TEST(TensorMap, SwizzleMovesUnits) {
  SmallKernel kernel = makeTensor();
  kernel.map.swizzle = 32;
  kernel.expectClean();
  EXPECT_EQ(kernel.out[4], 148u);
  // 32 bytes a row: rows 4 to 7 of each 8 swap their halves. The box has 4, so nothing moves here.
  EXPECT_EQ(kernel.out[8 + 5], 157u);
}
TEST(TensorMap, ElementStrides) {
  // Along dimension 0 there is none: the driver ignores it (cuda.h).
  SmallKernel first = makeTensor();
  first.map.elementStrides = {8, 1};
  first.expectClean();
  EXPECT_EQ(first.out[4], 148u);
  EXPECT_EQ(first.out[5], 149u);
  // Rows 6 and 8 of a box that covers eight.
  SmallKernel second = makeTensor();
  second.map.box = {8, 8};
  second.map.elementStrides = {1, 2};
  second.expectClean();
  EXPECT_EQ(second.out[4], 148u);
  EXPECT_EQ(second.out[12], 0u);
}
TEST(TensorMap, FarOutside) {
  SmallKernel kernel = makeTensor("-2147483648, -2147483648");
  kernel.map.strides = {int64_t(1) << 39};
  kernel.map.dims = {8, 1};
  kernel.expectClean();
  EXPECT_EQ(kernel.out[0], 0u);
}
namespace {
/// The same with windows of 4 rows of "in", the first of which begins 4 rows before it. `start` has 3 coordinates.
SmallKernel makeWindows(const std::string &start) {
  SmallKernel kernel = makeTensor(start);
  kernel.body.replace(kernel.body.find("tensor.2d"), 9, "tensor.3d");
  kernel.map.dims = {8, 4, 9};
  kernel.map.strides = {32, 32};
  kernel.map.box = {8, 4, 1};
  kernel.map.elementStrides = {1, 1, 1};
  kernel.map.offset = -4 * 32;
  return kernel;
}
} // namespace

TEST(TensorMap, BoxEndsWithItsWindow) {
  SmallKernel kernel = makeWindows("0, 2, 5"); // the last 2 of the rows 1 to 4
  kernel.expectClean();
  EXPECT_EQ(kernel.out[0], 124u);
  EXPECT_EQ(kernel.out[15], 139u);
  EXPECT_EQ(kernel.out[16], 0u);
  makeWindows("0, 0, 8").expectClean();
  makeWindows("0, 4, 8").expectClean(); // none
}
TEST(OutOfBounds, WindowBeginsBeforeTheOperand) {
  makeWindows("0, 1, 3").expectClean();
  SmallKernel kernel = makeWindows("0, 0, 3");
  kernel.expectHazard(HazardKind::OutOfBounds);
  EXPECT_NE(kernel.report.hazard->message.find("the box reaches 32 bytes before its operand"), std::string::npos)
      << kernel.report.hazard->str();
}
// The cases that an H200 was measured with (docs/emulator.md), and one that it was not.
TEST(Misaligned, StartOfABox) {
  for (const char *start : {"-16, 6", "-4, 6", "0, 6", "4, 6", "1000, 6", "0, -1"})
    makeTensor(start).expectClean(2);
  for (const char *start : {"-1, 6", "1, 6", "2, 6", "3, 6", "233, 6"})
    makeTensor(start).expectHazard(HazardKind::Misaligned, 2);
  SmallKernel swizzled = makeTensor("-1, 6");
  swizzled.map.swizzle = 32;
  swizzled.expectClean(2);

  SmallKernel kernel = makeTensor("233, 6");
  kernel.run();
  EXPECT_NE(kernel.report.hazard->message.find("begins at element 233 of the innermost dimension, which is byte 932"),
            std::string::npos)
      << kernel.report.hazard->str();
}
TEST(Misaligned, BytesOfAStartCount) {
  auto loadOf = [](dgemm::ElementType type, int64_t box, const std::string &start) {
    SmallKernel kernel = makeTensor(start);
    kernel.map.type = type;
    kernel.map.dims = {box, 8};
    kernel.map.box = {box, 4};
    return kernel;
  };
  loadOf(dgemm::ElementType::BF16, 16, "8, 6").expectClean(2);
  loadOf(dgemm::ElementType::BF16, 16, "-4, 6").expectHazard(HazardKind::Misaligned, 2);
  loadOf(dgemm::ElementType::F8E4M3FN, 32, "16, 6").expectClean(2);
  loadOf(dgemm::ElementType::F8E4M3FN, 32, "8, 6").expectHazard(HazardKind::Misaligned, 2);
}
TEST(Misaligned, DestinationOfABox) {
  for (const char *to : {"%r1+16", "%r1+32", "%r1+64"})
    makeTensor("0, 0", to).expectHazard(HazardKind::Misaligned, 2);
  SmallKernel kernel = makeTensor("0, 0", "%r1+128");
  kernel.body.replace(kernel.body.find("ld.shared.b32 %r3, [%r2]"), 24, "ld.shared.b32 %r3, [%r2+128]");
  kernel.expectClean(2);
}
TEST(IllegalTensorMap, RulesOfTheDriver) {
  auto broken = [](auto change) {
    SmallKernel kernel = makeTensor();
    change(kernel);
    kernel.expectHazard(HazardKind::IllegalTensorMap, 1);
  };
  broken([](SmallKernel &k) { k.map.box = {7, 4}; });
  broken([](SmallKernel &k) { k.map.box = {8, 257}; });
  broken([](SmallKernel &k) { k.map.box = {8, 0}; });
  broken([](SmallKernel &k) { k.map.strides = {40}; });
  broken([](SmallKernel &k) { k.map.dims = {8, 9}; });
  broken([](SmallKernel &k) { k.map.swizzle = 16; });
  broken([](SmallKernel &k) { k.map.offset = -8; });
  broken([](SmallKernel &k) { k.map.offset = 32; });
  broken([](SmallKernel &k) { k.map.offset = 1 << 20; });
  broken([](SmallKernel &k) { k.map.elementStrides = {1, 9}; });
  broken([](SmallKernel &k) { k.inOffset = 8; });
  broken([](SmallKernel &k) { k.map.box = {16, 4}, k.map.swizzle = 32; });
  broken([](SmallKernel &k) { // one dimension too many for the instruction
    k.map.dims = {8, 8, 1};
    k.map.strides = {32, 256};
    k.map.box = {8, 4, 1};
    k.map.elementStrides = {1, 1, 1};
  });
}

namespace {
/// Two CTAs; rank 0 multicasts 64 bytes to both, and each CTA waits on its own mbarrier.
SmallKernel makeMulticast(const std::string &mask, const std::string &sync) {
  SmallKernel kernel = make(
      "@%p1 mbarrier.init.shared::cta.b64 [%r1+2048], 1;\n@%p1 fence.mbarrier_init.release.cluster;\n" + sync +
      "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 64;\n"
      "setp.eq.s32 %p2, %cta, 0;\nand.pred %p3, %p1, %p2;\nmov.b16 %rs1, " +
      mask +
      ";\n"
      "@%p3 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%in], 64, "
      "[%r1+2048], %rs1;\n" +
      wait("$W", "0") +
      "ld.shared.b32 %r3, [%r1+60];\nmul.wide.u32 %rd1, %cta, 4;\nadd.s64 %rd1, %rd1, %out;\n"
      "@%p1 st.global.b32 [%rd1], %r3;\nbarrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n");
  kernel.ctas = kernel.cluster = 2;
  kernel.in[15] = 77;
  return kernel;
}
const char *kClusterSync = "barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.acquire.aligned;\n";
} // namespace

TEST(Cluster, Multicast) {
  SmallKernel kernel = makeMulticast("3", kClusterSync);
  kernel.expectClean();
  EXPECT_EQ(kernel.out[0], 77u);
  EXPECT_EQ(kernel.out[1], 77u);
  makeMulticast("1", kClusterSync).expectHazard(HazardKind::Deadlock);
  makeMulticast("7", kClusterSync).expectHazard(HazardKind::IllegalInstruction);
  makeMulticast("3", "bar.sync 0;\n").expectHazard(HazardKind::BarrierMisuse); // the peer may not be ready
}
TEST(Cluster, RemoteArriveAndMemory) {
  SmallKernel kernel =
      make(init("2") + "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n"
                       "mapa.shared::cluster.u32 %r3, %r1, 0;\n@%p1 st.shared::cluster.b32 [%r3], %cta;\n"
                       "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n");
  kernel.ctas = kernel.cluster = 2;
  kernel.expectHazard(HazardKind::OverwriteInUse); // both write it
  SmallKernel good = make(init("2") +
                          "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n"
                          "mapa.shared::cluster.u32 %r3, %r1, 0;\nshl.b32 %r4, %cta, 2;\nadd.s32 %r4, %r4, %r3;\n"
                          "add.s32 %r5, %cta, 50;\n@%p1 st.shared::cluster.b32 [%r4], %r5;\n"
                          "@%p1 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r3+2048];\n"
                          "setp.ne.s32 %p2, %cta, 0;\n@%p2 bra $END;\n" +
                          wait("$W", "0") +
                          "ld.shared.v2.b32 {%r6, %r7}, [%r1];\n@%p1 st.global.v2.b32 [%out], {%r6, %r7};\n$END:\n"
                          "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n");
  good.ctas = good.cluster = 2;
  good.expectClean();
  EXPECT_EQ(good.out[0], 50u);
  EXPECT_EQ(good.out[1], 51u);
}

TEST(PeerExited, ArriveAfterItsEnd) {
  std::string arrive = "mapa.shared::cluster.u32 %r3, %r1, 1;\n"
                       "@%p1 mbarrier.arrive.shared::cluster.b64 _, [%r3+2048];\n";
  std::string setup = init("1") + "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n"
                                  "setp.eq.s32 %p2, %cta, 1;\n";
  std::string finish = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";
  SmallKernel bad = make(setup + "@%p2 bra $END;\nnanosleep.u32 20000;\n" + arrive + "$END:\n");
  bad.ctas = bad.cluster = 2;
  bad.expectHazard(HazardKind::PeerExited);
  SmallKernel good = make(setup + "@%p2 bra $END;\nnanosleep.u32 20000;\n" + arrive + "$END:\n" + finish);
  good.ctas = good.cluster = 2;
  good.expectClean();
}

TEST(RegisterBudget, SetMaxNReg) {
  // 384 threads have 168 registers each at entry: 40 + 2 x 232 = 3 x 168.
  make("setp.gt.u32 %p2, %warp, 7;\n@%p2 bra $P;\nsetmaxnreg.inc.sync.aligned.u32 232;\nbra $END;\n"
       "$P:\nsetmaxnreg.dec.sync.aligned.u32 40;\n$END:\n",
       384)
      .expectClean();
  make("setp.gt.u32 %p2, %warp, 7;\n@%p2 bra $P;\nsetmaxnreg.inc.sync.aligned.u32 240;\nbra $END;\n"
       "$P:\nsetmaxnreg.dec.sync.aligned.u32 40;\n$END:\n",
       384)
      .expectHazard(HazardKind::RegisterBudget);
  make("setmaxnreg.inc.sync.aligned.u32 40;", 384).expectHazard(HazardKind::RegisterBudget);
  make("setmaxnreg.dec.sync.aligned.u32 36;", 384).expectHazard(HazardKind::RegisterBudget);
}

TEST(Output, EachElementOnce) {
  std::string all = "mul.wide.u32 %rd1, %tid, 4;\nadd.s64 %rd1, %rd1, %out;\n";
  auto check = [&](const std::string &body) {
    SmallKernel kernel = make(all + body);
    kernel.checkOutputs = true;
    return kernel;
  };
  check("st.global.b32 [%rd1], %tid;").expectClean();
  check("setp.ne.s32 %p2, %tid, 17;\n@%p2 st.global.b32 [%rd1], %tid;").expectHazard(HazardKind::OutputNotWritten);
  check("st.global.b32 [%rd1], %tid;\n@%p1 st.global.b32 [%rd1], %tid;").expectHazard(HazardKind::OutputWrittenTwice);
}

TEST(Launch, Limits) {
  SmallKernel shared = make("");
  shared.sharedMemory = 232448;
  shared.expectClean(1);
  shared.sharedMemory = 232449;
  shared.expectHazard(HazardKind::SharedMemoryLimit, 1);
  SmallKernel threads = make("", 1056);
  threads.expectHazard(HazardKind::IllegalLaunch, 1);
  SmallKernel required = make("", 64);
  required.performance = ".reqntid 128";
  required.expectHazard(HazardKind::IllegalLaunch, 1);
  SmallKernel cluster = make("");
  cluster.ctas = cluster.cluster = 16;
  cluster.expectHazard(HazardKind::IllegalLaunch, 1);
}

TEST(DivergentWarp, PartOfAWarpAtAlignedInstructions) {
  make("setp.lt.u32 %p2, %lane, 4;\n@%p2 bar.sync 0;").expectHazard(HazardKind::DivergentWarp);
  make("setp.lt.u32 %p2, %lane, 4;\n@%p2 shfl.sync.idx.b32 %r2, %lane, 0, 31, -1;")
      .expectHazard(HazardKind::DivergentWarp);
  make("setp.lt.u32 %p2, %lane, 4;\n@%p2 wgmma.fence.sync.aligned;", 128).expectHazard(HazardKind::DivergentWarp);
}

TEST(Trap, IsReported) { make("@%p1 trap;").expectHazard(HazardKind::Trap); }
