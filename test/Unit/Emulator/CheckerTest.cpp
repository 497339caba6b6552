//===- CheckerTest.cpp - What a GPU trips over and a schedule may hide ----===//
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
SmallKernel make(const std::string &body, int64_t threads = 64) {
  SmallKernel kernel;
  kernel.body = "mov.b32 %r1, smem;\nsetp.eq.s32 %p1, %tid, 0;\n" + body;
  kernel.threads = threads;
  kernel.sharedMemory = 4096;
  kernel.outWords = 64;
  return kernel;
}

/// The same for two CTAs of a cluster.
SmallKernel makePair(const std::string &body) {
  SmallKernel kernel = make(body);
  kernel.ctas = kernel.cluster = 2;
  return kernel;
}

SmallKernel meetingAtSync(SmallKernel kernel) {
  kernel.reconvergence = Reconvergence::Sync;
  return kernel;
}

const std::string kInit = "@%p1 mbarrier.init.shared::cta.b64 [%r1+2048], 1;\n"
                          "@%p1 fence.mbarrier_init.release.cluster;\n";
const std::string kClusterSync = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";
const std::string kWait = "$W:\nmbarrier.try_wait.parity.shared::cta.b64 %p9, [%r1+2048], 0;\n@!%p9 bra $W;\n";

} // namespace

TEST(ExitInFlight, ThreadDoesNotWaitForItsBulkStore) {
  std::string store = "st.shared.v4.b32 [%r1], {%tid, %tid, %tid, %tid};\nfence.proxy.async.shared::cta;\n"
                      "cp.async.bulk.global.shared::cta.bulk_group [%out], [%r1], 16;\n";
  std::string commit = "cp.async.bulk.commit_group;\n";
  for (const char *wait : {"", "cp.async.bulk.wait_group.read 1;\n"})
    make(store + commit + wait, 1).expectHazard(HazardKind::ExitInFlight);
  make(store + "cp.async.bulk.wait_group 0;\n", 1).expectHazard(HazardKind::ExitInFlight); // not committed
  // A GPU keeps a kernel's writes to global memory; only its shared memory goes away.
  for (const char *wait : {"cp.async.bulk.wait_group.read 0;\n", "cp.async.bulk.wait_group 0;\n"})
    make(store + commit + wait, 1).expectClean();
}

TEST(ExitInFlight, NobodyWaitsForACopyIntoTheCta) {
  std::string load = "@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 64;\n"
                     "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%in], 64, "
                     "[%r1+2048];\n";
  make(kInit + "bar.sync 0;\n" + load).expectHazard(HazardKind::ExitInFlight);
  make(kInit + "bar.sync 0;\n" + load + "nanosleep.u32 100000;\n").expectHazard(HazardKind::ExitInFlight);
  make(kInit + "bar.sync 0;\n" + load + kWait).expectClean();
  // One warp that waits is enough.
  make(kInit + "bar.sync 0;\n" + load + "setp.eq.u32 %p2, %warp, 0;\n@%p2 bra $END;\n" + kWait + "$END:\n")
      .expectClean();
}

TEST(MissingGridWait, GlobalMemoryBeforeIt) {
  auto overlapping = [](const std::string &body) {
    SmallKernel kernel = make(body);
    kernel.overlapsPrevious = true;
    return kernel;
  };
  std::string wait = "griddepcontrol.wait;\n";
  for (const char *access : {"ld.global.b32 %r2, [%in];\n", "st.global.b32 [%out], %r1;\n",
                             "red.global.add.u32 [%out], %r1;\n", "cp.async.ca.shared.global [%r1], [%in], 4;\n"}) {
    overlapping("@%p1 " + std::string(access)).expectHazard(HazardKind::MissingGridWait);
    overlapping(wait + "@%p1 " + access).expectClean();
    make("@%p1 " + std::string(access)).expectClean();
  }
  std::string load = "@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%in], 64, "
                     "[%r1+2048];\n@%p1 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r1+2048], 64;\n";
  overlapping(kInit + "bar.sync 0;\n" + load + wait + kWait).expectHazard(HazardKind::MissingGridWait);
  overlapping(kInit + "bar.sync 0;\n" + wait + load + kWait).expectClean();
  // Another warp's wait counts once that is ordered.
  std::string other = "setp.eq.u32 %p2, %warp, 0;\n@%p2 griddepcontrol.wait;\n", sync = "bar.sync 0;\n",
              read = "ld.global.b32 %r2, [%in];\n";
  overlapping(other + read).expectHazard(HazardKind::MissingGridWait);
  overlapping(other + sync + read).expectClean();
  overlapping("prefetch.global.L2 [%in];\ngriddepcontrol.launch_dependents;\n").expectClean();
}

TEST(DivergentWarp, ArrivalAndRegisterChangesByAPart) {
  std::string first = "setp.eq.u32 %p2, %lane, 0;\nsetp.ne.u32 %p3, %warp, 0;\n";
  make(first + "@%p3 bra $SYNC;\n@%p2 bar.arrive 1, 64;\nbra $END;\n$SYNC:\nbar.sync 1, 64;\n$END:\n")
      .expectHazard(HazardKind::DivergentWarp);
  make(first + "@%p3 bra $SYNC;\nbar.arrive 1, 64;\nbra $END;\n$SYNC:\nbar.sync 1, 64;\n$END:\n").expectClean();
  std::string three = "setp.eq.u32 %p2, %warp, 3;\n@%p2 bra $END;\nsetmaxnreg.dec.sync.aligned.u32 40;\n$END:\n";
  make(three, 128).expectHazard(HazardKind::DivergentWarp);
  make("setp.gt.u32 %p2, %warp, 3;\n@%p2 bra $END;\nsetmaxnreg.dec.sync.aligned.u32 40;\n$END:\n", 256).expectClean();
  // Two different ones.
  make("setp.eq.u32 %p2, %warp, 3;\n@%p2 bra $B;\nsetmaxnreg.dec.sync.aligned.u32 40;\nbra $END;\n$B:\n"
       "setmaxnreg.dec.sync.aligned.u32 40;\n$END:\n",
       128)
      .expectHazard(HazardKind::DivergentWarp);
}

TEST(RegisterBudget, TheWarpgroupSynchronisesBetweenTwoChanges) {
  std::string down = "setmaxnreg.dec.sync.aligned.u32 40;\n", up = "setmaxnreg.inc.sync.aligned.u32 48;\n";
  make(down + up, 128).expectHazard(HazardKind::RegisterBudget);
  make(down + "bar.sync 0;\n" + up, 128).expectClean();
}

TEST(UninitialisedPredicate, GuardsAndSources) {
  make("@%p5 mov.b32 %r2, 1;").expectHazard(HazardKind::UninitialisedPredicate);
  make("@!%p5 bra $END;\n$END:\n").expectHazard(HazardKind::UninitialisedPredicate);
  make("selp.b32 %r2, 1, 2, %p5;").expectHazard(HazardKind::UninitialisedPredicate);
  make("not.pred %p6, %p5;").expectHazard(HazardKind::UninitialisedPredicate);
  // Written for some lanes only.
  std::string some = "setp.lt.u32 %p2, %lane, 4;\n@%p2 setp.eq.s32 %p5, %tid, 0;\n";
  make(some + "@%p5 mov.b32 %r2, 1;").expectHazard(HazardKind::UninitialisedPredicate);
  make(some + "@!%p2 bra $END;\n@%p5 mov.b32 %r2, 1;\n$END:\n").expectClean();
}

TEST(Elect, EachLaneUnderSomeSeed) {
  std::string store = "elect.sync _|%p2, -1;\n@%p2 st.global.b32 [%out], %lane;\n";
  // The same lane for the same mask, in whichever warp.
  std::string twice = store + "elect.sync _|%p3, -1;\nxor.pred %p4, %p2, %p3;\n@%p4 trap;\n";
  uint64_t seen = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SmallKernel kernel = make(twice);
    kernel.run(seed);
    ASSERT_FALSE(kernel.report.hazard.has_value()) << kernel.report.hazard->str();
    seen |= uint64_t(1) << kernel.out[0];
  }
  EXPECT_EQ(seen, 0xffffffffu);
  // Two warps with one lane each: the mask leaves no choice.
  make("setp.lt.u32 %p2, %lane, 1;\n@!%p2 bra $END;\nelect.sync _|%p3, 1;\n@!%p3 trap;\n$END:\n").expectClean();
}

TEST(MBarrierWait, SaysFalseNowAndThenThoughThePhaseIsOver) {
  std::string once = "mbarrier.try_wait.parity.shared::cta.b64 %p9, [%r1+2048], 0;\nld.shared.b32 %r3, [%r1];\n";
  std::string body = kInit + "@%p1 st.shared.b32 [%r1], %tid;\nbar.sync 0;\n@%p1 st.shared.b32 [%r1+4], %tid;\n"
                             "@%p1 mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n"
                             "setp.eq.u32 %p2, %warp, 0;\n@%p2 bra $END;\nnanosleep.u32 20000;\n";
  unsigned falses = 0;
  for (unsigned seed = 1; seed <= 100; ++seed) {
    SmallKernel kernel = make(body + once +
                              "setp.eq.u32 %p3, %tid, 32;\nselp.b32 %r4, 1, 2, %p9;\n"
                              "@%p3 st.global.b32 [%out], %r4;\n$END:\n");
    kernel.run(seed);
    ASSERT_FALSE(kernel.report.hazard.has_value()) << kernel.report.hazard->str();
    falses += kernel.out[0] == 2;
  }
  EXPECT_GT(falses, 0u);
  EXPECT_LT(falses, 50u);
}

TEST(Reconvergence, LanesMeetOnlyAtSync) {
  std::string part = "setp.eq.u32 %p2, %lane, 3;\n@!%p2 bra $JOIN;\nmov.b32 %r5, 1;\n$JOIN:\n";
  // An instruction that wants the warp whole and does not wait for it.
  for (const char *aligned : {"bar.arrive 1, 96;\n", "barrier.cta.arrive.aligned 1, 96;\n"}) {
    make(part + aligned, 96).expectClean();
    meetingAtSync(make(part + aligned, 96)).expectHazard(HazardKind::DivergentWarp);
    meetingAtSync(make(part + "bar.warp.sync -1;\n" + aligned, 96)).expectClean();
  }
  // These wait.
  meetingAtSync(make(part + "barrier.cta.arrive 1, 96;\n", 96)).expectClean();
  for (const char *aligned : {".aligned", ""}) {
    std::string arrive = std::string("barrier.cluster.arrive") + aligned + ";\n";
    std::string wait = std::string("barrier.cluster.wait") + aligned + ";\n";
    meetingAtSync(make(part + arrive + wait, 96)).expectClean();
    // Lanes part again between the two.
    meetingAtSync(make(arrive + part + wait, 96)).expectClean();
    // One lane never comes.
    meetingAtSync(make("setp.eq.u32 %p2, %lane, 3;\n@%p2 bra $END;\n" + arrive + "$END:\nbar.warp.sync -1;\n"))
        .expectHazard(HazardKind::Deadlock);
    meetingAtSync(make("setp.eq.u32 %p2, %lane, 3;\n@!%p2 " + arrive)).expectHazard(HazardKind::DivergentWarp);
  }
  meetingAtSync(make(part + "bar.sync 0;\nwgmma.fence.sync.aligned;\n", 128)).expectClean();
  meetingAtSync(make(part + "shfl.sync.idx.b32 %r6, %lane, 0, 31, -1;\nbar.arrive 1, 96;\n", 96)).expectClean();
  // A mask that names some: those meet.
  meetingAtSync(make("setp.lt.u32 %p2, %lane, 4;\n@!%p2 bra $END;\nsetp.lt.u32 %p3, %lane, 2;\n@%p3 bra $A;\n"
                     "nanosleep.u32 100;\n$A:\nshfl.sync.idx.b32 %r6, %lane, 3, 31, 15;\n"
                     "setp.ne.u32 %p4, %r6, 3;\n@%p4 trap;\n$END:\n"))
      .expectClean();
  // Two bar.warp.sync meet; the lanes go on apart.
  meetingAtSync(make("setp.lt.u32 %p2, %lane, 4;\n@%p2 bra $A;\nbar.warp.sync -1;\nbra $END;\n$A:\nbar.warp.sync -1;\n"
                     "$END:\nbar.sync 0;\n"))
      .expectClean();
  meetingAtSync(make("setp.lt.u32 %p2, %lane, 4;\n@%p2 bra $A;\nbar.sync 0;\nbra $END;\n$A:\nbar.sync 0;\n$END:\n"))
      .expectHazard(HazardKind::Deadlock);
  meetingAtSync(make("setp.lt.u32 %p2, %lane, 4;\n@%p2 bar.warp.sync -1;\n")).expectHazard(HazardKind::DivergentWarp);
  meetingAtSync(make("setp.lt.u32 %p2, %lane, 4;\n@%p2 shfl.sync.idx.b32 %r6, %lane, 0, 31, -1;\n"))
      .expectHazard(HazardKind::DivergentWarp);
}

TEST(Reconvergence, WhatOneLaneWritesIsNotThereForTheOthers) {
  std::string body = "setp.eq.u32 %p2, %lane, 0;\n@!%p2 bra $JOIN;\n"
                     "mbarrier.init.shared::cta.b64 [%r1+2048], 32;\n$JOIN:\n@SYNC@"
                     "mbarrier.arrive.shared::cta.b64 _, [%r1+2048];\n";
  auto with = [&](const std::string &sync) {
    std::string text = body;
    return meetingAtSync(make(text.replace(text.find("@SYNC@"), 6, sync), 32));
  };
  unsigned found = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SmallKernel kernel = with("");
    kernel.run(seed);
    found += kernel.report.hazard.has_value();
  }
  EXPECT_GT(found, 0u);
  with("bar.warp.sync -1;\n").expectClean(20);
}

TEST(Members, ThoseThatHaveEndedAreNotWaitedFor) {
  for (auto mode : {Reconvergence::PostDominator, Reconvergence::Sync}) {
    SmallKernel kernel = make("setp.gt.u32 %p2, %lane, 7;\n@%p2 exit;\nshfl.sync.idx.b32 %r2, %lane, 5, 31, -1;\n"
                              "setp.ne.u32 %p3, %r2, 5;\n@%p3 trap;\n");
    kernel.reconvergence = mode;
    kernel.expectClean();
  }
  make("setp.lt.u32 %p2, %lane, 4;\n@%p2 bra $END;\nshfl.sync.idx.b32 %r2, %lane, 5, 31, 0xfffffff8;\n$END:\n")
      .expectHazard(HazardKind::DivergentWarp); // lane 3 is waited for
  make("shfl.sync.idx.b32 %r2, %lane, 5, 31, 0xff;\n").expectHazard(HazardKind::DivergentWarp);
}

TEST(InsufficientScope, CtaWhereTheOtherSideIsInAnotherCta) {
  std::string setup = kInit + kClusterSync +
                      "mapa.shared::cluster.u32 %r3, %r1, 0;\nsetp.eq.s32 %p2, %cta, 1;\n"
                      "and.pred %p3, %p1, %p2;\n";
  std::string finish = "@%p2 bra $END;\n" + kWait + "$END:\n" + kClusterSync;
  auto arrive = [&](const std::string &form) {
    return makePair(setup + "@%p3 mbarrier.arrive." + form + "shared::cluster.b64 _, [%r3+2048];\n" + finish);
  };
  arrive("release.cta.").expectHazard(HazardKind::InsufficientScope);
  arrive("relaxed.cta.").expectHazard(HazardKind::InsufficientScope);
  arrive("release.cluster.").expectClean();
  arrive("").expectClean(); // what CUTLASS uses
  auto waitWith = [&](const std::string &form) {
    SmallKernel kernel = arrive("release.cluster.");
    size_t at = kernel.body.find("try_wait.parity.");
    kernel.body.insert(at + 16, form);
    return kernel;
  };
  waitWith("acquire.cta.").expectHazard(HazardKind::InsufficientScope);
  waitWith("acquire.cluster.").expectClean();
  makePair(setup + "@%p3 st.relaxed.cta.shared::cluster.b32 [%r3], %cta;\n" + kClusterSync)
      .expectHazard(HazardKind::InsufficientScope);
  makePair(setup + "@%p3 st.relaxed.cluster.shared::cluster.b32 [%r3], %cta;\n" + kClusterSync).expectClean();
}

TEST(InsufficientScope, AFenceOfTheCtaDoesNotReleaseToTheCluster) {
  auto kernel = [](const std::string &fence) {
    return makePair("st.shared.b32 [%r1+1024], %tid;\nbar.sync 0;\n" + fence +
                    "barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;\n"
                    "mapa.shared::cluster.u32 %r3, %r1, 0;\nsetp.eq.s32 %p2, %cta, 1;\n"
                    "@%p2 ld.shared::cluster.b32 %r4, [%r3+1024];\n" +
                    kClusterSync);
  };
  SmallKernel bad = kernel("fence.acq_rel.cta;\n"), good = kernel("fence.acq_rel.cluster;\n");
  // One writer, so that the store itself is no race.
  for (SmallKernel *k : {&bad, &good})
    k->body.replace(k->body.find("st.shared"), 9, "@%p1 st.shared");
  bad.expectHazard(HazardKind::ReadBeforeWritten);
  good.expectClean();
}

TEST(SharedAtomics, AreAccesses) {
  std::string init = "@%p1 st.shared.b32 [%r1], 0;\n", sync = "bar.sync 0;\n",
              add = "setp.eq.u32 %p2, %lane, 0;\n@%p2 red.shared.add.u32 [%r1], 1;\n",
              read = "ld.shared.b32 %r2, [%r1];\nsetp.ne.u32 %p3, %r2, 2;\n@%p3 trap;\n";
  make(init + sync + add + sync + read).expectClean();
  make(init + add, 32).expectClean(); // one warp
  make(add, 32).expectHazard(HazardKind::ReadBeforeWritten);
  make(add + "ld.shared.b32 %r2, [%r1+4];\n").expectHazard(HazardKind::ReadBeforeWritten);
  make(add).expectHazard(HazardKind::ReadBeforeWritten);
  std::string one = "setp.ne.u32 %p4, %warp, 0;\n@%p4 bra $OTHER;\n" + add +
                    "bra $END;\n$OTHER:\nnanosleep.u32 5000;\nld.shared.b32 %r2, [%r1];\n$END:\n";
  make(init + sync + one).expectHazard(HazardKind::ReadBeforeWritten);
  // Generic writes as any other, to the async proxy.
  std::string store = "fence.proxy.async.shared::cta;\n" + sync +
                      "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [%r1], 16;\n"
                      "@%p1 cp.async.bulk.commit_group;\n@%p1 cp.async.bulk.wait_group 0;\n";
  std::string zero = "@%p1 st.shared.v4.b32 [%r1], {0, 0, 0, 0};\n" + sync;
  make(zero + add + store).expectClean();
  make(zero + "fence.proxy.async.shared::cta;\n" + sync + add + sync +
       "@%p1 cp.async.bulk.global.shared::cta.bulk_group [%out], [%r1], 16;\n")
      .expectHazard(HazardKind::MissingProxyFence);
}

TEST(GlobalMemory, WhatAnotherCtaWrites) {
  std::string write = "setp.eq.s32 %p2, %cta, 0;\nand.pred %p3, %p1, %p2;\n@%p3 st.global.b32 [%out], 1;\n";
  std::string read = "nanosleep.u32 50000;\n@!%p2 ld.global.b32 %r2, [%out];\n";
  makePair(write + read).expectHazard(HazardKind::ReadBeforeWritten);
  // Its own, and what several add to.
  makePair(write + "@%p3 ld.global.b32 %r2, [%out];\n").expectClean();
  makePair("@%p1 red.global.add.u32 [%out], 1;\n").expectClean();
  // The sum of floats depends on the order.
  for (const char *add : {"red.global.add.f32 [%out], %r2", "red.global.add.noftz.bf16x2 [%out], %r2",
                          "red.global.add.v2.f32 [%out], {%r2, %r2}"}) {
    SmallKernel kernel = makePair(std::string("mov.b32 %r2, 1;\n@%p1 ") + add + ";\n");
    kernel.checkOutputs = true;
    kernel.expectHazard(HazardKind::OutputWrittenTwice);
  }
  makePair("mov.b32 %r2, 1;\n@%p1 red.global.add.noftz.f16x2 [%out+2], %r2;\n").expectHazard(HazardKind::Misaligned);
  makePair("mov.b32 %r2, 1;\n@%p1 red.global.add.v4.f32 [%in+4096], {%r2, %r2, %r2, %r2};\n")
      .expectHazard(HazardKind::OutOfBounds);
}
